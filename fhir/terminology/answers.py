"""What the terminology operations answer (R4 §4.7): $lookup, $validate-code, $subsumes and $translate as Parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from canonical.codes import spellings
from canonical.identity import fold
from canonical.problem import Problem
from fhir.terminology.maps import Match
from fhir.terminology.systems import Concept, System, Unanswered, subsumption

TX_ISSUE = "http://hl7.org/fhir/tools/CodeSystem/tx-issue-type"
# By finding: the issue type of R4, the one of the terminology ecosystem, and which part of the question it is about.
ISSUES = {
    "fhir.terminology.not-in-set": ("code-invalid", "not-in-vs", 0),
    "fhir.terminology.unknown-code": ("code-invalid", "invalid-code", 0),
    "fhir.terminology.display": ("invalid", "invalid-display", 2),
    "fhir.terminology.abstract": ("business-rule", "code-rule", 0),
    "fhir.terminology.not-in-force": ("business-rule", "code-rule", 0),
    "fhir.terminology.inactive-code": ("business-rule", "code-rule", 0),
    "fhir.terminology.inactive": ("business-rule", "code-comment", 0),
    "fhir.terminology.fragment": ("code-invalid", "invalid-code", 0),
    "fhir.terminology.spelling": ("business-rule", "code-rule", 0),
    "fhir.terminology.system": ("not-found", "not-found", 1),
    "fhir.terminology.two-owners": ("not-found", "cannot-infer", 0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Coding:
    """A code as a question states it; empty texts: not stated."""

    system: str = ""
    code: str = ""
    display: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strictness:
    """How a code is judged: grouping codes allowed (`abstract`), in force on the date asked for (`dated`).

    `lenient`: a wrong name is a warning. Names are told back in `language`; `active`: inactive codes do not hold.
    """

    abstract: bool = False
    dated: bool = False
    lenient: bool = False
    active: bool = False
    language: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a coding holds; `problems` say why not, or what is odd about it, the one that decides first.

    `normalized` is the code as its system writes it, where the question wrote it otherwise.
    """

    result: bool
    coding: Coding
    display: str = ""
    version: str = ""
    normalized: str = ""
    problems: tuple[Problem, ...] = ()


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
    """The answer of $lookup; `wanted` are the properties asked for, none or `*`: all."""
    wanted = () if "*" in wanted else wanted
    parts = [text("name", system.name or system.url)]
    if system.version:
        parts.append(text("version", system.version))
    parts.append(text("display", concept.shown(language) or concept.code))
    parts += [text("system", system.url, "Uri"), text("code", concept.code, "Code")]
    if concept.definition and (not wanted or "definition" in wanted):
        parts.append(text("definition", concept.definition))
    if not wanted or "designation" in wanted or any(name.startswith("lang.") for name in wanted):
        parts += [_designation(each) for each in concept.others(language) if _asked(each.language, wanted)]
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


def of_system(system: System, coding: Coding, how: Strictness) -> Verdict:
    """Whether a code is one of the system, under the name stated."""
    try:
        concept = found(system, coding.code)
    except Unanswered:
        if not system.complete and not getattr(system, "fragment", False):
            raise Unanswered("not-found", "fhir.terminology.incomplete", name=system.url) from None
        if not system.complete:  # it may stand in another part: nobody here can say that it does not
            coding, told = replace(coding, system=system.url), (_problem("fragment", system.url),)
            return Verdict(result=True, coding=coding, version=system.version, problems=told)
        problems = unknown(replace(coding, system=system.url), system.version)
        return Verdict(result=False, coding=coding, version=system.version, problems=problems)
    coding = replace(coding, system=coding.system or system.url)
    return replace(judged(concept, coding, how), version=system.version)


