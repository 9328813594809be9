"""$closure (R4 §4.7.14): a table of a client's own that tells how the codes it has met lie to each other."""

from __future__ import annotations

from starlette.responses import Response

from api.http.rejected import Rejected
from api.routes.fhir.exchange import Exchange
from api.routes.fhir.inputs import Inputs, bad, needed
from api.routes.fhir.terminology import STATUS
from canonical.problem import Problem
from fhir import jsontext
from fhir.terminology.answers import Coding
from fhir.terminology.systems import Unanswered
from hub.terms import closure

_MOST_NAME = 200


async def close(exchange: Exchange) -> Response:
    """Opens a table (a name alone), adds codes, or tells again what is new since a version."""
    exchange.actor.require("ConceptMap", "r")
    inputs = await Inputs.of(exchange)
    world = exchange.state.world
    name = inputs.text("name")
    if not name or len(name) > _MOST_NAME or "\0" in name:
        raise needed("name") if not name else bad("name")
    asked = closure.Asked(
        client=exchange.actor.subject,
        name=name,
        concepts=tuple(_concepts(inputs)),
        since=_since(inputs),
        now=world.now(),
    )
    work = closure.extended if asked.concepts or asked.since is not None else closure.opened
    try:
        async with world.transaction(exchange.caller.tenant) as tx:
            found = await work(tx, asked)
    except Unanswered as error:
        raise Rejected(STATUS[error.kind], [Problem(error.code, args=error.named, level="error")]) from None
    return exchange.answer(jsontext.text(found))


def _concepts(inputs: Inputs) -> list[Coding]:
    """The codes to add; raises Rejected for one without system or code."""
    found = []
    for value in inputs.values.get("concept", ()):
        if not isinstance(value, dict) or not value.get("system") or not value.get("code"):
            raise bad("concept")
        found.append(Coding(system=str(value["system"]), code=str(value["code"])))
    return found


def _since(inputs: Inputs) -> int | None:
    text = inputs.text("version")
    if text and (not text.isascii() or not text.isdigit() or len(text) > 15):
        raise bad("version")
    return int(text) if text else None
