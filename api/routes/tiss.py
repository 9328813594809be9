"""/api/v1/tiss: check files of any system, follow guides to their money, close and send batches, appeal denials."""

from __future__ import annotations

import asyncio
import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Body, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from api.http.answering import csv_answer, json_answer
from api.http.rejected import Rejected
from api.http.state import Caller, CallerDep, State, StateDep
from api.routes.tiss_files import LARGEST_UPLOAD, begun, rest
from canonical.problem import blocking
from hub.billing import listing, sheets, writing
from hub.billing.appeal import appeals
from hub.billing.batch import batches, submissions
from hub.billing.guide import guides
from hub.billing.profiles import payers
from hub.billing.returns import intake, large, reconciliation
from hub.billing.visit import charges
from hub.guard import audit
from hub.records.saved import Origin
from tiss.tables import tables

router = APIRouter(prefix="/api/v1/tiss", tags=["TISS"])
_RESERVED = frozenset(("after", "limit", "format", "lang"))


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class CloseWish(_Strict):
    """Which payer's guides to close now; none means all payers."""

    payer: str | None = Field(default=None, pattern=r"^[0-9]{6}$", examples=["999806"])


class ProtocolWish(_Strict):
    """The protocol a person learned from the payer."""

    protocol: str = Field(pattern=r"^[0-9A-Za-z]{1,12}$", examples=["9806000001"])


class AppealWish(_Strict):
    """An appeal over denials of one protocol; `texts` maps a denial's id or a glosa code to its justification."""

    payer: str = Field(pattern=r"^[0-9]{6}$", examples=["999806"])
    protocol: str = Field(pattern=r"^[0-9A-Za-z]{1,12}$", examples=["9806000001"])
    denials: list[UUID] = Field(default_factory=list, max_length=1000)
    texts: dict[str, str] = Field(default_factory=dict, examples=[{"1705": "Valor conforme tabela contratada."}])


def _example(document: Any, status: int = 200) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI description of an answer with its example."""
    return {status: {"content": {"application/json": {"example": document}}}}


def _reader(caller: Caller) -> None:
    caller.require("tiss/read", "tiss/write")


def _writer(caller: Caller) -> None:
    caller.require("tiss/write")


def _by(state: State, caller: Caller) -> Origin:
    return writing.origin(state.world, caller.tenant, caller.identity.subject)


_BATCH = {"id": "…", "payer": "999806", "number": 12, "kind": "sp-sadt", "status": "recebido", "total_cents": 2540}
_SUBMISSION = {"id": "…", "batch_id": "…", "batch_number": 12, "protocol": "9806000001", "status": "recebido"}
_STATEMENT = {"id": "…", "protocol": "9806000001", "billed_cents": 2540, "paid_cents": 2000, "denied_cents": 540}
_APPEAL = {"id": "…", "batch_protocol": "9806000001", "number": 3, "status": "respondido", "granted_cents": 540}


@router.post("/statements", status_code=201)
async def take_statement(request: Request, state: StateDep, caller: CallerDep) -> Response:
    """Take in a demonstrativo de análise or de pagamento as a file; the same content again changes nothing.

    One beyond 64 MB, up to 1 GB, is kept in pieces while it comes and read a few protocols at a time.
    """
    _writer(caller)
    coming, who = request.stream(), caller.identity.subject
    received = await begun(coming)
    if len(received) <= LARGEST_UPLOAD:
        taken = await intake.take_file(state.world, caller.tenant, received, who)
    else:
        taken = await large.take_file(state.world, caller.tenant, rest(received, coming), who)
    if blocking(taken.problems):
        raise Rejected(422, taken.problems)
    return json_answer(taken.as_json(), 201)


@router.get("/payers", responses=_example({"items": [{"ans": "999806", "name": "…", "version": "4.02.00"}]}))
async def list_payers(state: StateDep, caller: CallerDep) -> Response:
    """The tenant's payers and what each expects."""
    _reader(caller)
    async with state.world.transaction(caller.tenant) as tx:
        found = await payers(tx)
    items = [
        {
            "ans": profile.ans,
            "name": profile.partner.name,
            "version": profile.version,
            "provider_key": profile.provider_key,
            "signature": profile.signature,
            "appeal_days": profile.appeal_days,
        }
        for profile in found
    ]
    return json_answer({"items": items})


