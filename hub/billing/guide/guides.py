"""Guides from open charges: every visit's charges become guides, complete ones ready, others waiting with findings.

Nothing is dropped: what a guide lacks is said in its problems, and the next build tries it again.
"""

from __future__ import annotations

import asyncio
import datetime
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from canonical.errors import Misconfigured
from canonical.identity import new_id
from canonical.problem import Problem, blocking, json_of
from hub.billing import writing
from hub.billing.check import checking
from hub.billing.guide import claims, repeats
from hub.billing.guide.cases import Case, cases
from hub.billing.guide.splitting import Again
from hub.billing.message import messages, numbers
from hub.billing.profiles import PayerProfile, payers
from hub.billing.returns import history
from hub.billing.visit import charges as open_charges
from hub.billing.visit.surroundings import surroundings
from hub.records.index import key_of
from hub.records.saved import Origin
from hub.records.write import Write
from hub.store import bulk
from hub.store.database import Row, Transaction
from hub.store.schema import billing as schema
from hub.world import Tenant, World
from mappings.billing.guides import guide_tree, plan
from tiss.tables import tables
from tiss.wire import versions
from tiss.wire.build import UnknownElement

READY, PENDING = "pronta", "pendente"
_GUIDE = ("id", "payer_id", "created_at", "status", "tree", "problems", *claims.COLUMNS)
_ITEM = ("guide_id", *claims.ITEM_COLUMNS)


# one builder per tenant at a time, so that no visit is cut in two
_ONE_BUILDER = "SELECT pg_advisory_xact_lock(hashtextextended('guides ' || ($1::uuid)::text, 0))"


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """How many guides became ready, and how many wait for a repair."""

    ready: int = 0
    pending: int = 0

    def plus(self, other: Built) -> Built:
        """Both together."""
        return Built(ready=self.ready + other.ready, pending=self.pending + other.pending)


async def build_guides(world: World, tenant: Tenant) -> Built:
    """Build the guides of all open charges and try those that wait again."""
    by = writing.origin(world, tenant)
    async with world.transaction(tenant) as tx:
        await tx.value(_ONE_BUILDER)
        profiles = await payers(tx)
        await writing.keep_parties(tx, profiles, by)
        total = await _rebuild(tx, profiles, by)
    while True:
        async with world.transaction(tenant) as tx:
            await tx.value(_ONE_BUILDER)
            profiles = await payers(tx)
            today = writing.today(by)
            found = await open_charges.open_charges(tx, profiles, today, by.zone)
            if not found:
                return total
            around = await surroundings(tx, found, profiles, by)
            made = list(cases(found, around, profiles, tables.installed()))
            total = total.plus(await _store(tx, made, by))
            if not made:
                return total


async def rebuild(tx: Transaction, by: Origin, guide_ids: Sequence[UUID] = ()) -> Built:
    """Build waiting guides again from their charges; with `guide_ids`, only those."""
    return await _rebuild(tx, await payers(tx), by, guide_ids)


async def _store(tx: Transaction, made: Sequence[Case], by: Origin) -> Built:
    counted = Counter(case.profile.partner.id for case in made)
    free = {payer_id: await numbers.take(tx, payer_id, "guia", count) for payer_id, count in counted.items()}
    numbered = []
    for case in made:
        numbered.append((case, str(free[case.profile.partner.id])))
        free[case.profile.partner.id] += 1
    await repeats.note(tx, numbered)
    # off the event loop: a thousand guides are seconds of work
    finished = await asyncio.to_thread(lambda: [finish(case, number, by.now, by) for case, number in numbered])
    await _note_history(tx, [(case, one) for (case, _), one in zip(numbered, finished, strict=True)], by)
    identities = [new_id() for _ in made]
    await _write_claims(tx, identities, finished, by)
    rows = list(zip(identities, made, finished, strict=True))
    await bulk.insert(tx, schema.guide, _GUIDE, [_row(identity, case, one) for identity, case, one in rows])
    items = [(identity, *item) for identity, _, one in rows for item in claims.items_of(one.claim)]
    await bulk.insert(tx, schema.guide_item, _ITEM, items)
    links = [(identity, charge.id) for identity, case, _ in rows for charge in case.charges]
    await tx.run(
        "UPDATE charge SET guide_id = x.guide FROM unnest($2::uuid[], $3::text[]) AS x(guide, charge) "
        "WHERE charge.tenant_id = $1 AND charge.id = x.charge",
        [guide for guide, _ in links],
        [charge for _, charge in links],
    )
    ready = sum(one.ready for one in finished)
    return Built(ready=ready, pending=len(finished) - ready)