def judged(concept: Concept, coding: Coding, how: Strictness) -> Verdict:
    """A coding whose concept is known: grouping concepts, names, states and dates decide."""
    display = concept.shown(how.language)
    wrong: list[Problem] = []
    if concept.abstract and not how.abstract:
        wrong.append(_problem("abstract"))
    if concept.inactive and (how.dated or how.active):
        wrong.append(_problem("not-in-force" if how.dated else "inactive-code"))
    odd = [_problem("inactive")] if concept.inactive and not wrong else []
    normalized = concept.code if concept.code != coding.code else ""
    odd += [_problem("spelling", concept.code)] if normalized else []
    named = [concept.display, *(each.value for each in concept.designations)]
    if coding.display and concept.display and fold(coding.display) not in map(fold, named):
        names = " / ".join(dict.fromkeys(f"«{name}»" for name in (display, *named) if name))
        mistake = Problem(
            "fhir.terminology.display", args=(("name", names[:1000]),), level="warning" if how.lenient else None
        )
        (odd if how.lenient else wrong).append(mistake)
    problems = (*wrong, *odd)
    return Verdict(result=not wrong, coding=coding, display=display, normalized=normalized, problems=problems)


def _problem(code: str, name: str = "") -> Problem:
    return Problem(f"fhir.terminology.{code}", args=(("name", name[:200]),))


def unknown(coding: Coding, version: str) -> tuple[Problem, ...]:
    """That its system has no such code."""
    return (_problem("unknown-code", f"{coding.system}|{version}" if version else coding.system),)


def no_system(coding: Coding) -> tuple[Problem, ...]:
    """That its system is not here, or not in its version."""
    return (_problem("system", f"{coding.system}|{coding.version}" if coding.version else coding.system),)


def unclear(coding: Coding, owners: Sequence[str]) -> Verdict:
    """A code without its system that several systems of a value set have."""
    return Verdict(result=False, coding=coding, problems=(_problem("two-owners", ", ".join(owners)),))


def not_in_set(coding: Coding, name: str, more: Sequence[Problem] = ()) -> Verdict:
    """A coding outside of a value set, and what else is wrong with it."""
    return Verdict(result=False, coding=coding, problems=(_problem("not-in-set", name), *more))


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


def verdict(given: Verdict, language: str, where: Sequence[str] = ("code", "system", "display")) -> dict[str, Any]:
    """The answer of $validate-code; `where` are the places of code, system and name in the question."""
    spoken = "en" if language.lower().startswith("en") else "pt"
    parts: list[dict[str, Any]] = [{"name": "result", "valueBoolean": given.result}]
    if given.problems:
        parts.append(text("message", "; ".join(problem.text(spoken) for problem in given.problems)))
    for name, value, kind in (
        ("display", given.display, "String"),
        ("code", given.coding.code, "Code"),
        ("system", given.coding.system, "Uri"),
        ("version", given.version, "String"),
        ("normalized-code", given.normalized, "Code"),
    ):
        parts += [text(name, value, kind)] if value else []
    if given.problems:
        issues = [_issue(problem, spoken, where) for problem in given.problems]
        parts.append({"name": "issues", "resource": {"resourceType": "OperationOutcome", "issue": issues}})
    return parameters(*parts)


def _issue(problem: Problem, language: str, where: Sequence[str]) -> dict[str, Any]:
    """A finding as an issue of the terminology ecosystem: its kind, and which part of the question it is about."""
    kind, tx, place = ISSUES.get(problem.code, ("code-invalid", "invalid-code", 0))
    details = {"coding": [{"system": TX_ISSUE, "code": tx}], "text": problem.text(language)}
    return {"severity": problem.severity, "code": kind, "details": details, "expression": [where[place]]}


def subsumed(system: System, one: str, other: str) -> dict[str, Any]:
    """The answer of $subsumes; raises Unanswered for codes the system does not have."""
    codes = [found(system, code).code for code in (one, other)]
    return parameters(text("outcome", subsumption(system, *codes), "Code"))


def translation(matches: Sequence[Match], language: str) -> dict[str, Any]:
    """The answer of $translate."""
    result = any(match.counts for match in matches)
    parts: list[dict[str, Any]] = [{"name": "result", "valueBoolean": result}]
    notes = [] if result else [_problem("untranslated").text("en" if language.startswith("en") else "pt")]
    notes += dict.fromkeys(match.note for match in matches if match.note)
    if notes:
        parts.append(text("message", "; ".join(notes)))
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
