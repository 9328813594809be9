"""A tenant's partners as its people see and change them: list, put, switch on and off. Each change is audited.

A partner is never removed: what was exchanged with it names it. Switched off, what goes to it waits.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from canonical.errors import NotFound
from canonical.problem import Problem
from hub.exchange.partners import Partner, save_partner
from hub.exchange.work import lanes, usual
from hub.guard import audit, vault
from hub.partners import document
from hub.partners.document import Document
from hub.partners.keys import KINDS
from hub.store.database import Row, Transaction
from hub.world import Tenant, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A partner and how it goes: deliveries waiting, failed attempts of its worst lane with the code, lanes paused.

    `stated` is its document; `managed` says that another room of the hub keeps it (RNDS, receivers of alarms).
    """

    stated: Mapping[str, Any]
    waiting: int
    attempt: int
    last_error: str
    paused: bool
    managed: bool

    @property
    def code(self) -> str:
        """Its registro ANS or short name."""
        return str(self.stated["code"])

    def as_json(self) -> dict[str, Any]:
        """One JSON object: the document, and how it goes."""
        shown = {name: getattr(self, name) for name in self.__slots__ if name != "stated"}
        return {"partner": dict(self.stated), **shown}


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """What a change did: how the partner stands, what is still missing, and the schedules a first payer brought."""

    standing: Standing
    problems: list[Problem]
    schedules: list[str]


_LISTED = """
SELECT p.id, p.kind, p.code, p.name, p.adapter, p.active, p.settings, coalesce(w.waiting, 0) AS waiting,
    coalesce(w.attempt, 0) AS attempt, coalesce(w.last_error, '') AS last_error, coalesce(w.paused, false) AS paused
FROM partner p LEFT JOIN (
    SELECT l.name, sum(l.pending)::bigint AS waiting, max(l.attempt)::int AS attempt, bool_or(l.paused) AS paused,
        (array_agg(l.last_error ORDER BY l.attempt DESC) FILTER (WHERE l.last_error IS NOT NULL))[1] AS last_error
    FROM lane l WHERE l.tenant_id = $1 AND l.kind = 'outbound' AND (l.ready OR l.paused) GROUP BY l.name
) w ON w.name = p.code
WHERE p.tenant_id = $1 AND ($2 = '' OR p.kind = $2) AND ($3 = '' OR p.code = $3) ORDER BY p.kind, p.code
"""


async def listed(tx: Transaction, kind: str = "", code: str = "") -> list[Standing]:
    """The tenant's partners, also those that are switched off, by kind and code."""
    return [_standing(row) for row in await tx.rows(_LISTED, kind, code)]


async def one(tx: Transaction, kind: str, code: str) -> Standing:
    """One partner; raises NotFound."""
    found = await listed(tx, kind, code) if kind and code else []
    if not found:
        raise NotFound("there is no such partner", code="partner.unknown")
    return found[0]


def _standing(row: Row) -> Standing:
    own = json.loads(row["settings"])
    return Standing(
        stated=document.of(_partner(row, own), own),
        waiting=row["waiting"],
        attempt=row["attempt"],
        last_error=row["last_error"],
        paused=row["paused"],
        managed=row["kind"] not in KINDS,
    )


def _partner(row: Row, own: dict[str, Any]) -> Partner:
    names = ("id", "kind", "code", "name", "adapter", "active")
    return Partner(**{name: row[name] for name in names}, settings=own)


async def put(world: World, tenant: Tenant, actor: str, stated: Mapping[str, Any], *, by_operator: bool = False) -> Put:
    """Make a partner or replace its document; raises Faulty.

    The first payer brings the schedules of billing that the tenant does not have; closing batches waits for a person.
    A private network is the operator's: a tenant's people neither open it to a partner nor lead one elsewhere in it.
    """
    wanted = document.read(stated)
    async with world.transaction(tenant) as tx:
        present = await listed(tx, wanted.kind, wanted.code)
        if not (by_operator or world.settings.allow_private_targets):
            document.check_private(wanted, present[0].stated if present else {})
        await save_partner(tx, _row(tenant, wanted))
        given = await usual.give(tx, tenant, world.now(), usual.PAYER) if wanted.kind == "payer" else []
        action = "partner-change" if present else "partner-create"
        await audit.note(tx, actor, action, _place(wanted.kind, wanted.code), detail={"active": wanted.active})
        await lanes.hurry(tx, wanted.code)
        standing = await one(tx, wanted.kind, wanted.code)
        return Put(standing=standing, problems=await lacking(tx, wanted.secrets), schedules=given)


def _row(tenant: Tenant, wanted: Document) -> Partner:
    return Partner(
        id=uuid.uuid5(tenant.id, f"{wanted.kind} {wanted.code}"),
        kind=wanted.kind,
        code=wanted.code,
        name=wanted.name,
        adapter=wanted.profile,
        active=wanted.active,
        settings=dict(wanted.settings),
    )


async def lacking(tx: Transaction, secrets: Mapping[str, str]) -> list[Problem]:
    """A finding for each name that the vault does not hold."""
    held = {entry.name for entry in await vault.entries(tx)}
    return [
        Problem("partner.secret", key, args=(("key", key), ("name", name)))
        for key, name in secrets.items()
        if name not in held
    ]


async def switch(world: World, tenant: Tenant, actor: str, kind: str, code: str, *, active: bool) -> Standing:
    """Let deliveries to a partner wait, or go on; raises NotFound, also for one that another room keeps."""
    async with world.transaction(tenant) as tx:
        row = await tx.row(
            "UPDATE partner SET active = $4 "
            "WHERE tenant_id = $1 AND kind = $2 AND code = $3 AND kind = ANY($5::text[]) RETURNING id",
            kind,
            code,
            active,
            list(KINDS),
        )
        if row is None:
            raise NotFound("there is no such partner", code="partner.unknown")
        await audit.note(tx, actor, "partner-on" if active else "partner-off", _place(kind, code))
        await lanes.hurry(tx, code)
        return await one(tx, kind, code)


def _place(kind: str, code: str) -> str:
    return f"Partner/{kind}/{code}"
