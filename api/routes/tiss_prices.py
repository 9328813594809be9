"""/api/v1/tiss/prices: price lists of payers' contracts, with the days they hold."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from api.http.answering import json_answer
from api.http.rejected import Rejected
from api.http.state import CallerDep, StateDep
from api.routes.tiss_files import bounded
from hub.billing import listing
from hub.billing.visit import prices
from hub.billing.visit.price_files import Defaults

router = APIRouter(prefix="/api/v1/tiss/prices", tags=["TISS"])
_MOST = 500
_PRICE = {
    "item_table": "05", "item_code": "0012345", "valid_from": "2026-11-01", "valid_until": None, "billed_table": "20",
    "billed_code": "90055888", "unit_cents": 437, "unit": "AMP", "description": "Dipirona 500 mg", "price_list": "nov",
}  # fmt: skip
_LISTED: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/json": {"example": {"items": [_PRICE], "next": None}}}}
}
_TAKEN: dict[int | str, dict[str, Any]] = {
    201: {"content": {"application/json": {"example": {"list": "nov", "prices": 12572}}}},
    422: {"description": "a line is wrong; nothing of the file is taken"},
}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"text/csv": {"example": "tabela;código;valor;início de vigência\n22;40304361;12,70;01/11/2026\n"}},
    }
}


class ListWish(BaseModel):
    """The name of a list, and what its file does not say."""

    model_config = ConfigDict(extra="forbid")
    list: str = Field(default="", max_length=80)
    table: str = Field(default="", pattern=r"^([0-9]{2})?$")
    since: date | None = None


class PriceQuery(BaseModel):
    """Which prices: codes that begin with `code`, in force `on` a day."""

    model_config = ConfigDict(extra="forbid")
    code: str = Field(default="", max_length=20)
    on: date | None = None
    after: str = Field(default="", max_length=60)
    limit: int = Field(default=50, ge=1, le=_MOST)


@router.post("/{payer}", status_code=201, responses=_TAKEN, openapi_extra=_BODY)
async def take_prices(
    payer: str,
    request: Request,
    state: StateDep,
    caller: CallerDep,
    wish: Annotated[ListWish, Query()],
) -> Response:
    """Import a price list (CSV) of a payer's contract: all of it, or nothing where a line is wrong.

    The first line names the columns: tabela, código, valor, and, where there are, início and fim de vigência,
    descrição, unidade, tabela TISS, código TISS. `table` and `since` stand in for columns the file lacks.
    """
    caller.require("tiss/write")
    raw = await bounded(request)
    today = datetime.now(ZoneInfo(caller.tenant.zone)).date()
    async with state.world.transaction(caller.tenant) as tx:
        wanted = prices.Import(
            payer_id=await listing.payer_id(tx, payer),
            name=wish.list,
            defaults=Defaults(table=wish.table, since=wish.since or today),
            actor=caller.identity.subject,
        )
        count, problems = await prices.take_in(tx, wanted, raw, state.world.now())
    if problems:
        raise Rejected(422, problems)
    return json_answer({"list": wish.list, "prices": count}, 201)


@router.get("/{payer}", responses=_LISTED)
async def list_prices(
    payer: str,
    state: StateDep,
    caller: CallerDep,
    asked: Annotated[PriceQuery, Query()],
) -> Response:
    """Prices of a payer, by code (or how it begins) and day; `next` continues with `after`."""
    caller.require("tiss/read", "tiss/write")
    async with state.world.transaction(caller.tenant) as tx:
        identity = await listing.payer_id(tx, payer)
        code, after = listing.plain_text(asked.code), listing.plain_text(asked.after)
        rows = await prices.listed(tx, identity, code, asked.on, after, asked.limit + 1)
    more = prices.place(rows[asked.limit - 1]) if len(rows) > asked.limit else None
    return json_answer({"items": rows[: asked.limit], "next": more})
