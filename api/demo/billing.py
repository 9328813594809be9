"""From charges to money: guides, batches, protocols, statements, denials, appeals, held against the payers' books."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from typing import Any

from api.demo import day
from api.demo.step import Step
from api.demo.trial import Trial
from api.demo.waiting import control, job, payer_books, until
from hub.billing import listing, writing
from hub.billing.appeal import appeals
from hub.billing.appeal.appeals import Wish
from hub.billing.batch import batches
from hub.billing.returns import reconciliation
from hub.billing.trial import FEES_APART
from hub.exchange.partners import partners_of
from hub.operate.books import billed
from hub.operate.books.billed import SentBatch
from schemas_xsd.catalogue import schema_sets
from signatures import xmldsig
from signatures.trust import Trust
from signatures.verdict import Outcome, Reason
from tiss.checking import report
from tiss.rules.contract import Contract
from tiss.tables import tables

DELIVERY_SECONDS = 60
ANALYSIS_SECONDS = 2.3
"""The simulated payers take a second to analyse and another to pay."""


async def close(trial: Trial, step: Step) -> None:
    """Charges become guides, guides become batches: nothing forgotten, nothing blocked, every cent there."""
    await job(trial, "close-batches")
    async with trial.world.transaction(trial.tenant) as tx:
        found = await billed.guides(tx)
        made = await billed.batches(tx)
        left = await billed.unbilled(tx)
    payers = _payers(trial)
    counted: Counter[str] = Counter()
    for (_, kind, _), (count, _) in found.items():
        counted[kind] += count
    for kind, (title, expected) in _expected(trial).items():
        step.same(title, expected, counted[kind])
    step.same("guides that wait for a repair", 0, sum(n for (*_, s), (n, _) in found.items() if s == "pendente"))
    for payer in payers:
        total = sum(cents for (code, _, _), (_, cents) in found.items() if code == payer)
        step.same(f"billed to {payer}, cents", trial.day.billed(payer), total)
    paying = [v.number for v in trial.day.visits if v.card is None]
    step.same("charges of patients who pay", sum(len(trial.day.charges.get(n, ())) for n in paying), left)
    step.at_least("payers", 2, len({one.payer for one in made}))
    step.at_least("TISS versions", 2, len({one.version for one in made}))
    step.same("batches blocked", 0, sum(one.status == batches.BLOCKED for one in made))
    step.figures["batches"] = len(made)
    step.same("kinds of guia in batches", len(_expected(trial)), len({one.kind for one in made}))
    step.same("guides in batches", counted.total(), sum(one.guides for one in made))


def _expected(trial: Trial) -> dict[str, tuple[str, int]]:
    """How many guides of each kind the day makes: fees of a stay are apart where the payer wants them so."""
    payers = {visit.number: visit.card.payer.ans for visit in trial.day.visits if visit.card}
    apart = [number for number in trial.day.operated if payers[number] in FEES_APART]
    return {
        "consulta": ("guias de consulta", day.CONSULTATIONS),
        "sp-sadt": ("guias SP/SADT", day.EXAMINATIONS + day.EMERGENCIES),
        "internacao": ("resumos de internação", day.OPERATIONS),
        "honorarios": ("guias de honorários", 2 * len(apart)),
        "odonto": ("guias de tratamento odontológico", day.TREATMENTS),
    }


def _payers(trial: Trial) -> list[str]:
    return sorted({visit.card.payer.ans for visit in trial.day.visits if visit.card})


async def check_batches(trial: Trial, step: Step) -> None:
    """Every batch as it went out: valid by schema and rules, its hash right, signed where the payer asks for it."""
    async with trial.world.transaction(trial.tenant) as tx:
        made = await billed.batches(tx)
        documents = {one.id: await batches.document(tx, one.id) for one in made if one.status != batches.BLOCKED}
        signing = {partner.code: partner.settings.get("signature") for partner in await partners_of(tx, "payer")}
    clean = signed = asked = 0
    for one in made:
        raw = documents[one.id]
        contract = Contract(version=one.version, operator=one.payer, known_operator=True)
        judged = report.validate(raw, tables=tables.installed(), today=trial.world.now().date(), contract=contract)
        clean += judged.ok and one.version in schema_sets() and judged.guides == one.guides
        asked += bool(signing.get(one.payer))
        signed += bool(signing.get(one.payer)) and _intact(raw, trial)
    step.at_least("batches checked", 2, len(made))
    step.same("batches without a blocking finding", len(made), clean)
    step.same("batches signed, of those whose payer asks for it", asked, signed)
    step.at_least("payers that ask for a signature", 1, len([code for code, kind in signing.items() if kind]))


def _intact(raw: bytes, trial: Trial) -> bool:
    """The signature holds; the trial chain itself is nobody's root here, so trust stays open."""
    verdict = xmldsig.verify(raw, trust=Trust(), at=trial.world.now())
    if verdict.reason == Reason.NO_SIGNATURE:
        return False
    return verdict.outcome in (Outcome.PASSED, Outcome.INDETERMINATE)


