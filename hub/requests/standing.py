"""What is asked of payers without anybody asking: as their profiles want it, for the visits and orders of the day.

Each request has a transaction of its own, so one that fails holds up no other. One that was blocked is tried again when
the record it is about has changed.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from canonical.errors import Conflict, NotFound, Refused
from hub.billing.profiles import PayerProfile, payers
from hub.requests import authorisation, eligibility, sending, stays
from hub.requests.contract import Wants, wants
from hub.requests.matter import Named
from hub.requests.sending import Put
from hub.store.database import Row, Transaction
from hub.world import Tenant, World
from mappings.tables.table import codes

log = logging.getLogger("ponte.requests")
ACTOR = "billing"
AT_ONCE = 500
_STAY_DAYS = 60
# the newest valid coverage of a payer, of the visits $3 (statuses) that began since $4 (a moment)
_VISITS = """
SELECT DISTINCT ON (e.id) e.id, e.status, e.class, v.id AS coverage FROM encounter e
JOIN coverage v ON v.tenant_id = $1 AND v.patient_id = e.patient_id AND v.payer_code = $2 AND v.status = 'active'
    AND coalesce(v.valid_until >= $5, true) AND coalesce(v.valid_from <= $5, true)
WHERE e.tenant_id = $1 AND e.status = ANY($3::text[]) AND e.start_at >= $4
"""
_UNCHECKED = """
AND NOT EXISTS (SELECT 1 FROM payer_request_subject s
    JOIN payer_request r ON r.tenant_id = $1 AND r.id = s.request_id AND r.kind = 'elegibilidade'
    WHERE s.tenant_id = $1 AND s.type = 'Coverage' AND s.record_id = v.id AND r.created_at >= $6)
ORDER BY e.id, v.valid_from DESC NULLS LAST LIMIT $7
"""
# neither asked (and not refused) nor asked since the visit last changed
_UNTOLD = """
AND e.class = ANY($6::text[]) AND NOT EXISTS (SELECT 1 FROM payer_request_subject s
    JOIN payer_request r ON r.tenant_id = $1 AND r.id = s.request_id AND r.kind = $8 AND r.detail = $9
    JOIN resource d ON d.tenant_id = $1 AND d.type = 'Encounter' AND d.id = e.id
    WHERE s.tenant_id = $1 AND s.type = 'Encounter' AND s.record_id = e.id
    AND (r.status <> ALL($10::text[]) OR r.created_at >= d.updated_at))
ORDER BY e.id, v.valid_from DESC NULLS LAST LIMIT $7
"""
_ORDERS = """
SELECT o.id, o.encounter_id, o.patient_id FROM service_order o
LEFT JOIN encounter e ON e.tenant_id = $1 AND e.id = o.encounter_id
WHERE o.tenant_id = $1 AND o.status = 'active' AND o.authored_at >= $3
AND EXISTS (SELECT 1 FROM unnest($4::text[]) AS x(prefix) WHERE o.code LIKE x.prefix || '%')
AND NOT coalesce(e.class = ANY($5::text[]), false)
AND EXISTS (SELECT 1 FROM coverage v WHERE v.tenant_id = $1 AND v.patient_id = o.patient_id AND v.payer_code = $2
    AND v.status = 'active')
AND NOT EXISTS (SELECT 1 FROM payer_request_subject s
    JOIN payer_request r ON r.tenant_id = $1 AND r.id = s.request_id AND r.kind = 'autorizacao'
    JOIN resource d ON d.tenant_id = $1 AND d.type = 'ServiceRequest' AND d.id = o.id
    WHERE s.tenant_id = $1 AND s.type = 'ServiceRequest' AND s.record_id = o.id
    AND (r.status <> ALL($6::text[]) OR r.created_at >= d.updated_at))
ORDER BY o.encounter_id NULLS LAST, o.authored_at, o.id LIMIT $7
"""
_STAYING = ["planned", "arrived", "in-progress", "finished"]
_NEWS: tuple[tuple[stays.Event, list[str]], ...] = (
    ("I", ["in-progress", "onleave", "finished"]),
    ("A", ["finished"]),
)
Ask = Callable[[Transaction], Awaitable[Put]]


@dataclass(slots=True, kw_only=True)
class Done:
    """How many requests were queued, and how many were blocked for what their records lack."""

    asked: int = 0
    blocked: int = 0


async def check_eligibility(world: World, tenant: Tenant, days: int = 0) -> Done:
    """Ask about the memberships of today's visits (and of so many days before), of payers that are asked so."""
    done = Done()
    today, morning = _today(world, tenant)
    morning -= datetime.timedelta(days=days)
    for profile, wanted in await _wanting(world, tenant, lambda one: one.eligibility):
        since = world.now() - datetime.timedelta(hours=wanted.eligibility_hours)
        states = ["planned", "arrived", "triaged", "in-progress", "finished"]
        async with world.transaction(tenant) as tx:
            rows = await tx.rows(_VISITS + _UNCHECKED, profile.ans, states, morning, today, since, AT_ONCE)
        for row in {row["coverage"]: row for row in rows}.values():
            named = Named(encounter=row["id"], coverage=row["coverage"], payer=profile.ans)
            await _one(world, tenant, done, _eligibility(world, tenant, named))
    return done


def _eligibility(world: World, tenant: Tenant, named: Named) -> Ask:
    return lambda tx: eligibility.ask(world, tenant, tx, eligibility.Wish(named=named), ACTOR)


