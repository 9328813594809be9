"""A hundred SP/SADT guides from the database: charges read, mapped, written as one sealed batch.

The floor asks the same SELECTs without looking at the rows, and writes the same bytes with lxml from ready texts.
Rounds of ours and of the floor alternate on the same rows, and the best round of each counts. The whole building (every
guide checked, stored as a record, indexed, linked to its charges) stands beside the same floor.
"""

from __future__ import annotations

import asyncio
import datetime
import time
import uuid
from collections.abc import Sequence
from typing import Any

from lxml import etree

from bench.measure import Measure
from canonical.codes import ANS, SID, TUSS
from fhir import jsontext
from hub.billing import writing
from hub.billing.guide import guides
from hub.billing.guide.cases import cases
from hub.billing.message import messages
from hub.billing.profiles import PayerProfile, payers
from hub.billing.trial import trial_payers
from hub.billing.visit.charges import open_charges
from hub.billing.visit.surroundings import surroundings
from hub.records.saved import Origin
from hub.records.write import Write, save
from hub.store.database import Row, Transaction
from hub.world import Tenant, World
from mappings.billing.guides import guide_tree, plan
from tiss.tables import tables
from tiss.wire.versions import NAMESPACE

GUIDES, ROUNDS = 100, 7
PAYER = "999814"
_CHARGES = (
    ("22", "40304361", "25.40"),
    ("22", "40302040", "9.99"),
    ("22", "40301630", "12.40"),
    ("20", "90055888", "4.37"),
)


