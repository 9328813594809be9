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
from zoneinfo import ZoneInfo

from canonical.errors import Misconfigured
from canonical.identity import new_id
from canonical.problem import Problem, blocking
from hub.billing import charges as open_charges
from hub.billing import checking, messages, numbers
from hub.billing.cases import Case, cases
from hub.billing.profiles import PayerProfile, payers
from hub.store import bulk
from hub.store.database import Row, Transaction
from hub.store.schema import billing as schema
from hub.world import Tenant, World
from mappings.guides import guide_tree, plan
from tiss import tables
from tiss.build import UnknownElement

READY, PENDING = "pronta", "pendente"
_GUIDE = (
    "id", "payer_id", "kind", "number", "status", "tiss_version", "patient_id", "encounter_id", "coverage_id",
    "competence", "executed_on", "total_cents", "tree", "problems",
)  # fmt: skip
_ITEM = (
    "guide_id", "sequence", "section", "tiss_table", "code", "description", "executed_on", "quantity", "unit_cents",
    "total_cents", "charge_id",
)  # fmt: skip


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
    today = world.now().astimezone(ZoneInfo(tenant.zone)).date()
    async with world.transaction(tenant) as tx:
        await tx.value(_ONE_BUILDER)
        total = await _rebuild(tx, await payers(tx), today)
    while True:
        async with world.transaction(tenant) as tx:
            await tx.value(_ONE_BUILDER)
            profiles = await payers(tx)
            found = await open_charges.open_charges(tx, [profile.ans for profile in profiles])
            if not found:
                return total
            around = await open_charges.surroundings(tx, found)
            made = list(cases(found, around, profiles, tables.installed()))
            total = total.plus(await _store(tx, made, today))
            if not made:
                return total


async def rebuild(tx: Transaction, today: datetime.date, guide_ids: Sequence[UUID] = ()) -> Built:
    """Build waiting guides again from their charges; with `guide_ids`, only those."""
    return await _rebuild(tx, await payers(tx), today, guide_ids)


async def _store(tx: Transaction, made: Sequence[Case], today: datetime.date) -> Built:
    guides, items, links = [], [], []
    counted = Counter(case.profile.partner.id for case in made)
    free = {payer_id: await numbers.take(tx, payer_id, "guia", count) for payer_id, count in counted.items()}
    numbered = []
    for case in made:
        numbered.append((case, str(free[case.profile.partner.id])))
        free[case.profile.partner.id] += 1
    # off the event loop: a thousand guides are seconds of work
    finished = await asyncio.to_thread(lambda: [finish(case, number, today) for case, number in numbered])
    for case, values in zip(made, finished, strict=True):
        identity = new_id()
        guides.append((identity, case.profile.partner.id, *values))
        items += item_rows(identity, case)
        links += [(identity, charge.id) for charge in case.charges]
    await bulk.insert(tx, schema.guide, _GUIDE, guides)
    await bulk.insert(tx, schema.guide_item, _ITEM, items)
    await tx.run(
        "UPDATE charge SET guide_id = x.guide FROM unnest($2::uuid[], $3::text[]) AS x(guide, charge) "
        "WHERE charge.tenant_id = $1 AND charge.id = x.charge",
        [guide for guide, _ in links],
        [charge for _, charge in links],
    )
    ready = sum(row[4] == READY for row in guides)
    return Built(ready=ready, pending=len(guides) - ready)


def finish(case: Case, number: str, today: datetime.date) -> tuple[Any, ...]:
    """The guide's columns from `kind` on: its tree from the tables, its status from every check."""
    case.record["guide"] = {"number": number}
    found = plan(case.kind)
    tree, problems = guide_tree(found, case.record, case.profile.version)
    problems = [*case.problems, *problems]
    if not blocking(problems):
        problems += check_guide(case.profile, found.guide, tree, today)
    first = case.charges[0]
    day = case.executed_on
    return (
        case.kind,
        number,
        PENDING if blocking(problems) else READY,
        case.profile.version,
        first.patient_id,
        first.encounter_id,
        case.coverage.id if case.coverage else None,
        f"{day:%Y%m}" if day else "",
        day,
        case.total_cents,
        json.dumps(tree, ensure_ascii=False),
        told(problems),
    )


