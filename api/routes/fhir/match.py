"""Patient/$match (R4 OperationDefinition Patient-match): who a described person may be, with score and grade."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from api.http.rejected import Rejected
from api.routes.fhir.bundles import bundle_text, entry_text
from api.routes.fhir.exchange import Exchange
from api.routes.fhir.inputs import bad
from canonical.problem import Problem
from fhir import jsontext
from fhir.validation.validator import validate
from hub.find.match import people
from hub.find.match.people import Match
from hub.records.requests import visible

_GRADE = "http://hl7.org/fhir/StructureDefinition/match-grade"


async def match(exchange: Exchange) -> Response:
    """Patient/$match: who may be meant by a Patient; `onlyCertainMatches`, `count`."""
    if exchange.type_name != "Patient":
        raise Rejected(404, [Problem("fhir.not-supported")])
    actor = exchange.actor
    actor.reach("Patient", "r")
    actor.reach("Patient", "s")
    document = await exchange.resource()
    wanted, only_certain, count = _asked(document)
    world, tenant = exchange.state.world, exchange.caller.tenant
    found = await people.match(world, tenant, wanted, actor.setting(world), actor.sight)
    found = [each for each in found if all(visible.may(actor, "Patient", each.row["body"], a) for a in ("r", "s"))]
    shown = people.certain(found) if only_certain else found[:count]
    subject = exchange.caller.identity.subject
    await exchange.state.reading.note(tenant, subject, "search", "Patient/$match")
    for each in shown:
        await exchange.state.reading.note(tenant, subject, "read", f"Patient/{each.row['id']}")
    entries = [_entry(exchange, each) for each in shown]
    return exchange.answer(bundle_text("searchset", entries, [], len(entries)))


def _asked(document: dict[str, Any]) -> tuple[dict[str, Any], bool, int]:
    """The Patient described, and whether only a certain match is wanted, and how many at most; raises Rejected."""
    listed = [document]
    if document.get("resourceType") == "Parameters":
        listed = document.get("parameter", [])
        if not isinstance(listed, list) or not all(_is_parameter(item) for item in listed):
            raise Rejected(400, [Problem("fhir.structure.required", "Parameters.parameter")])
        named = {item.get("name"): item for item in listed}
    else:
        named = {"resource": {"resource": document}}
    wanted = named.get("resource", {}).get("resource")
    if not isinstance(wanted, dict) or wanted.get("resourceType") != "Patient":
        raise Rejected(400, [Problem("fhir.structure.required", "Parameters.parameter.resource")])
    if wrong := [problem for problem in validate(wanted) if problem.blocks]:
        raise Rejected(422, wrong)
    only = _value(named, "onlyCertainMatches", "valueBoolean", False)
    count = _value(named, "count", "valueInteger", people.MOST)
    if count < 1:
        raise bad("count")
    return wanted, only, count


def _is_parameter(item: Any) -> bool:
    return isinstance(item, dict) and isinstance(item.get("name"), str)


def _value(named: dict[Any, dict[str, Any]], name: str, form: str, default: Any) -> Any:
    """The value of a parameter, which must be of the default's type."""
    value = named[name].get(form) if name in named else default
    if type(value) is not type(default):
        raise bad(name)
    return value


def _entry(exchange: Exchange, found: Match) -> str:
    grade = {"url": _GRADE, "valueCode": found.likeness.grade}
    told = {"extension": [grade], "mode": "match", "score": found.likeness.score}
    address = f"{exchange.base}/Patient/{found.row['id']}"
    return entry_text(address, found.row["body"], f'"search":{jsontext.text(told)}')
