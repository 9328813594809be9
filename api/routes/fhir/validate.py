"""$validate on system, type and instance level (R4 operation Resource-validate): findings without storing anything."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from api.http.rejected import Rejected
from api.routes.fhir.exchange import Exchange, outcome_text
from api.routes.fhir.inputs import is_bare
from canonical.problem import Problem
from fhir import jsontext
from fhir.validation import invariants
from fhir.validation.validator import validate
from hub.find.statement import OneTrip
from hub.records import profiled
from hub.records.requests import visible

_MODES = ("", "create", "update", "delete", "profile")


async def validate_any(exchange: Exchange) -> Response:
    """POST /fhir/$validate: any resource, or Parameters that carry it."""
    return await _answer(exchange, await exchange.resource(), "", "")


async def validate_type(exchange: Exchange) -> Response:
    """POST /fhir/{type}/$validate: a resource of the type of the address."""
    type_name = exchange.type_name
    return await _answer(exchange, await exchange.resource(), type_name, "")


async def validate_instance(exchange: Exchange) -> Response:
    """POST /fhir/{type}/{id}/$validate: whether the body may replace the record; without a body as by GET."""
    if is_bare(exchange):
        return await validate_stored(exchange)
    type_name, record_id = exchange.type_name, exchange.record_id
    exchange.actor.reach(type_name, "r")
    return await _answer(exchange, await exchange.resource(), type_name, record_id)


async def validate_stored(exchange: Exchange) -> Response:
    """GET /fhir/{type}/{id}/$validate: the record as it stands; with `mode=delete` whether it is there."""
    type_name, record_id = exchange.type_name, exchange.record_id
    mode = _known(exchange.parameter("mode"))
    row = await visible.current(exchange.state.world, exchange.actor, type_name, record_id)
    if row is None or row["deleted"]:
        raise Rejected(404, [Problem("failure.not-found")])
    if mode == "delete":
        return exchange.answer(outcome_text([]))
    body = jsontext.stored(row["body"])
    return exchange.answer(outcome_text(await _findings(exchange, body, exchange.parameter("profile"))))


async def _answer(exchange: Exchange, document: dict[str, Any], type_name: str, record_id: str) -> Response:
    profile, mode = exchange.parameter("profile"), exchange.parameter("mode")
    resource: Any = document
    if document.get("resourceType") == "Parameters" and type_name != "Parameters":
        named = {p.get("name"): p for p in document.get("parameter", ()) if isinstance(p, dict)}
        if named.keys() & {"resource", "mode", "profile"}:
            resource = named.get("resource", {}).get("resource")
            profile = profile or _text(named.get("profile"))
            mode = mode or _text(named.get("mode"))
    if _known(mode) == "delete" and resource is None:
        return exchange.answer(outcome_text([]))
    problems = await _findings(exchange, resource, profile)
    if type_name and isinstance(resource, dict) and resource.get("resourceType") != type_name:
        problems.insert(0, Problem("fhir.structure.resource-type", f"{type_name}.resourceType"))
    stated = resource.get("id") if isinstance(resource, dict) else None
    if (record_id and stated != record_id) or (mode == "update" and not stated):
        problems.insert(0, Problem("fhir.id-mismatch", f"{type_name or '$this'}.id"))
    return exchange.answer(outcome_text(problems))


def _known(mode: str) -> str:
    """The mode as it is; raises Rejected for one that R4 does not have."""
    if mode not in _MODES:
        raise Rejected(400, [Problem("fhir.search.value", "mode", args=(("name", "mode"),))])
    return mode


def _text(part: Any) -> str:
    """The value of a parameter, whichever string type it has."""
    found = next((v for k, v in part.items() if k.startswith("value")), "") if isinstance(part, dict) else ""
    return found if isinstance(found, str) else ""


async def _findings(exchange: Exchange, resource: Any, profile: str) -> list[Problem]:
    """The rules of R4, then those of the profile asked for and of the profiles the resource names."""
    problems = validate(resource)
    if not isinstance(resource, dict) or any(problem.blocks for problem in problems):
        return problems
    problems += invariants.check(resource)
    return problems + await profiled.check(OneTrip(exchange.state.world, exchange.caller.tenant), resource, profile)