async def _note_history(tx: Transaction, made: Sequence[tuple[Case, Finished]], by: Origin) -> None:
    """Add to each guide's findings how often items like its own were denied, payer by payer."""
    for profile in {case.profile.partner.id: case.profile for case, _ in made}.values():
        own = [(one, _places(one)) for case, one in made if case.profile.partner.id == profile.partner.id]
        items = [item for _, places in own for _, item in places]
        known = await history.seen(tx, profile, items, writing.today(by))
        for one, places in own:
            one.problems.extend(history.findings(profile, places, known, one.problems))


def _places(one: Finished) -> list[tuple[str, history.Item]]:
    """The items of a guide as history knows them, with their places."""
    doctor = claims.professional_of(one.claim)
    return [
        (f"item[{sequence}]", history.Item(table=table, code=code, professional=doctor))
        for sequence, _, table, code, *_ in claims.items_of(one.claim)
    ]


async def _write_claims(tx: Transaction, identities: Sequence[UUID], finished: Sequence[Finished], by: Origin) -> None:
    writes = [
        Write(type="Claim", id=str(identity), body=one.claim, skip_unchanged=True)
        for identity, one in zip(identities, finished, strict=True)
    ]
    await writing.write(tx, writes, by)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A guide as it will be stored: its tree, its Claim, its findings, and whether it may go out."""

    tree: dict[str, Any]
    claim: dict[str, Any]
    problems: list[Problem]
    created_at: datetime.datetime

    @property
    def ready(self) -> bool:
        """Whether nothing blocks it."""
        return not blocking(self.problems)

    @property
    def status(self) -> str:
        """The guide's status that follows."""
        return READY if self.ready else PENDING


def _row(identity: UUID, case: Case, one: Finished) -> tuple[Any, ...]:
    """The guide's row (_GUIDE): what its Claim says, and what only the hub needs."""
    tree = json.dumps(one.tree, ensure_ascii=False)
    own = (identity, case.profile.partner.id, one.created_at, one.status, tree, json_of(one.problems))
    return (*own, *claims.columns_of(one.claim))


def finish(case: Case, number: str, created_at: datetime.datetime, by: Origin) -> Finished:
    """The guide of a case: its tree and its Claim from the tables, its findings from every check."""
    case.record["guide"] = {"number": number}
    found = plan(case.kind)
    tree, problems = guide_tree(found, case.record, case.profile.version)
    problems = [*case.problems, *problems]
    if not blocking(problems):
        problems += check_guide(case.profile, found.guide, tree, writing.today(by))
    status = PENDING if blocking(problems) else READY
    claim = claims.body_of(case, tree, {"number": number, "status": status, "created_at": created_at})
    return Finished(tree=tree, claim=claim, problems=problems, created_at=created_at)


def check_guide(profile: PayerProfile, element: str, tree: dict[str, Any], today: datetime.date) -> list[Problem]:
    """What schema and rules say of one guide, places as in a batch of one."""
    body = {"numeroLote": "1", "guiasTISS": {element: [tree]}}
    try:
        raw = messages.request(profile, "ENVIO_LOTE_GUIAS", body, messages.trial_stamp(today))
    except UnknownElement as error:
        return [Problem("guide.mapping", str(error))]
    except Misconfigured:
        if profile.version not in versions.installed():
            return [Problem("guide.no-schema", "", args=(("version", profile.version),))]
        return [Problem("guide.provider", "cabecalho/origem/identificacaoPrestador")]
    return checking.findings(raw, profile, today)


async def _rebuild(
    tx: Transaction, profiles: Sequence[PayerProfile], by: Origin, guide_ids: Sequence[UUID] = ()
) -> Built:
    """Waiting guides, and ready ones whose version, charges or what they stand on changed meanwhile (patient, visit,
    coverage, an authorisation of the payer), from their charges as they are."""
    speaks = {profile.partner.id: profile.version for profile in profiles}
    rows = await tx.rows(
        _STALE,
        list(speaks),
        list(speaks.values()),
        list(guide_ids),
        list(open_charges.BILLABLE),
        key_of("ClaimResponse", "patient"),
    )
    by_guide = await open_charges.charges_of(tx, [row["id"] for row in rows])
    found = [charge for group in by_guide.values() for charge in group]
    around = await surroundings(tx, found, profiles, by)
    again: list[tuple[Row, Case]] = []
    gone: list[UUID] = []
    for row in rows:
        own = [profile for profile in profiles if profile.partner.id == row["payer_id"]]
        own_charges = by_guide.get(row["id"], [])
        found_cases = list(cases(own_charges, around, own, tables.installed(), Again(guide_id=row["id"])))
        if len(found_cases) == 1 and found_cases[0].kind == row["kind"]:
            again.append((row, found_cases[0]))
        else:
            gone.append(row["id"])
    await cancel(tx, gone, by)
    return await _replace(tx, again, by)


