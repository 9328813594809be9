"""$validate on type and system level (R4 operation Resource-validate): findings without storing anything."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from api.routes.fhir.exchange import Exchange, outcome_text
from canonical.problem import Problem
from fhir.validator import validate


async def validate_any(exchange: Exchange) -> Response:
    """POST /fhir/$validate: any resource, or Parameters that carry it."""
    return _answer(exchange, await exchange.resource(), "")


async def validate_type(exchange: Exchange) -> Response:
    """POST /fhir/{type}/$validate: a resource of the type of the address."""
    type_name = exchange.type_name
    return _answer(exchange, await exchange.resource(), type_name)


def _answer(exchange: Exchange, document: dict[str, Any], type_name: str) -> Response:
    profile = exchange.parameter("profile")
    resource: Any = document
    if document.get("resourceType") == "Parameters" and type_name != "Parameters":
        named = {p.get("name"): p for p in document.get("parameter", ()) if isinstance(p, dict)}
        if "resource" in named:
            resource = named["resource"].get("resource")
            profile = profile or str(named.get("profile", {}).get("valueUri", ""))
    problems = validate(resource)
    if type_name and isinstance(resource, dict) and resource.get("resourceType") != type_name:
        problems.insert(0, Problem("fhir.structure.resource-type", f"{type_name}.resourceType"))
    if profile:
        problems.append(Problem("fhir.profile.not-installed", level="warning"))
    return exchange.answer(outcome_text(problems))