class _Taped:
    """A transaction that remembers what was asked of it."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self.asked: list[tuple[str, tuple[Any, ...]]] = []

    async def rows(self, query: str, *values: Any) -> list[Row]:
        """The rows of a query, which is noted."""
        self.asked.append((query, values))
        return await self._tx.rows(query, *values)


async def measure(world: World, tenant: Tenant) -> list[Measure]:
    """Guides per second."""
    await trial_payers(world, tenant, "http://127.0.0.1:9")
    await _happen(world, tenant)
    profile, by = await _profile(world, tenant), writing.origin(world, tenant)
    raw, asked = await _ours(world, tenant, profile, by)
    if raw.count(b"<ans:guiaSP-SADT>") != GUIDES:
        raise RuntimeError("the batch to measure does not hold a hundred guides")
    best, floor = float("inf"), float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        await _ours(world, tenant, profile, by)
        best = min(best, time.perf_counter() - start)
        start = time.perf_counter()
        await _floor(world, tenant, asked, raw)
        floor = min(floor, time.perf_counter() - start)
    start = time.perf_counter()
    built = await guides.build_guides(world, tenant)
    whole = time.perf_counter() - start
    if built.ready != GUIDES:
        raise RuntimeError("not every guide is ready")
    size = f"{GUIDES} SP/SADT guides ({len(raw) // 1024} KB)"
    name = "the same SELECTs, the same bytes by lxml"
    return [
        Measure(name=f"{what} {size}", value=GUIDES / taken, unit="guides/s", floor=GUIDES / floor, floor_name=name)
        for what, taken in (("read, map and write", best), ("build, check and store", whole))
    ]


async def _profile(world: World, tenant: Tenant) -> PayerProfile:
    async with world.transaction(tenant) as tx:
        return next(profile for profile in await payers(tx) if profile.ans == PAYER)


async def _ours(
    world: World, tenant: Tenant, profile: PayerProfile, by: Origin
) -> tuple[bytes, list[tuple[str, tuple[Any, ...]]]]:
    """The bytes of the batch, and what was asked of the database for them."""
    today = writing.today(by)
    async with world.transaction(tenant) as tx:
        taped: Any = _Taped(tx)
        found = await open_charges(taped, [profile], today, by.zone)
        around = await surroundings(taped, found, [profile], by)
    made = []
    for number, case in enumerate(cases(found, around, [profile], tables.installed()), start=1):
        case.record["guide"] = {"number": str(number)}
        made.append(guide_tree(plan(case.kind), case.record, profile.version)[0])
    body = {"numeroLote": "1", "guiasTISS": {"guiaSP-SADT": made}}
    return messages.request(profile, "ENVIO_LOTE_GUIAS", body, messages.trial_stamp(today)), taped.asked


async def _floor(world: World, tenant: Tenant, asked: Sequence[tuple[str, tuple[Any, ...]]], raw: bytes) -> bytes:
    async with world.transaction(tenant) as tx:
        for query, values in asked:
            await tx.rows(query, *values)
    return await asyncio.to_thread(_written, _texts(raw))


_PREFIX = {"ans": NAMESPACE}
_TEXTS: dict[int, list[tuple[int, str, str | None]]] = {}


def _texts(raw: bytes) -> list[tuple[int, str, str | None]]:
    """Depth, tag and text of every element: what a writer must know, read once."""
    if hash(raw) not in _TEXTS:
        root = etree.fromstring(raw)
        _TEXTS[hash(raw)] = [(sum(1 for _ in node.iterancestors()), str(node.tag), node.text) for node in root.iter()]
    return _TEXTS[hash(raw)]


def _written(texts: Sequence[tuple[int, str, str | None]]) -> bytes:
    """The document of the texts, in the order of the document."""
    above: list[etree._Element] = []
    for depth, tag, text in texts:
        node = etree.SubElement(above[depth - 1], tag) if depth else etree.Element(tag, nsmap=_PREFIX)
        node.text = text
        del above[depth:]
        above.append(node)
    return bytes(etree.tostring(above[0], encoding="iso-8859-1"))  # type: ignore[arg-type]


async def _happen(world: World, tenant: Tenant) -> None:
    """A hundred emergency visits of as many insured patients, four charges each."""
    writes: list[Write] = []
    for number in range(1, GUIDES + 1):
        writes += _visit(f"{number:04d}")
    async with world.transaction(tenant) as tx:
        await save(tx, writes, Origin(actor="bench", now=world.now(), zone=tenant.zone))


def _visit(number: str) -> list[Write]:
    patient, encounter = f"p{number}", f"e{number}"
    day = datetime.datetime.now(datetime.UTC).date() - datetime.timedelta(days=3)
    whose = {"reference": f"Patient/{patient}"}
    doctor = {"type": "Practitioner", "identifier": {"system": f"{SID}/crm-sp", "value": "123456"}, "display": "M"}
    insurer = {"type": "Organization", "identifier": {"system": ANS, "value": PAYER}}
    kind = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "EMER"}
    card = {"beneficiary": whose, "subscriberId": f"{number:0>17}", "payor": [insurer]}
    visit = {"subject": whose, "participant": [{"individual": doctor}], "class": kind}
    return [
        _record("Patient", patient, name=[{"family": "Inventada", "given": ["Joana"]}]),
        _record("Coverage", uuid.uuid4().hex, status="active", **card),
        _record("Encounter", encounter, status="finished", **visit),
        *(_charge(charge, whose, encounter, day) for charge in _CHARGES),
    ]


def _charge(charge: tuple[str, str, str], whose: dict[str, str], encounter: str, day: datetime.date) -> Write:
    table, code, price = charge
    return _record(
        "ChargeItem",
        uuid.uuid4().hex,
        status="billable",
        subject=whose,
        context={"reference": f"Encounter/{encounter}"},
        code={"coding": [{"system": f"{TUSS}{table}", "code": code}]},
        occurrenceDateTime=f"{day}T10:30:00-03:00",
        quantity={"value": 1},
        priceOverride={"value": jsontext.parse(price.encode()), "currency": "BRL"},
    )


def _record(kind: str, identity: str, **body: Any) -> Write:
    return Write(type=kind, id=identity, body={"resourceType": kind, **body})
