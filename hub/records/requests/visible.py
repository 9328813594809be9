"""Records as one caller may see them: a record outside of what the token reaches is as if it never was.

A version is judged by its own content, one that deletes by the version before it; so a result once filed under the
wrong patient shows to nobody but whom that version concerns.
"""

from __future__ import annotations

from collections.abc import Sequence

from canonical.problem import Problem
from fhir import jsontext
from hub.find.statement import OneTrip
from hub.records import published
from hub.records.requests import read
from hub.records.requests.acting import Action, Actor
from hub.records.requests.entry import Done, Failed
from hub.records.requests.refusal import Refusal
from hub.records.saved import Saved
from hub.records.trail import trail
from hub.store.database import Row, Transaction
from hub.world import World

_BEFORE = (
    "SELECT v.type, v.id, v.version, v.body FROM unnest($2::text[], $3::text[], $4::bigint[]) AS k(type, id, version) "
    "JOIN resource_version v ON v.tenant_id = c.tenant AND v.type = k.type AND v.id = k.id "
    "AND v.version = k.version - 1 WHERE NOT v.deleted LIMIT 2000"
)


async def current(world: World, actor: Actor, type_name: str, record_id: str) -> Row | None:
    """The stored record (version, updated_at, deleted, body) when the caller may read it; raises a Refusal when it
    may read none of the type."""
    reach = actor.reach(type_name, "r")
    if trail.is_ours(type_name, record_id):
        return await trail.one(OneTrip(world, actor.tenant), actor, type_name, record_id)
    row = await read.current(world, actor.tenant, type_name, record_id)
    if row is None:
        return published.one(actor, type_name, record_id)
    if () in reach:
        return row
    return (await _seen(world, actor, [(type_name, record_id, row)]) or [None])[0]


async def version(world: World, actor: Actor, place: tuple[str, str], number: int) -> Row | None:
    """One version of a record when the caller may read it; raises a Refusal when it may read none of the type."""
    reach = actor.reach(place[0], "r")
    if trail.is_ours(*place):
        return await trail.one(OneTrip(world, actor.tenant), actor, *place) if number == 1 else None
    row = await read.version(world, actor.tenant, place, number)
    if row is None:
        return published.one(actor, *place) if number == 1 else None
    if () in reach:
        return row
    return (await _seen(world, actor, [(*place, row)]) or [None])[0]


async def versions(world: World, actor: Actor, rows: Sequence[Row]) -> list[Row]:
    """Those of `rows` (type, id, version, deleted, body) that the caller may read."""
    if all(actor.permits(kind, "r") for kind in {row["type"] for row in rows}):
        return list(rows)
    return await _seen(world, actor, [(row["type"], row["id"], row) for row in rows])


async def _seen(world: World, actor: Actor, rows: Sequence[tuple[str, str, Row]]) -> list[Row]:
    """Those of `rows` that may be read."""
    deleted = [(kind, identity, row["version"]) for kind, identity, row in rows if row["deleted"]]
    before: dict[tuple[str, str, int], str] = {}
    if deleted:
        columns = [list(column) for column in zip(*deleted, strict=True)]
        for found in await world.database.ask(actor.tenant.id, _BEFORE, *columns):
            before[found["type"], found["id"], found["version"] + 1] = found["body"]
    seen = []
    for kind, identity, row in rows:
        text = before.get((kind, identity, row["version"]), "") if row["deleted"] else row["body"]
        if text and may(actor, kind, text, "r"):
            seen.append(row)
    return seen


def may(actor: Actor, type_name: str, text: str, action: Action) -> bool:
    """Whether `action` is allowed on the record of a stored text."""
    if actor.permits(type_name, action):
        return True
    return bool(text) and actor.may(jsontext.stored(text), action)


def shows(actor: Actor, done: Done, type_name: str, text: str) -> bool:
    """Whether an answer may carry the record: what the caller wrote as a whole, or may read."""
    own = done.saved is not None and done.entry.method in ("POST", "PUT")
    return own or may(actor, type_name, text, "r")


async def refuse_foreign(tx: Transaction, actor: Actor, places: Sequence[tuple[int, str, str, Action]]) -> None:
    """Raise Failed when one of the records `places` (position, type, id, action) would change may not be changed so.

    Those judged by their content are locked, in one order, so that none becomes another in between.
    """
    narrow = [place for place in places if not actor.permits(place[1], place[3])]
    for position, kind, identity, action in sorted(narrow, key=lambda place: place[1:3]):
        row = await tx.row(
            "SELECT deleted, body FROM resource WHERE tenant_id = $1 AND type = $2 AND id = $3 FOR UPDATE",
            kind,
            identity,
        )
        if row is not None and not row["deleted"] and not may(actor, kind, row["body"], action):
            raise Failed({position: denied(kind, action)})


def refuse_outside(actor: Actor, saved: Sequence[tuple[int, Saved, Action]]) -> None:
    """Raise Failed when a written record lies outside of what the token may write."""
    for position, record, action in saved:
        if record.body is not None and not actor.permits(record.type, action) and not actor.may(record.body, action):
            raise Failed({position: denied(record.type, action)})


def denied(type_name: str, action: Action) -> Refusal:
    """The token reaches some records of the type, but not this one."""
    named = (("scope", f"{type_name}.{action}"),)
    return Refusal("forbidden", [Problem("failure.denied.record", args=named)])
