"""DocumentReference/$docref (US Core): the documents of a patient, by the time of care and by their type.

What is stored is answered; nothing is assembled on demand, so who asks for such documents alone is answered none.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from starlette.responses import Response

from api.http.rejected import Rejected
from api.routes.fhir.bundles import bundle_text, link_text
from api.routes.fhir.exchange import Exchange
from api.routes.fhir.inputs import Inputs, bad
from api.routes.fhir.search import found
from canonical.problem import Problem
from fhir.search.query import parse

TYPE = "DocumentReference"
_ADDRESS = f"{TYPE}/$docref"
# What an input means as a search parameter, with its prefix; the time of care is `context.period`.
_ASKS = {"patient": ("patient", ""), "start": ("period", "ge"), "end": ("period", "le"), "profile": ("_profile", "")}
_OWN = ("on-demand", "type", *_ASKS)


async def docref(exchange: Exchange) -> Response:
    """The searchset of the documents; raises Rejected."""
    if exchange.type_name != TYPE:
        raise Rejected(404, [Problem("fhir.not-supported")])
    exchange.actor.reach(TYPE, "s")
    inputs = await Inputs.of(exchange)
    given = [(name, text) for name in _ASKS if (text := inputs.text(name))]
    if not inputs.text("patient"):
        raise bad("patient")
    kinds = [text for value in inputs.values.get("type", ()) if (text := _token(value))]
    if inputs.flag("on-demand"):
        link = link_text(f"{exchange.base}/{_ADDRESS}", [*given, ("on-demand", "true")])
        return exchange.answer(bundle_text("searchset", [], [("self", link)], 0))
    asked = [(_ASKS[name][0], _ASKS[name][1] + text) for name, text in given] + [("type", text) for text in kinds]
    rest = [(name, text) for name, text in exchange.query if name not in _OWN]
    query = parse(TYPE, [*asked, *rest], exchange.actor.setting(exchange.state.world))
    used = (*given, *(("type", text) for text in kinds), *query.used[len(asked) :])
    return await found(exchange, replace(query, address=_ADDRESS, used=used))


def _token(value: Any) -> str:
    """A type as a search has it: the text of an address, or the codes of a concept or coding; raises Rejected."""
    if isinstance(value, str):
        return value
    codings = value.get("coding", [value]) if isinstance(value, dict) else []
    if not codings or any("code" not in each for each in codings):
        raise bad("type")
    return ",".join(f"{each['system']}|{each['code']}" if "system" in each else each["code"] for each in codings)