def check_guide(profile: PayerProfile, element: str, tree: dict[str, Any], today: datetime.date) -> list[Problem]:
    """What schema and rules say of one guide, places as in a batch of one."""
    body = {"numeroLote": "1", "guiasTISS": {element: [tree]}}
    try:
        raw = messages.request(profile, "ENVIO_LOTE_GUIAS", body, messages.trial_stamp(today))
    except UnknownElement as error:
        return [Problem("guide.mapping", str(error))]
    except Misconfigured:
        return [Problem("guide.provider", "cabecalho/origem/identificacaoPrestador")]
    return checking.findings(raw, profile, today)


def told(problems: Sequence[Problem]) -> str:
    """Findings as the JSON kept in a row."""
    return json.dumps([problem.as_json() for problem in problems], ensure_ascii=False)


def item_rows(guide_id: UUID, case: Case) -> list[tuple[Any, ...]]:
    """The guide_item rows of a case."""
    return [
        (
            guide_id,
            item["sequence"],
            "outrasDespesas" if item["expense"] else "procedimentos",
            item["table"],
            item["code"],
            item["description"],
            item["date"],
            float(item["quantity"] or 0),
            item["unit_cents"] or 0,
            item["total_cents"] or 0,
            item["charge_id"],
        )
        for item in case.items
    ]


async def _rebuild(
    tx: Transaction, profiles: Sequence[PayerProfile], today: datetime.date, guide_ids: Sequence[UUID] = ()
) -> Built:
    """Waiting guides, and ready ones whose charges or version changed meanwhile, from their charges as they are."""
    speaks = {profile.partner.id: profile.version for profile in profiles}
    rows = await tx.rows(
        _STALE,
        list(speaks),
        list(speaks.values()),
        list(guide_ids),
        list(open_charges.BILLABLE),
    )
    by_guide = await open_charges.charges_of(tx, [row["id"] for row in rows])
    found = [charge for group in by_guide.values() for charge in group]
    around = await open_charges.surroundings(tx, found)
    done = Built()
    for row in rows:
        own = [profile for profile in profiles if profile.partner.id == row["payer_id"]]
        again = list(cases(by_guide.get(row["id"], []), around, own, tables.installed()))
        if len(again) == 1 and again[0].kind == row["kind"]:
            done = done.plus(await _replace(tx, row, again[0], today))
        else:
            await _cancel(tx, row["id"])
    return done


_STALE = """
SELECT g.id, g.number, g.kind, g.payer_id FROM guide g
JOIN unnest($2::uuid[], $3::text[]) AS x(payer, version) ON x.payer = g.payer_id
WHERE g.tenant_id = $1 AND g.batch_id IS NULL AND (cardinality($4::uuid[]) = 0 OR g.id = ANY($4::uuid[]))
AND (g.status = 'pendente' OR (g.status = 'pronta' AND (g.tiss_version <> x.version OR EXISTS (
    SELECT 1 FROM charge c JOIN resource r ON r.tenant_id = $1 AND r.type = 'ChargeItem' AND r.id = c.id
    WHERE c.tenant_id = $1 AND c.guide_id = g.id
    AND (NOT c.status = ANY($5::text[]) OR r.updated_at > g.updated_at)))))
ORDER BY g.id LIMIT 2000 FOR UPDATE OF g SKIP LOCKED
"""


async def _cancel(tx: Transaction, guide_id: UUID) -> None:
    """A guide that no longer stands for its charges: they are open again, its number stays used."""
    await tx.run("UPDATE charge SET guide_id = NULL WHERE tenant_id = $1 AND guide_id = $2", guide_id)
    await tx.run("UPDATE guide SET status = 'cancelada', updated_at = now() WHERE tenant_id = $1 AND id = $2", guide_id)


async def _replace(tx: Transaction, row: Row, case: Case, today: datetime.date) -> Built:
    values = finish(case, row["number"], today)
    columns = ("id", "payer_id", *_GUIDE[2:])
    changed = ", ".join(f"{name} = ${n}" for n, name in enumerate(columns[2:], start=3))
    await tx.run(
        f"UPDATE guide SET {changed}, version = version + 1, updated_at = now() WHERE tenant_id = $1 AND id = $2",
        row["id"],
        *values,
    )
    await tx.run("DELETE FROM guide_item WHERE tenant_id = $1 AND guide_id = $2", row["id"])
    await bulk.insert(tx, schema.guide_item, _ITEM, item_rows(row["id"], case))
    await tx.run(
        "UPDATE charge SET guide_id = NULL WHERE tenant_id = $1 AND guide_id = $2 AND NOT id = ANY($3::text[])",
        row["id"],
        [charge.id for charge in case.charges],
    )
    ready = values[2] == READY
    return Built(ready=int(ready), pending=int(not ready))