@router.get("/reconciliation/{payer}/{protocol}")
async def reconciled(payer: str, protocol: str, state: StateDep, caller: CallerDep) -> Response:
    """Billed = paid + glosa + copay + open for each item, each guide and the whole protocol, in cents; the orphans.

    `received` is what payment statements say was transferred, `granted` what appeals won, `to_receive` the rest due.
    """
    _reader(caller)
    async with state.world.transaction(caller.tenant) as tx:
        identity = await listing.payer_id(tx, payer)
        return json_answer(await reconciliation.of_protocol(tx, protocol, identity))


@router.get("/guides/{guide_id}")
async def read_guide(guide_id: UUID, state: StateDep, caller: CallerDep) -> Response:
    """One guide: its tree as the payer gets it, its items and its findings. The reading is audited."""
    _reader(caller)
    async with state.world.transaction(caller.tenant) as tx:
        return json_answer(await listing.guide(tx, guide_id, caller.identity.subject))


@router.get("/batches/{batch_id}", responses=_example(_BATCH))
async def read_batch(batch_id: UUID, state: StateDep, caller: CallerDep) -> Response:
    """One batch: where it stands and its findings."""
    return await _one(state, caller, "batches", batch_id)


@router.get("/submissions/{submission_id}", responses=_example(_SUBMISSION))
async def read_submission(submission_id: UUID, state: StateDep, caller: CallerDep) -> Response:
    """One sending of a batch: its protocol and where the payer says it stands."""
    return await _one(state, caller, "submissions", submission_id)


@router.get("/statements/{statement_id}", responses=_example(_STATEMENT))
async def read_statement(statement_id: UUID, state: StateDep, caller: CallerDep) -> Response:
    """One statement of a protocol: its totals and findings."""
    return await _one(state, caller, "statements", statement_id)


@router.get("/appeals/{appeal_id}", responses=_example(_APPEAL))
async def read_appeal(appeal_id: UUID, state: StateDep, caller: CallerDep) -> Response:
    """One appeal: where it stands, what was claimed and granted, and its findings."""
    return await _one(state, caller, "appeals", appeal_id)


@router.get("/appeals/{appeal_id}/document", responses={200: {"content": {"application/xml": {}}}})
async def appeal_document(appeal_id: UUID, state: StateDep, caller: CallerDep) -> Response:
    """The exact message of an appeal as it was sent."""
    _reader(caller)
    async with state.world.transaction(caller.tenant) as tx:
        return Response(await appeals.document(tx, appeal_id), media_type="application/xml")


@router.get("/batches/{batch_id}/document", responses={200: {"content": {"application/xml": {}}}})
async def batch_document(batch_id: UUID, state: StateDep, caller: CallerDep) -> Response:
    """The exact message of a batch as it was sent."""
    _reader(caller)
    async with state.world.transaction(caller.tenant) as tx:
        return Response(await batches.document(tx, batch_id), media_type="application/xml")


async def _one(state: State, caller: Caller, kind: str, identity: UUID) -> Response:
    _reader(caller)
    async with state.world.transaction(caller.tenant) as tx:
        return json_answer(await listing.one(tx, kind, identity))


_PAGE = {"items": [{"id": "…", "payer": "999806", "status": "recebido", "total_cents": 2540}], "next": "019a…"}


class ListQuery(BaseModel):
    """How a list is answered: a page after a cursor, or all of it as a sheet with titles in `lang` (`format=csv`)."""

    after: str = ""
    limit: int = Field(default=50, ge=1, le=listing.MOST)
    format: Literal["json", "csv"] = "json"
    lang: sheets.Language = "pt"