async def deliver(trial: Trial, step: Step) -> None:
    """Every batch gets its protocol; the payers' own books must tell the same, down to the bytes."""
    made: list[SentBatch] = []

    async def answered() -> bool:
        nonlocal made
        async with trial.world.transaction(trial.tenant) as tx:
            made = await billed.batches(tx)
        return all(one.protocol for one in made)

    await until(answered, DELIVERY_SECONDS)
    step.same("protocols", len(made), sum(bool(one.protocol) for one in made))
    books = await payer_books(trial)
    for payer in _payers(trial):
        book = books[payer]
        ours = sorted((one.number, one.protocol, one.guides, one.cents) for one in made if one.payer == payer)
        theirs = [(b["number"], b["protocol"], b["guides"], b["billed_cents"]) for b in book["batches"]]
        step.true(f"{payer}: number, protocol, guides and cents of each batch", ours == sorted(theirs))
        step.same(f"{payer}: cents received", trial.day.billed(payer), book["billed_cents"])
        step.same(f"{payer}: requests refused", {}, book["refused"])
        step.same(f"{payer}: TISS version", _versions(made, payer), book["version"])
    async with trial.world.transaction(trial.tenant) as tx:
        sent = {hashlib.sha256(await batches.document(tx, one.id)).hexdigest() for one in made}
    received = {batch["sha256"] for book in books.values() for batch in book["batches"]}
    step.true("the bytes received are the bytes kept", sent == received)


def _versions(made: list[SentBatch], payer: str) -> str:
    """The TISS versions of a payer's batches; one is right."""
    return ", ".join(sorted({one.version for one in made if one.payer == payer}))


async def statements(trial: Trial, step: Step) -> None:
    """The demonstrativos come back and reconcile: billed = paid + denied, to the cent, nothing open."""
    await asyncio.sleep(ANALYSIS_SECONDS)
    await job(trial, "poll-protocols")
    books = await payer_books(trial)
    for payer in _payers(trial):
        book, found = books[payer], {}

        async def told(payer: str = payer, count: int = len(book["batches"])) -> bool:
            nonlocal found
            async with trial.world.transaction(trial.tenant) as tx:
                found = await billed.stated(tx, payer)
            return bool(found["protocols"] == count)

        await until(told, DELIVERY_SECONDS)
        for name in ("billed", "paid", "denied"):
            step.same(f"{payer}: {name}, cents", book[f"{name}_cents"], found[name])
        step.same(f"{payer}: billed - paid - denied", 0, found["billed"] - found["paid"] - found["denied"])
        step.same(f"{payer}: lines of nobody", 0, found["orphans"])
        await _reconciled(trial, step, payer)