async def request_authorisations(world: World, tenant: Tenant) -> Done:
    """Ask for what a payer's contract wants authorised: orders by their codes (one request a visit), and stays."""
    done = Done()
    today, morning = _today(world, tenant)
    inpatient = sorted(codes("tiss-internacao"))
    for profile, wanted in await _wanting(world, tenant, lambda one: bool(one.authorise) or one.authorise_stays):
        ended, since = list(authorisation.ENDED), morning - datetime.timedelta(days=_STAY_DAYS)
        async with world.transaction(tenant) as tx:
            found = await tx.rows(
                _ORDERS, profile.ans, since, list(wanted.authorise), inpatient, ended, AT_ONCE
            )  # fmt: skip
            arguments = (since, today, inpatient, AT_ONCE, authorisation.KIND, "internacao", ended)
            visits = await tx.rows(
                _VISITS + _UNTOLD, profile.ans, ["planned", "arrived", "in-progress", "finished"], *arguments
            )
        for named, ordered in _by_visit(found, profile):
            wish = authorisation.Wish(named=named, detail="sp-sadt", orders=tuple(ordered))
            await _one(world, tenant, done, _authorisation(world, tenant, wish))
        for row in visits if wanted.authorise_stays else ():
            await _one(world, tenant, done, await _stay(world, tenant, profile, row))
    return done


def _by_visit(rows: Sequence[Row], profile: PayerProfile) -> list[tuple[Named, list[str]]]:
    """Orders by visit, those without by patient."""
    groups: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        groups.setdefault((row["encounter_id"] or "", row["patient_id"] or ""), []).append(row["id"])
    return [(Named(patient=p, encounter=e, payer=profile.ans), ids) for (e, p), ids in groups.items()]


async def _stay(world: World, tenant: Tenant, profile: PayerProfile, row: Row) -> Ask:
    """The stay of a visit with the visit's orders that are not asked for yet."""
    async with world.transaction(tenant) as tx:
        ordered = await tx.rows(
            "SELECT o.id FROM service_order o WHERE o.tenant_id = $1 AND o.encounter_id = $2 AND o.status = 'active' "
            "AND o.code ~ '^[0-9]{8}$' AND NOT EXISTS (SELECT 1 FROM payer_request_subject s JOIN payer_request r "
            "ON r.tenant_id = $1 AND r.id = s.request_id AND r.kind = 'autorizacao' WHERE s.tenant_id = $1 "
            "AND s.type = 'ServiceRequest' AND s.record_id = o.id AND r.status <> ALL($3::text[])) ORDER BY o.id",
            row["id"],
            list(authorisation.ENDED),
        )
    named = Named(encounter=row["id"], coverage=row["coverage"], payer=profile.ans)
    ids = tuple(one["id"] for one in ordered)
    return _authorisation(world, tenant, authorisation.Wish(named=named, detail="internacao", orders=ids))


def _authorisation(world: World, tenant: Tenant, wish: authorisation.Wish) -> Ask:
    return lambda tx: authorisation.ask(world, tenant, tx, wish, ACTOR)


async def announce_stays(world: World, tenant: Tenant) -> Done:
    """Tell payers that want it of admissions and discharges, each once."""
    done = Done()
    today, morning = _today(world, tenant)
    inpatient, untold = sorted(codes("tiss-internacao")), list(stays.NOT_TOLD)
    since = morning - datetime.timedelta(days=_STAY_DAYS)
    for profile, _ in await _wanting(world, tenant, lambda one: one.announce_stays):
        for event, states in _NEWS:
            async with world.transaction(tenant) as tx:
                arguments = (since, today, inpatient, AT_ONCE, stays.KIND, event, untold)
                rows = await tx.rows(_VISITS + _UNTOLD, profile.ans, states, *arguments)
            for row in rows:
                named = Named(encounter=row["id"], coverage=row["coverage"], payer=profile.ans)
                await _one(world, tenant, done, _news(world, tenant, stays.Wish(named=named, event=event)))
    return done


def _news(world: World, tenant: Tenant, wish: stays.Wish) -> Ask:
    return lambda tx: stays.tell(world, tenant, tx, wish, ACTOR)


async def _wanting(world: World, tenant: Tenant, test: Callable[[Wants], bool]) -> list[tuple[PayerProfile, Wants]]:
    """The payers whose profile asks for something."""
    async with world.transaction(tenant) as tx:
        found = [(profile, wants(profile)) for profile in await payers(tx)]
    return [(profile, wanted) for profile, wanted in found if test(wanted)]


def _today(world: World, tenant: Tenant) -> tuple[datetime.date, datetime.datetime]:
    """The tenant's day and the moment it began."""
    zone = ZoneInfo(tenant.zone)
    today = world.now().astimezone(zone).date()
    return today, datetime.datetime.combine(today, datetime.time.min, zone)


async def _one(world: World, tenant: Tenant, done: Done, ask: Ask) -> None:
    """One request in a transaction of its own; what another asked meanwhile, or what is gone, is no fault."""
    try:
        async with world.transaction(tenant) as tx:
            put = await ask(tx)
    except (Conflict, NotFound, Refused) as error:
        log.info("a request was left out: %s", error.code)
        return
    done.asked += put.status == sending.SENDING
    done.blocked += put.status == sending.BLOCKED
