"""Before and beside the bill: memberships checked, authorisations asked for, stays told, a document sent, a request
taken back; all held against the payers' own books."""

from __future__ import annotations

import hashlib
from typing import Any

from api.demo import day
from api.demo.pdf import page
from api.demo.step import Step
from api.demo.trial import Trial
from api.demo.waiting import job, payer_books, until
from hub.billing import listing
from hub.operate.books import asked
from hub.operate.books.asked import Request
from hub.requests import authorisation, cancellation, documents
from hub.requests.matter import Named

SECONDS = 60
ACTOR = "demo"
_GRANTED, _ANALYSED = "autorizado", ("em analise", "enviando")


async def eligibility(trial: Trial, step: Step) -> None:
    """Every membership of the day's visits is checked with its payer, once."""
    await job(trial, "check-eligibility", days=1)  # the day that came in was yesterday's
    found = await _settled(trial, "elegibilidade")
    wanted = {visit.person.record for visit in trial.day.visits if visit.card}
    step.same("memberships checked", len(wanted), len({one.patient for one in found}))
    step.same("memberships covered", len(found), sum(one.status == "elegivel" for one in found))
    step.same("membership questions a payer refused", 0, sum(one.status == "rejeitado" for one in found))
    books = await payer_books(trial)
    step.same("questions in the payers' books", len(found), sum(book["checked"] for book in books.values()))


async def authorise(trial: Trial, step: Step) -> None:
    """Costly images and stays are authorised; payers are told of admissions and discharges; senhas agree."""
    await job(trial, "request-authorisations")
    await _settled(trial, "autorizacao")
    await until(lambda: _decided(trial), SECONDS)
    await job(trial, "announce-stays")
    told = await _settled(trial, "comunicacao")
    found = await _requests(trial, "autorizacao")
    kinds = {detail: sum(one.detail == detail for one in found) for detail in ("sp-sadt", "internacao")}
    images, admitted = day.REFERRALS, day.OPERATIONS
    step.at_least("images authorised before they are made", images, kinds["sp-sadt"])
    step.same("stays authorised", admitted, kinds["internacao"])
    step.same("requests granted", len(found), sum(one.status == _GRANTED for one in found))
    events = {event: sum(one.detail == event and one.status == "aceito" for one in told) for event in "IA"}
    step.same("admissions and discharges told and accepted", {"I": admitted, "A": admitted}, events)
    books = await payer_books(trial)
    theirs = {one["number"]: one["password"] for book in books.values() for one in book["authorisations"]}
    step.true("number and senha of each request", {one.number: one.protocol for one in found} == theirs)
    step.same("news in the payers' books", 2 * admitted, sum(len(book["stays"]) for book in books.values()))


async def beside(trial: Trial, step: Step) -> None:
    """A report goes to the guide of a stay; more days are asked for and taken back; senhas stand on the guides."""
    async with trial.world.transaction(trial.tenant) as tx:
        guides = (await listing.page(tx, "guides", {"kind": "internacao"})).rows
        senhas = await asked.passwords(tx)
    stays = [one for one in await _requests(trial, "autorizacao") if one.detail == "internacao"]
    step.same("guides of stays with their senha", sorted(one.protocol for one in stays), sorted(senhas))
    report = page(["Sumário de alta", "", "Documento de demonstração, sem valor."])
    wish = documents.Wish(kind="04", guide=guides[0]["id"], content=report, content_type="application/pdf")
    async with trial.world.transaction(trial.tenant) as tx:
        await documents.send(trial.world, trial.tenant, tx, wish, ACTOR)
        more = authorisation.Wish(
            named=Named(encounter=stays[0].encounter), detail="prorrogacao", values={"days": "1", "indication": "Febre"}
        )
        put = await authorisation.ask(trial.world, trial.tenant, tx, more, ACTOR)
    sent = await _settled(trial, "documento")
    await _settled(trial, "autorizacao")
    async with trial.world.transaction(trial.tenant) as tx:
        await cancellation.ask(trial.world, trial.tenant, tx, cancellation.Wish(requests=(put.id,)), ACTOR)
    cancelled = await _settled(trial, "cancelamento")
    step.same("documents received", ["recebido"], [one.status for one in sent])
    step.same("requests taken back", ["cancelado"], [one.status for one in cancelled])
    books = await payer_books(trial)
    received = [one["sha256"] for book in books.values() for one in book["documents"]]
    step.same("documents in the payers' books", [hashlib.sha256(report).hexdigest()], received)
    step.same("cancellations in the payers' books", 1, sum(len(book["cancelled"]) for book in books.values()))


async def _requests(trial: Trial, kind: str) -> list[Request]:
    async with trial.world.transaction(trial.tenant) as tx:
        return await asked.requests(tx, kind)


async def _settled(trial: Trial, kind: str) -> list[Request]:
    """The requests of a kind when none waits to be sent any more."""
    found: list[Request] = []

    async def quiet() -> bool:
        nonlocal found
        found = await _requests(trial, kind)
        return bool(found) and all(one.status != "enviando" for one in found)

    await until(quiet, SECONDS)
    return found


async def _decided(trial: Trial) -> bool:
    """Whether nothing is analysed any more; what is, is asked about."""
    waiting: list[Any] = [one for one in await _requests(trial, "autorizacao") if one.status in _ANALYSED]
    if waiting:
        await job(trial, "poll-requests")
    return not waiting
