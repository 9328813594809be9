"""Terminology operations (R4 §4.7) on types and instances, by GET and POST, over `hub.terms`.

CodeSystem: $lookup, $validate-code, $subsumes. ValueSet: $expand, $validate-code. ConceptMap: $translate.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.responses import Response

from api.http.rejected import Rejected
from api.routes.fhir.exchange import Exchange
from api.routes.fhir.inputs import Inputs, bad, needed
from canonical.problem import Problem
from fhir import jsontext
from fhir.terminology import answers, expansion
from fhir.terminology.answers import Coding, Strictness
from fhir.terminology.maps import Wanted
from fhir.terminology.systems import Unanswered
from fhir.validation.validator import validate
from hub.find.statement import OneTrip
from hub.terms import questions
from hub.terms.questions import Subject
from hub.terms.shelf import Versions

STATUS = {"not-found": 404, "too-costly": 422, "unsupported": 422, "malformed": 400}
_UNKNOWN = ("context", "contextDirection", "profile")
RETOLD = (
    "filter", "date", "offset", "count", "includeDesignations", "designation", "includeDefinition", "activeOnly",
    "excludeNotForUI", "excludeNested", "displayLanguage", "exclude-system", "system-version", "check-system-version",
    "force-system-version", "property", "useSupplement",
)  # fmt: skip
_COUNTS = ("offset", "count")
_FLAGS = ("includeDesignations", "includeDefinition", "activeOnly", "excludeNotForUI", "excludeNested")
_CODES = ("displayLanguage", "property")
Work = Callable[[Exchange, Inputs, Subject], Awaitable[dict[str, Any]]]


async def lookup(exchange: Exchange) -> Response:
    """CodeSystem/$lookup: names, properties and designations of a code."""
    return await _answered(exchange, ("CodeSystem",), _lookup)


async def subsumes(exchange: Exchange) -> Response:
    """CodeSystem/$subsumes: how two codes lie to each other."""
    return await _answered(exchange, ("CodeSystem",), _subsumes)


async def validate_code(exchange: Exchange) -> Response:
    """$validate-code of a CodeSystem or ValueSet: whether a code is one of it."""
    return await _answered(exchange, ("CodeSystem", "ValueSet"), _validate_code)


async def expand(exchange: Exchange) -> Response:
    """ValueSet/$expand: the codes of a value set, in pages."""
    return await _answered(exchange, ("ValueSet",), _expand)


async def translate(exchange: Exchange) -> Response:
    """ConceptMap/$translate: what a code is in another system."""
    return await _answered(exchange, ("ConceptMap",), _translate)


async def _answered(exchange: Exchange, types: tuple[str, ...], work: Work) -> Response:
    """The answer of a question to one of `types`, of the type or of one record; refusals in the words of R4."""
    kind = exchange.type_name
    if kind not in types:
        raise Rejected(404, [Problem("fhir.not-supported")])
    exchange.actor.require(kind, "r")
    inputs = await Inputs.of(exchange)
    source = OneTrip(exchange.state.world, exchange.caller.tenant)
    record = exchange.record_id if "record_id" in exchange.request.path_params else ""
    today = exchange.state.world.now().date().isoformat()
    subject = Subject(source=source, kind=kind, record=record, on=inputs.day("date") or today)
    subject.language = _language(exchange, inputs)
    subject.supplements = tuple(inputs.texts("useSupplement"))
    subject.along = _along(inputs)
    try:
        found = await work(exchange, inputs, subject)
    except Unanswered as error:
        problem = Problem(error.code, args=error.named, level="error")
        raise Rejected(STATUS[error.kind], [problem]) from None
    return exchange.answer(jsontext.text(found))


def _codings(inputs: Inputs, system: str) -> list[Coding]:
    """The coding or codings asked about, of `code`, `coding` or `codeableConcept`; raises Rejected without any."""
    coding, concept, code = inputs.part("coding", ""), inputs.part("codeableConcept", ""), inputs.text("code")
    if sum((coding is not None, concept is not None, bool(code))) > 1:
        raise bad("coding")
    if code:
        return [Coding(system=system, code=code, display=inputs.text("display"), version=_version(inputs))]
    listed = [coding] if coding is not None else (concept or {}).get("coding", [])
    texts = [{k: v for k, v in each.items() if k in Coding.__slots__ and isinstance(v, str)} for each in listed]
    found = [Coding(**{"system": system, **each}) for each in texts if each.get("code")]
    if not found:
        raise needed("code")
    return found


def _version(inputs: Inputs) -> str:
    return inputs.text("version") or inputs.text("systemVersion")


async def _lookup(exchange: Exchange, inputs: Inputs, subject: Subject) -> dict[str, Any]:
    coding = _codings(inputs, inputs.text("system"))[0]
    system = await questions.system(subject, coding.system, coding.version or inputs.text("version"))

    def answer() -> dict[str, Any]:
        concept = answers.found(system, coding.code)
        return answers.lookup(system, concept, inputs.texts("property"), subject.language)

    return await asyncio.to_thread(answer)


async def _subsumes(exchange: Exchange, inputs: Inputs, subject: Subject) -> dict[str, Any]:
    codes, systems = [], [inputs.text("system")]
    for letter in "AB":
        coding: dict[str, Any] = inputs.part(f"coding{letter}", "") or {}
        code = inputs.text(f"code{letter}") or coding.get("code")
        if not isinstance(code, str):
            raise needed(f"code{letter}")
        codes.append(code)
        systems.append(str(coding.get("system", "")))
    stated = {system for system in systems if system}
    if len(stated) > 1:
        raise Rejected(422, [Problem("fhir.terminology.two-systems")])
    system = await questions.system(subject, next(iter(stated), ""), inputs.text("version"))
    return await asyncio.to_thread(answers.subsumed, system, *codes)


async def _validate_code(exchange: Exchange, inputs: Inputs, subject: Subject) -> dict[str, Any]:
    how = Strictness(
        dated=bool(inputs.text("date")),
        abstract=inputs.flag("abstract"),
        lenient=inputs.flag("lenient-display-validation"),
        active=inputs.flag("activeOnly"),
        language=subject.language,
    )
    if subject.kind == "CodeSystem":
        subject.given = _resource(inputs, "codeSystem", "CodeSystem")
        codings = _codings(inputs, inputs.text("url") or inputs.text("system"))
        found = await questions.in_system(subject, codings, how)
    else:
        subject.given = _resource(inputs, "valueSet", "ValueSet")
        codings = _codings(inputs, inputs.text("system"))
        url = _with_version(inputs.text("url"), inputs.text("valueSetVersion"))
        found = await questions.in_set(subject, url, codings, how)
    return answers.verdict(found, subject.language, _places(inputs, codings, found.coding))


def _places(inputs: Inputs, codings: list[Coding], judged: Coding) -> list[str]:
    """Where code, system and name of a judged coding stand in the question."""
    names = ("code", "system", "display")
    if inputs.text("code"):
        return list(names)
    place = next((n for n, each in enumerate(codings) if each.code == judged.code), 0)
    head = "Coding" if inputs.part("coding", "") is not None else f"CodeableConcept.coding[{place}]"
    return [f"{head}.{name}" for name in names]


async def _expand(exchange: Exchange, inputs: Inputs, subject: Subject) -> dict[str, Any]:
    for name in _UNKNOWN:
        if inputs.values.get(name):
            raise Rejected(400, [Problem("fhir.terminology.parameter", name, args=(("name", name),))])
    subject.given = _resource(inputs, "valueSet", "ValueSet")
    subject.versions = Versions(
        default=_pairs(inputs, "system-version"),
        forced=_pairs(inputs, "force-system-version"),
        checked=_pairs(inputs, "check-system-version"),
    )
    asked = expansion.Asked(
        filter=inputs.text("filter"),
        offset=inputs.whole("offset") or 0,
        count=inputs.whole("count"),
        designations=inputs.flag("includeDesignations") or bool(inputs.texts("designation")),
        languages=tuple(text.rpartition("|")[2] for text in inputs.texts("designation")),
        active_only=inputs.flag("activeOnly"),
        selectable_only=inputs.flag("excludeNotForUI"),
        language=subject.language,
        nested="excludeNested" in inputs.values and not inputs.flag("excludeNested"),
        properties=tuple(inputs.texts("property")),
        excluded=tuple(text.partition("|")[0] for text in inputs.texts("exclude-system")),
        shown=tuple(_retold(inputs, subject.language)),
    )
    url = _with_version(inputs.text("url"), inputs.text("valueSetVersion"))
    whole = inputs.flag("includeDefinition")
    return await questions.expanded(subject, url, asked, whole=whole, now=exchange.state.world.now())


def _retold(inputs: Inputs, language: str) -> list[dict[str, Any]]:
    """The parameters that took effect, as the expansion tells them; a language by the header is one."""
    found: list[dict[str, Any]] = []
    if language and not inputs.text("displayLanguage"):
        found.append({"name": "displayLanguage", "valueCode": language})
    for name in RETOLD:
        for value in inputs.values.get(name, ()):
            if name in _COUNTS:
                found.append({"name": name, "valueInteger": inputs.whole(name)})
            elif name in _FLAGS:
                found.append({"name": name, "valueBoolean": inputs.flag(name)})
            elif value:
                kind = "valueCode" if name in _CODES else "valueString"
                found.append({"name": name, kind: str(value)})
    return found


async def _translate(exchange: Exchange, inputs: Inputs, subject: Subject) -> dict[str, Any]:
    subject.given = _resource(inputs, "conceptMap", "ConceptMap")
    codings = _codings(inputs, inputs.text("system"))
    needs = [value for value in inputs.values.get("dependency", ()) if isinstance(value, dict)]
    wanted = [
        Wanted(
            system=coding.system,
            code=coding.code,
            target_system=inputs.text("targetsystem"),
            reverse=inputs.flag("reverse"),
            needs=tuple((str(n.get("element")), _told(n.get("concept"))) for n in needs),
        )
        for coding in codings
    ]
    url = _with_version(inputs.text("url"), inputs.text("conceptMapVersion"))
    ends = (inputs.text("source"), inputs.text("target"))
    matches = await questions.translated(subject, url, wanted, ends)
    return answers.translation(matches, _language(exchange, inputs))


def _told(value: Any) -> str:
    """The code of a dependency, which may be a code, a Coding or a CodeableConcept."""
    if isinstance(value, dict):
        coding: dict[str, Any] = next(iter(value.get("coding", [value])), {})
        return str(coding.get("code", ""))
    return str(value)


def _resource(inputs: Inputs, name: str, kind: str) -> dict[str, Any] | None:
    """A resource that came with the question; raises Rejected for one that is not valid."""
    found = inputs.part(name, kind)
    if found is not None and (problems := [problem for problem in validate(found) if problem.blocks]):
        raise Rejected(422, problems)
    return found


def _along(inputs: Inputs) -> list[dict[str, Any]]:
    """The code systems and value sets that came along (`tx-resource`); raises Rejected for what is not valid."""
    found = [body for body in inputs.values.get("tx-resource", ()) if isinstance(body, dict)]
    if any(body.get("resourceType") not in ("CodeSystem", "ValueSet") for body in found):
        raise bad("tx-resource")
    if problems := [problem for body in found for problem in validate(body) if problem.blocks]:
        raise Rejected(422, problems)
    return found


def _with_version(url: str, version: str) -> str:
    return f"{url}|{version}" if url and version and "|" not in url else url


def _pairs(inputs: Inputs, name: str) -> dict[str, str]:
    parts = [text.partition("|") for text in inputs.texts(name)]
    if any(not mark for _, mark, _ in parts):
        raise bad(name)
    return {url: version for url, _, version in parts}


def _language(exchange: Exchange, inputs: Inputs) -> str:
    """The languages of names, those preferred first: of `displayLanguage`, else those the caller accepts."""
    stated = inputs.text("displayLanguage") or exchange.request.headers.get("accept-language", "")
    found = [part.partition(";") for part in stated[:200].split(",")]
    weighed = sorted(((name.strip(), _weight(rest)) for name, _, rest in found), key=lambda each: -each[1])
    return ",".join(name for name, weight in weighed if name and name != "*" and weight > 0)


def _weight(text: str) -> float:
    """The weight of a language (`q=0.5`); 1 where none is stated."""
    name, _, value = text.strip().partition("=")
    try:
        return float(value) if name.strip() == "q" else 1.0
    except ValueError:
        return 1.0
