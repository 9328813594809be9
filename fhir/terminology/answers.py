"""What the terminology operations answer (R4 §4.7): $lookup, $validate-code, $subsumes and $translate as Parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from canonical.codes import spellings
from canonical.identity import fold
from canonical.problem import Problem
from fhir.terminology.maps import Match
from fhir.terminology.systems import Concept, System, Unanswered, subsumption

_HEADINGS = frozenset(("system", "name", "version", "display", "definition"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Coding:
    """A code as a question states it; empty texts: not stated."""

    system: str = ""
    code: str = ""
    display: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a coding holds; `message` says why not, or what is odd about it."""

    result: bool
    coding: Coding
    display: str = ""
    message: Problem | None = None


def parameters(*parts: dict[str, Any]) -> dict[str, Any]:
    """A Parameters resource of `parts`."""
    return {"resourceType": "Parameters", "parameter": list(parts)}


def text(name: str, value: str, kind: str = "String") -> dict[str, Any]:
    """A parameter with a text of some primitive type."""
    return {"name": name, f"value{kind}": value}


def found(system: System, code: str) -> Concept:
    """The concept of a code in any spelling; raises Unanswered."""
    for each in (code, *spellings(system.url, code)):
        concept = system.find(each)
        if concept is not None:
            return concept
    raise Unanswered("not-found", "fhir.terminology.code", name=system.url)


def lookup(system: System, concept: Concept, wanted: Sequence[str], language: str) -> dict[str, Any]:
    """The answer of $lookup; `wanted` are the properties asked for, none: all."""
    parts = [text("name", system.name or system.url)]
    if system.version:
        parts.append(text("version", system.version))
    parts.append(text("display", concept.shown(language) or concept.code))
    if concept.definition and (not wanted or "definition" in wanted):
        parts.append(text("definition", concept.definition))
    if not wanted or "designation" in wanted or any(name.startswith("lang.") for name in wanted):
        parts += [_designation(each) for each in concept.designations if _asked(each.language, wanted)]
    parts += [part for code, part in _properties(system, concept) if not wanted or code in wanted]
    return parameters(*parts)


def _asked(language: str, wanted: Sequence[str]) -> bool:
    languages = [name[5:] for name in wanted if name.startswith("lang.")]
    return not languages or language in languages or "designation" in wanted


def _designation(each: Any) -> dict[str, Any]:
    parts = [text("language", each.language, "Code")] if each.language else []
    parts += [{"name": "use", "valueCoding": each.use}] if isinstance(each.use, dict) else []
    return {"name": "designation", "part": [*parts, text("value", each.value)]}


def _properties(system: System, concept: Concept) -> Iterator[tuple[str, dict[str, Any]]]:
    stated = {each.code for each in concept.properties}
    for each in concept.properties:
        yield each.code, _property(each.code, {each.kind: each.value})
    if "inactive" not in stated:
        yield "inactive", _property("inactive", {"valueBoolean": concept.inactive})
    if concept.abstract and "notSelectable" not in stated:
        yield "notSelectable", _property("notSelectable", {"valueBoolean": True})
    for name, codes in (("parent", system.parents(concept.code)), ("child", system.children(concept.code))):
        for code in codes if name not in stated else ():
            yield name, _property(name, {"valueCode": code})


def _property(code: str, value: dict[str, Any]) -> dict[str, Any]:
    return {"name": "property", "part": [text("code", code, "Code"), {"name": "value", **value}]}


def of_system(system: System, coding: Coding, *, abstract: bool, strict_date: bool) -> Verdict:
    """Whether a code is one of the system, under the name stated; `strict_date`: and in force on the date asked for."""
    try:
        concept = found(system, coding.code)
    except Unanswered:
        if not system.complete:
            raise Unanswered("not-found", "fhir.terminology.incomplete", name=system.url) from None
        return Verdict(result=False, coding=coding, message=_problem("unknown-code", system.url))
    return judged(concept, coding, abstract=abstract, strict_date=strict_date)


def judged(concept: Concept, coding: Coding, *, abstract: bool, strict_date: bool) -> Verdict:
    """A coding whose concept is known: grouping concepts, names and dates decide."""
    named = [concept.display, *(each.value for each in concept.designations)]
    display = concept.display
    if concept.abstract and not abstract:
        return Verdict(result=False, coding=coding, display=display, message=_problem("abstract"))
    if concept.inactive and strict_date:
        return Verdict(result=False, coding=coding, display=display, message=_problem("not-in-force"))
    if coding.display and display and fold(coding.display) not in map(fold, named):
        return Verdict(result=False, coding=coding, display=display, message=_problem("display"))
    return Verdict(
        result=True, coding=coding, display=display, message=_problem("inactive") if concept.inactive else None
    )


def _problem(code: str, name: str = "") -> Problem:
    return Problem(f"fhir.terminology.{code}", args=(("name", name[:200]),))


def not_in_set(coding: Coding, name: str) -> Verdict:
    """A coding outside of a value set."""
    return Verdict(result=False, coding=coding, message=_problem("not-in-set", name))


def best(codings: Sequence[Coding], judge: Callable[[Coding], Verdict]) -> Verdict:
    """The first coding that holds, else the first that was judged; raises Unanswered when none could be."""
    verdicts: list[Verdict] = []
    unknown: Unanswered | None = None
    for coding in codings:
        try:
            verdicts.append(judge(coding))
        except Unanswered as error:
            unknown = unknown or error
            continue
        if verdicts[-1].result:
            return verdicts[-1]
    if not verdicts:
        raise unknown or Unanswered("malformed", "fhir.terminology.parameter-missing", name="coding")
    return verdicts[0]


def verdict(given: Verdict, language: str) -> dict[str, Any]:
    """The answer of $validate-code."""
    parts: list[dict[str, Any]] = [{"name": "result", "valueBoolean": given.result}]
    if given.message is not None:
        parts.append(text("message", given.message.text("en" if language.lower().startswith("en") else "pt")))
    for name, value, kind in (
        ("display", given.display, "String"),
        ("code", given.coding.code, "Code"),
        ("system", given.coding.system, "Uri"),
    ):
        parts += [text(name, value, kind)] if value else []
    return parameters(*parts)


def subsumed(system: System, one: str, other: str) -> dict[str, Any]:
    """The answer of $subsumes; raises Unanswered for codes the system does not have."""
    codes = [found(system, code).code for code in (one, other)]
    return parameters(text("outcome", subsumption(system, *codes), "Code"))


def translation(matches: Sequence[Match], language: str) -> dict[str, Any]:
    """The answer of $translate."""
    result = any(match.counts for match in matches)
    parts: list[dict[str, Any]] = [{"name": "result", "valueBoolean": result}]
    if not result:
        parts.append(text("message", _problem("untranslated").text("en" if language.startswith("en") else "pt")))
    return parameters(*parts, *(_matched(match) for match in matches))


def _matched(match: Match) -> dict[str, Any]:
    concept = {"system": match.system, "code": match.code, "display": match.display}
    parts: list[dict[str, Any]] = [text("equivalence", match.equivalence, "Code")]
    if match.code:
        parts.append({"name": "concept", "valueCoding": {k: v for k, v in concept.items() if v}})
    for product in match.products:
        coding = {"system": product.get("system"), "code": product.get("value"), "display": product.get("display")}
        inner = [text("element", str(product.get("property", "")), "Uri")]
        inner.append({"name": "concept", "valueCoding": {k: v for k, v in coding.items() if v}})
        parts.append({"name": "product", "part": inner})
    if match.source:
        parts.append(text("source", match.source, "Uri"))
    return {"name": "match", "part": parts}
