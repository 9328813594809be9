"""/api/v1/tiss, what comes back: how often items were denied, the board of denials, deadlines, sheets of payers."""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from api.http.answering import csv_answer, json_answer
from api.http.rejected import Rejected
from api.http.state import Caller, CallerDep, StateDep
from api.routes.tiss_files import bounded
from canonical.problem import blocking
from hub.billing import listing, sheets, writing
from hub.billing.profiles import payer as profile_by_id
from hub.billing.returns import board, deadlines, evidence, history, intake

router = APIRouter(prefix="/api/v1/tiss", tags=["TISS"])


def _example(document: Any) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI description of an answer with its example."""
    return {200: {"content": {"application/json": {"example": document}}}}


def _reader(caller: Caller) -> None:
    caller.require("tiss/read", "tiss/write")


_GLOSA = {"code": "1705", "name": "…", "times": 12, "cents": 30480, "granted_cents": 2540}
_HISTORY = {
    "payer": "999806",
    "table": "22",
    "code": "40304361",
    "professional": "crm-sp 123456",
    "since": "2025-11-26",
    "cases": 118,
    "denied": 14,
    "denied_cents": 35560,
    "professional_cases": 40,
    "professional_denied": 9,
    "glosas": [_GLOSA],
    "findings": [{"code": "history.item", "severity": "warning", "where": "item", "text": "…", "remedy": "…"}],
}


@router.get("/history/{payer}", responses=_example(_HISTORY))
async def denied_before(
    payer: str,
    state: StateDep,
    caller: CallerDep,
    table: Annotated[str, Query(max_length=10, examples=["22"])],
    code: Annotated[str, Query(max_length=20, examples=["40304361"])],
    professional: Annotated[str, Query(max_length=60, examples=["crm-sp 123456"])] = "",
) -> Response:
    """How often this payer denied such an item in its months, counted from the tenant's own statements.

    `findings` is what the check says of it: empty below the payer's minimum of cases (`[history]` of its profile).
    """
    _reader(caller)
    item = history.Item(
        table=listing.plain_text(table), code=listing.plain_text(code), professional=listing.plain_text(professional)
    )
    async with state.world.transaction(caller.tenant) as tx:
        profile = await profile_by_id(tx, await listing.payer_id(tx, payer))
        told = await history.tell(tx, profile, item, writing.today(writing.origin(state.world, caller.tenant)))
    return json_answer(told)


_SHEET: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_XLS = "application/vnd.ms-excel"
_SHEETS = {"requestBody": {"required": True, "content": {"text/csv": _SHEET, _XLSX: _SHEET, _XLS: _SHEET}}}
_TAKEN = {"message": "019a…", "protocols": 3, "new": 3, "payments": 0, "new_payments": 0, "problems": []}


@router.post("/statements/sheet", status_code=201, openapi_extra=_SHEETS, responses={201: _example(_TAKEN)[200]})
async def take_sheet(
    request: Request,
    state: StateDep,
    caller: CallerDep,
    payer: Annotated[str, Query(pattern=r"^[0-9]{6}$", examples=["999806"])],
    plan: Annotated[str, Query(max_length=60, examples=["exemplo"])] = "",
    number: Annotated[str, Query(max_length=40)] = "",
) -> Response:
    """Take in a statement of analysis or payment as CSV, XLSX, XLS or an HTML table, by the payer's column plan.

    `plan` names another than the payer's, `number` the statement's number where the sheet does not tell it. Cells that
    could not be read are warnings with row and column; 422 when nothing could be read.
    """
    caller.require("tiss/write")
    sheet = intake.Sheet(raw=await bounded(request), payer=payer, plan=plan, number=listing.plain_text(number))
    taken = await intake.take_sheet(state.world, caller.tenant, sheet, caller.identity.subject)
    if blocking(taken.problems):
        raise Rejected(422, taken.problems)
    return json_answer(taken.as_json(), 201)


_NEXT = {"payer": "999806", "protocol": "9806000001", "appeal_until": "2026-12-04", "denials": 2, "cents": 5400}


@router.get("/deadlines", responses=_example({"items": [_NEXT], "summary": "…"}))
async def next_deadlines(
    state: StateDep,
    caller: CallerDep,
    payer: Annotated[str, Query(pattern=r"^([0-9]{6})?$")] = "",
    days: Annotated[int, Query(ge=0, le=3650)] = 0,
) -> Response:
    """Denials whose time for an appeal ends within `days` (0: each payer's own warning days), soonest first.

    Those nobody appealed, and those whose appeal is still a draft (`drafted`); `cents` is what could still be won.
    """
    _reader(caller)
    async with state.world.transaction(caller.tenant) as tx:
        one = await listing.payer_id(tx, payer) if payer else None
        today = writing.today(writing.origin(state.world, caller.tenant))
        found = await deadlines.upcoming(tx, today, days, one)
    return json_answer({"items": found, "summary": deadlines.summary(found)})


_SUPPORT = {"number": 7, "denials": [{"glosa": "1705", "evidence": {"claim": "/fhir/Claim/…"}}]}


@router.get("/appeals/{appeal_id}/evidence", responses=_example(_SUPPORT))
async def appeal_evidence(appeal_id: UUID, state: StateDep, caller: CallerDep) -> Response:
    """What supports an appeal: for each denial its guide, claim, judgement, charge, messages, senha and findings.

    The reading is audited.
    """
    _reader(caller)
    async with state.world.transaction(caller.tenant) as tx:
        return json_answer(await evidence.of_appeal(tx, appeal_id, caller.identity.subject))


_GROUP = {
    "key": "1705", "name": "…", "denials": 12, "guides": 9, "denied_cents": 30480, "granted_cents": 2540,
    "open_cents": 20000, "expired_cents": 0, "in_appeal_cents": 5400, "lost_cents": 2540, "judged_cents": None,
}  # fmt: skip
_CSV = {"content": {"text/csv": {}, "application/json": {"example": {"items": [_GROUP], "next": None}}}}


class BoardQuery(BaseModel):
    """What is asked of the board; `format=csv` exports all groups, with titles in `lang`."""

    model_config = ConfigDict(extra="forbid")
    by: Literal["payer", "glosa", "month", "professional", "procedure"] = "glosa"
    payer: str = Field(default="", pattern=r"^([0-9]{6})?$", examples=["999806"])
    since: datetime.date | None = None
    until: datetime.date | None = None
    after: str = Field(default="", max_length=400)
    limit: int = Field(default=50, ge=1, le=board.MOST)
    format: Literal["json", "csv"] = "json"
    lang: Literal["pt", "en"] = "pt"


@router.get("/board", responses={200: _CSV})
async def denial_board(state: StateDep, caller: CallerDep, wish: Annotated[BoardQuery, Query()]) -> Response:
    """Denials by payer, glosa, month, professional or procedure, largest first; `next` continues with `after`.

    Of statements issued in the last twelve months unless `since` and `until` say otherwise. `granted` was won back by
    appeals, `open` may still be appealed, `expired` may not, `lost` was kept by the payer.
    """
    _reader(caller)
    async with state.world.transaction(caller.tenant) as tx:
        today = writing.today(writing.origin(state.world, caller.tenant))
        asked = board.Asked(
            by=wish.by,
            since=wish.since or today - datetime.timedelta(days=365),
            until=wish.until or today,
            today=today,
            payer=await listing.payer_id(tx, wish.payer) if wish.payer else None,
        )
        if wish.format == "csv":
            content = sheets.sheet("board", await board.everything(tx, asked), wish.lang, caller.tenant.zone)
            return csv_answer(content, f"glosas-{wish.by}.csv")
        found = await board.page(tx, asked, wish.after, wish.limit)
        aged = await board.ageing(tx, today, asked.payer)
    return json_answer({"items": found.rows, "next": found.next, "ageing": aged})