_TERM = {"table": "22", "code": "40304361", "name": "Hemograma com contagem…", "since": "2009-02-13", "until": None}


class TermQuery(BaseModel):
    """Words or a code; a table (18, 19, 20, 22, 38 glosas, a domain; none: the TUSS); the day it must be in force."""

    model_config = ConfigDict(extra="forbid")
    words: str = Field(min_length=1, max_length=100, examples=["hemograma"])
    table: str = Field(default="", pattern=r"^([0-9]{2})?$")
    on: datetime.date | None = None
    limit: int = Field(default=20, ge=1, le=200)


@router.get("/terms", responses=_example({"items": [_TERM]}))
async def find_terms(asked: Annotated[TermQuery, Query()], caller: CallerDep) -> Response:
    """Terms of the ANS tables whose code begins with, or whose name holds, all words; case and accents do not count."""
    _reader(caller)
    known, words = tables.installed(), listing.plain_text(asked.words)
    found = await asyncio.to_thread(known.search, words, table=asked.table, on=asked.on, most=asked.limit)
    return json_answer({"items": [{name: getattr(term, name) or None for name in _TERM} for term in found]})


@router.get("/{kind}", responses={200: {"content": {"text/csv": {}, "application/json": {"example": _PAGE}}}})
async def listed(
    kind: str, request: Request, state: StateDep, caller: CallerDep, wish: Annotated[ListQuery, Query()]
) -> Response:
    """One page of a list; `next` continues with `after`.

    guides, batches, submissions, statements, statement-lines, denials and appeals; remittances, payments and
    payment-entries of payment statements. Filters are query parameters: `payer` (registro ANS) everywhere, `status`,
    `protocol` and others by list. `format=csv` gives all rows (at most 20,000; else 422 `listing.too-many`) as a sheet
    for Excel: UTF-8 with its mark, semicolons, decimal commas.
    """
    _reader(caller)
    filters = {name: value for name, value in request.query_params.items() if name not in _RESERVED}
    async with state.world.transaction(caller.tenant) as tx:
        if wish.format == "csv":
            rows = await listing.everything(tx, kind, filters)
            await audit.note(tx, caller.identity.subject, "export-list", f"list/{kind}")
            return csv_answer(sheets.sheet(kind, rows, wish.lang, caller.tenant.zone), f"{kind}.csv")
        page = await listing.page(tx, kind, filters, wish.after, wish.limit)
    return json_answer({"items": page.rows, "next": page.next})


_BUILT = {"ready": 12, "pending": 1, "without_payer": 4, "in_stay": 7, "in_treatment": 2}


@router.post("/guides/build", responses=_example(_BUILT))
async def build_guides(state: StateDep, caller: CallerDep) -> Response:
    """Build guides of all open charges now, and try the waiting ones again.

    `without_payer` counts charges of patients without a coverage of a known payer; no guide can be made of them.
    `in_stay` counts those that wait for an inpatient's discharge, `in_treatment` for the end of a dental treatment.
    """
    _writer(caller)
    built = await guides.build_guides(state.world, caller.tenant)
    async with state.world.transaction(caller.tenant) as tx:
        profiles, today = await payers(tx), writing.today(writing.origin(state.world, caller.tenant))
        left = await charges.without_payer(tx, [profile.ans for profile in profiles])
        staying = await charges.in_stay(tx)
        treated = await charges.in_treatment(tx, profiles, today, caller.tenant.zone)
    counts = {"ready": built.ready, "pending": built.pending, "without_payer": left}
    return json_answer({**counts, "in_stay": staying, "in_treatment": treated})


@router.post("/batches/close", responses=_example({"items": [{"id": "…", "number": 1, "guides": 100}]}))
async def close_batches(
    state: StateDep, caller: CallerDep, wish: Annotated[CloseWish | None, Body()] = None
) -> Response:
    """Close what is ready now: batches are checked, numbered, signed and queued, or blocked with their findings."""
    _writer(caller)
    payer = None
    if wish is not None and wish.payer:
        async with state.world.transaction(caller.tenant) as tx:
            payer = await listing.payer_id(tx, wish.payer)
    await guides.build_guides(state.world, caller.tenant)
    closed = await batches.close_batches(state.world, caller.tenant, payer)
    items = [{"id": str(one.id), "number": one.number, "guides": one.guides, "status": one.status} for one in closed]
    return json_answer({"items": items})