_STALE = """
SELECT g.id, g.number, g.kind, g.payer_id, g.created_at FROM guide g
JOIN unnest($2::uuid[], $3::text[]) AS x(payer, version) ON x.payer = g.payer_id
WHERE g.tenant_id = $1 AND g.batch_id IS NULL AND (cardinality($4::uuid[]) = 0 OR g.id = ANY($4::uuid[]))
AND (g.status = 'pendente' OR (g.status = 'pronta' AND (g.tiss_version <> x.version OR EXISTS (
    SELECT 1 FROM charge c JOIN resource r ON r.tenant_id = $1 AND r.type = 'ChargeItem' AND r.id = c.id
    WHERE c.tenant_id = $1 AND c.guide_id = g.id
    AND (NOT c.status = ANY($5::text[]) OR r.updated_at > g.updated_at))
OR EXISTS (
    SELECT 1 FROM resource r WHERE r.tenant_id = $1 AND r.id IN (g.patient_id, g.encounter_id, g.coverage_id)
    AND r.type IN ('Patient', 'Encounter', 'Coverage') AND r.updated_at > g.updated_at)
OR EXISTS (
    SELECT 1 FROM idx_reference i JOIN resource r ON r.tenant_id = $1 AND r.rid = i.rid
    WHERE i.tenant_id = $1 AND i.key = $6 AND i.target_type = 'Patient' AND i.target_id = g.patient_id
    AND r.updated_at > g.updated_at))))
ORDER BY g.id LIMIT 2000 FOR UPDATE OF g SKIP LOCKED
"""


async def cancel(tx: Transaction, guide_ids: Sequence[UUID], by: Origin) -> None:
    """Guides that no longer stand for their charges: they are open again, the numbers stay used."""
    if not guide_ids:
        return
    await claims.change_status(tx, [str(one) for one in guide_ids], "cancelada", by)
    await tx.run("UPDATE charge SET guide_id = NULL WHERE tenant_id = $1 AND guide_id = ANY($2::uuid[])", guide_ids)
    await tx.run(
        "UPDATE guide SET status = 'cancelada', updated_at = now() WHERE tenant_id = $1 AND id = ANY($2::uuid[])",
        guide_ids,
    )


async def _replace(tx: Transaction, again: Sequence[tuple[Row, Case]], by: Origin) -> Built:
    """Guides built again from their charges, as new versions of themselves."""
    await repeats.note(tx, [(case, row["number"]) for row, case in again], [row["id"] for row, _ in again])
    finished = await asyncio.to_thread(
        lambda: [finish(case, row["number"], row["created_at"], by) for row, case in again]
    )
    await _note_history(tx, [(case, one) for (_, case), one in zip(again, finished, strict=True)], by)
    await _write_claims(tx, [row["id"] for row, _ in again], finished, by)
    for (row, case), one in zip(again, finished, strict=True):
        await _replace_row(tx, row["id"], case, one)
    ready = sum(one.ready for one in finished)
    return Built(ready=ready, pending=len(finished) - ready)


async def _replace_row(tx: Transaction, identity: UUID, case: Case, one: Finished) -> None:
    changed = ", ".join(f"{name} = ${n}" for n, name in enumerate(_GUIDE[3:], start=3))
    await tx.run(
        f"UPDATE guide SET {changed}, version = version + 1, updated_at = now() WHERE tenant_id = $1 AND id = $2",
        identity,
        *_row(identity, case, one)[3:],
    )
    await tx.run("DELETE FROM guide_item WHERE tenant_id = $1 AND guide_id = $2", identity)
    items = [(identity, *item) for item in claims.items_of(one.claim)]
    await bulk.insert(tx, schema.guide_item, _ITEM, items)
    await tx.run(
        "UPDATE charge SET guide_id = NULL WHERE tenant_id = $1 AND guide_id = $2 AND NOT id = ANY($3::text[])",
        identity,
        [charge.id for charge in case.charges],
    )