async def _reconciled(trial: Trial, step: Step, payer: str) -> None:
    async with trial.world.transaction(trial.tenant) as tx:
        identity = await listing.payer_id(tx, payer)
        sums = [
            await reconciliation.of_protocol(tx, one.protocol, identity)
            for one in await billed.batches(tx)
            if one.payer == payer
        ]
        denied = await billed.denials(tx, payer)
    step.same(f"{payer}: cents left open by item", 0, sum(abs(int(one["open"])) for one in sums))
    total = sum(cents for _, cents in denied.values())
    step.same(f"{payer}: denials listed, cents", sum(int(one["denied"]) for one in sums), total)
    step.at_least(f"{payer}: denials", 1, sum(count for count, _ in denied.values()))


async def appeal(trial: Trial, step: Step) -> None:
    """Every denial is appealed; the payers receive the appeals, and their decisions come back."""
    for payer in _payers(trial):
        await _send_appeals(trial, payer)
    await _answered(trial, "recebido")
    await asyncio.sleep(ANALYSIS_SECONDS)
    await job(trial, "poll-protocols")
    await _answered(trial, "respondido")
    books = await payer_books(trial)
    for payer in _payers(trial):
        async with trial.world.transaction(trial.tenant) as tx:
            ours = await billed.appeals(tx, payer)
            denials = await billed.denials(tx, payer)
        theirs = {
            a["number"]: ("respondido", a["protocol"], a["claimed_cents"], a["granted_cents"])
            for a in _of(books, payer)
        }
        step.true(f"{payer}: number, protocol, claimed and granted of each appeal", ours == theirs)
        step.at_least(f"{payer}: appeals", 1, len(ours))
        step.same(
            f"{payer}: claimed, cents", books[payer]["denied_cents"], sum(claimed for _, _, claimed, _ in ours.values())
        )
        step.same(
            f"{payer}: granted, cents",
            sum(a["granted_cents"] for a in _of(books, payer)),
            sum(g for *_, g in ours.values()),
        )
        step.same(
            f"{payer}: denials without an answer", 0, sum(denials.get(s, (0, 0))[0] for s in ("aberta", "em recurso"))
        )


def _of(books: dict[str, dict[str, Any]], payer: str) -> list[dict[str, Any]]:
    return list(books[payer]["appeals"])


async def _send_appeals(trial: Trial, payer: str) -> None:
    """One appeal for each protocol with denials, with the proposed justifications."""
    async with trial.world.transaction(trial.tenant) as tx:
        identity = await listing.payer_id(tx, payer)
        given = [one.protocol for one in await billed.batches(tx) if one.payer == payer]
        sums = [await reconciliation.of_protocol(tx, protocol, identity) for protocol in given]
    for protocol in (one["protocol"] for one in sums if one["denied"]):
        async with trial.world.transaction(trial.tenant) as tx:
            by = writing.origin(trial.world, trial.tenant, "demo")
            drafted = await appeals.draft(tx, Wish(payer_id=identity, protocol=protocol), by)
            await appeals.send(trial.world, trial.tenant, tx, drafted, "demo")


async def _answered(trial: Trial, status: str) -> None:
    async def asked() -> bool:
        async with trial.world.transaction(trial.tenant) as tx:
            found = [one for payer in _payers(trial) for one in (await billed.appeals(tx, payer)).values()]
        return bool(found) and all(one[0] == status for one in found)

    await until(asked, DELIVERY_SECONDS)


async def laboratory(trial: Trial, step: Step) -> None:
    """Orders went out to the laboratory over MLLP, and every one has come back as a report."""
    from api.demo.reading import reported

    book: dict[str, Any] = {}
    wanted = set(trial.day.orders)

    async def done() -> bool:
        nonlocal book
        book = await control(trial, "/lab/control")
        return not book["waiting"] and wanted <= set(book["placers"])

    await until(done, DELIVERY_SECONDS)
    step.same("orders at the laboratory", len(wanted), len(book["placers"]))
    step.true("the orders there are the day's, and no image among them", wanted == set(book["placers"]))
    step.same("results the laboratory still owes", 0, book["waiting"])
    found: list[bool] = []

    async def read() -> bool:
        nonlocal found
        found = await reported(trial, sorted(wanted))
        return all(found)

    await until(read, 20)
    step.same("orders with a final report over FHIR", len(wanted), sum(found))
