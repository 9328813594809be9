"""$convert, between JSON and XML, and $versions: what this server speaks (R4 §3.1.0.1.12)."""

from __future__ import annotations

from starlette.responses import Response

from api.http.rejected import Rejected
from api.routes.fhir.exchange import Exchange
from canonical.problem import Problem
from fhir import jsontext
from fhir.definitions.table import VERSION
from fhir.validation.validator import validate

_SPOKEN = VERSION.rpartition(".")[0]  # versions are named by their first two numbers


async def convert(exchange: Exchange) -> Response:
    """The resource that is sent, or stated as `input` of Parameters, in the form that is asked for."""
    document = await exchange.resource()
    listed = document.get("parameter", ()) if document.get("resourceType") == "Parameters" else ()
    stated = [each.get("resource") for each in listed if isinstance(each, dict) and each.get("name") == "input"]
    if len(stated) > 1:
        raise Rejected(400, [Problem("fhir.search.value", "input", args=(("name", "input"),))])
    resource = stated[0] if stated else document
    if problems := [problem for problem in validate(resource) if problem.blocks]:
        raise Rejected(422, problems)
    return exchange.answer(jsontext.text(resource))


async def versions(exchange: Exchange) -> Response:
    """The one version of FHIR there is here."""
    listed = [{"name": name, "valueCode": _SPOKEN} for name in ("version", "default")]
    return exchange.answer(jsontext.text({"resourceType": "Parameters", "parameter": listed}))