@router.post("/batches/{batch_id}/resend", status_code=202)
async def resend(batch_id: UUID, state: StateDep, caller: CallerDep) -> Response:
    """Send a batch's same bytes again; 409 while it waits to be sent or has a protocol."""
    _writer(caller)
    async with state.world.transaction(caller.tenant) as tx:
        submission = await batches.resend(tx, batch_id, caller.identity.subject)
    return json_answer({"submission": str(submission)}, 202)


@router.post("/batches/{batch_id}/reopen", responses=_example({"guides": 3}))
async def reopen(batch_id: UUID, state: StateDep, caller: CallerDep) -> Response:
    """Give the guides of a blocked or refused batch back for repair; its number stays used."""
    _writer(caller)
    async with state.world.transaction(caller.tenant) as tx:
        count = await batches.reopen(tx, batch_id, _by(state, caller))
    return json_answer({"guides": count})


@router.post("/submissions/{submission_id}/protocol")
async def enter_protocol(submission_id: UUID, wish: ProtocolWish, state: StateDep, caller: CallerDep) -> Response:
    """Enter the protocol of a batch whose reply was lost."""
    _writer(caller)
    async with state.world.transaction(caller.tenant) as tx:
        await submissions.enter_protocol(tx, submission_id, wish.protocol, _by(state, caller))
    return json_answer({"protocol": wish.protocol})


@router.post("/appeals", status_code=201)
async def draft_appeal(wish: AppealWish, state: StateDep, caller: CallerDep) -> Response:
    """Draft an appeal over the open denials of a protocol; texts not given come from the template of the glosa."""
    _writer(caller)
    async with state.world.transaction(caller.tenant) as tx:
        payer = await listing.payer_id(tx, wish.payer)
        wanted = appeals.Wish(payer_id=payer, protocol=wish.protocol, denials=tuple(wish.denials), texts=wish.texts)
        appeal = await appeals.draft(tx, wanted, _by(state, caller))
    return json_answer(await _appeal(state, caller, appeal), 201)


@router.post("/appeals/{appeal_id}/send", status_code=202)
async def send_appeal(appeal_id: UUID, state: StateDep, caller: CallerDep) -> Response:
    """Check, sign and queue an appeal; `bloqueado` with findings when it may not go out."""
    _writer(caller)
    async with state.world.transaction(caller.tenant) as tx:
        await appeals.send(state.world, caller.tenant, tx, appeal_id, caller.identity.subject)
    return json_answer(await _appeal(state, caller, appeal_id), 202)


@router.post("/appeals/{appeal_id}/resend", status_code=202, responses=_example(_APPEAL, 202))
async def resend_appeal(appeal_id: UUID, state: StateDep, caller: CallerDep) -> Response:
    """Send an appeal's same bytes again, where the payer has not answered it; 409 otherwise."""
    _writer(caller)
    async with state.world.transaction(caller.tenant) as tx:
        await appeals.resend(tx, appeal_id, caller.identity.subject)
    return json_answer(await _appeal(state, caller, appeal_id), 202)


@router.delete("/appeals/{appeal_id}", status_code=204)
async def discard_appeal(appeal_id: UUID, state: StateDep, caller: CallerDep) -> Response:
    """Drop a draft, or a blocked appeal; its denials are open again."""
    _writer(caller)
    async with state.world.transaction(caller.tenant) as tx:
        await appeals.discard(tx, appeal_id, _by(state, caller))
    return Response(status_code=204)


async def _appeal(state: State, caller: Caller, appeal_id: UUID) -> dict[str, Any]:
    async with state.world.transaction(caller.tenant) as tx:
        return await listing.one(tx, "appeals", appeal_id)
