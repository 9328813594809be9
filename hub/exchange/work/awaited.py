"""Messages that come before the record they are about (a cancellation before its order, A11 before A01).

Each is told as being about something unknown, and the number it names is noted. When a record is made under that
number, the message is worked again: it finds the record, and what happened last decides (decision 47). A message is
queued again in the transaction that makes the record, if its lane is free to be locked; what that misses (a lane
somebody holds, a record made at the same moment, or by another door) a job finds.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from canonical.codes import aliases
from canonical.problem import Problem
from canonical.records import Draft, Key
from fhir.tags import ALL
from hub.exchange.handlers import job
from hub.exchange.work import anew
from hub.records.drafts.settle import Settled
from hub.records.index import key_of
from hub.store import bulk
from hub.store.database import Row, Transaction
from hub.store.schema import exchange as tables
from hub.world import Tenant, World

JOB = "messages.awaited"
AWAITED, CAME_FIRST = "semantic.awaited", "semantic.came-first"
AT_ONCE = 500
_VISIT = "Encounter"
_COLUMNS = ("key", "code", "system", "loose", "message_id")
_AGAIN = "ON CONFLICT (tenant_id, key, code, system, message_id) DO UPDATE SET since = now()"
_NAMED = """
SELECT a.* FROM unnest($2::bigint[], $3::text[]) AS x(key, code) CROSS JOIN LATERAL (
 SELECT key, code, system, loose, message_id FROM awaited
 WHERE tenant_id = (SELECT $1::uuid) AND key = x.key AND code = x.code OFFSET 0) a
"""
_MISSED = """
SELECT DISTINCT a.message_id FROM awaited a
CROSS JOIN LATERAL (SELECT rid FROM idx_token WHERE tenant_id = (SELECT $1::uuid) AND key = a.key AND code = a.code
 AND (a.loose OR (system || '') = a.system) OFFSET 0) t
CROSS JOIN LATERAL (SELECT type, id FROM resource WHERE tenant_id = (SELECT $1::uuid) AND rid = t.rid AND NOT deleted
 OFFSET 0) r
CROSS JOIN LATERAL (SELECT 1 FROM resource_version WHERE tenant_id = (SELECT $1::uuid) AND type = r.type AND id = r.id
 AND version = 1 AND updated_at > a.since - interval '2 minutes' OFFSET 0) v
WHERE a.tenant_id = $1 AND a.since > now() - interval '1 day' LIMIT $2
"""
"""Each by look-ups of its own, as in `hub.records.drafts.who.lookup`."""
_FREE = """
SELECT m.id, m.lane_id, m.problems FROM message m JOIN lane l ON l.tenant_id = $1 AND l.id = m.lane_id
WHERE m.tenant_id = $1 AND m.id = ANY($2::uuid[]) AND m.status = 'TRANSFORMED' AND m.removed_at IS NULL
ORDER BY m.lane_id, m.seq FOR UPDATE OF l, m SKIP LOCKED
"""
"""No lane is waited for: whoever holds one may wait for ours."""
_STILL = (
    "SELECT id FROM message WHERE tenant_id = $1 AND id = ANY($2::uuid[]) AND removed_at IS NULL "
    "AND status IN ('TRANSFORMED', 'RECEIVED')"
)
_NOTE = (
    "UPDATE message SET problems = ($3::text[])[array_position($2::uuid[], id)] "
    "WHERE tenant_id = $1 AND id = ANY($2::uuid[])"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """A wave's new records: the messages that named them before, and what is told of the drafts that made them."""

    messages: tuple[UUID, ...] = ()
    problems: tuple[Problem, ...] = ()


async def follow(tx: Transaction, drafts: Sequence[Draft], settled: Settled) -> Came:
    """Note the numbers of records that are unknown; returns the messages that wait for those made now."""
    rows = [
        (key_of(draft.type, "identifier"), key.value, key.system, key.loose, draft.message_id)
        for draft, identity in settled.unknown
        if draft.message_id
        for key in _keys(draft, identity)
    ]
    await bulk.insert(tx, tables.awaited, _COLUMNS, list(dict.fromkeys(rows)), _AGAIN)
    made = {(write.type, write.id) for write in settled.writes if write.unless is ALL}
    new = [
        (draft, _keys(draft, place[1]))
        for draft in drafts
        if (place := settled.places.get(draft.local)) in made and place
    ]
    wanted = sorted({(key_of(draft.type, "identifier"), key.value) for draft, keys in new for key in keys})
    if not wanted:
        return Came()
    found = await tx.rows(_NAMED, [key for key, _ in wanted], [code for _, code in wanted])
    told: dict[str, set[UUID]] = {}
    for row in found:
        meant = (draft for draft, keys in new if any(_is(row, draft, key) for key in keys))
        local = next((draft.local for draft in meant if draft.message_id != row["message_id"]), "")
        if local:
            told.setdefault(local, set()).add(row["message_id"])
    problems = [Problem(AWAITED, local, args=(("count", str(len(messages))),)) for local, messages in told.items()]
    return Came(messages=tuple(sorted(set().union(*told.values()))), problems=tuple(problems))


def _keys(draft: Draft, identity: str) -> tuple[Key, ...]:
    """The numbers under which a record is awaited; of a visit without one its id, made of patient and admission."""
    return draft.keys or ((Key("", identity),) if draft.type == _VISIT else ())


def _is(row: Row, draft: Draft, key: Key) -> bool:
    """Whether a number that was noted is this one of a new record; without authority any of its kind may be meant."""
    if row["key"] != key_of(draft.type, "identifier") or row["code"] != key.value:
        return False
    kin = (row["loose"] or key.loose) and row["system"].rpartition(":")[2] == key.system.rpartition(":")[2]
    return kin or row["system"] in aliases(key.system)


async def again(tx: Transaction, messages: Sequence[UUID], *, renew: bool = True) -> int:
    """Queue messages anew, each with a note of why; those whose lane or row somebody holds are left to the job.

    `renew`: the job looks for these a day from now, not from when their number was noted.
    """
    if not messages:
        return 0
    free = await tx.rows(_FREE, list(messages))
    held = set(messages) - {row["id"] for row in free}
    waiting = {row["id"] for row in await tx.rows(_STILL, list(held))} if held else set()
    gone = [message for message in messages if message not in waiting]
    await tx.run("DELETE FROM awaited WHERE tenant_id = $1 AND message_id = ANY($2::uuid[])", gone)
    if waiting and renew:
        await tx.run(
            "UPDATE awaited SET since = now() WHERE tenant_id = $1 AND message_id = ANY($2::uuid[])", sorted(waiting)
        )
    if free:
        await tx.run(_NOTE, [row["id"] for row in free], [_noted(row["problems"]) for row in free])
    await anew.queue(tx, "hl7", free)
    return len(free)


def _noted(problems: str) -> str:
    """The findings of a message with the note that it came first, once."""
    kept = [one for one in json.loads(problems) if one["code"] != CAME_FIRST]
    return json.dumps([*kept, Problem(CAME_FIRST, "MSH").as_json()], ensure_ascii=False)


@job(JOB)
async def missed(world: World, tenant: Tenant, arguments: dict[str, Any]) -> str:
    """Queue again what came before its record and was not when the record was made; says how many."""
    async with world.transaction(tenant) as tx:
        rows = await tx.rows(_MISSED, AT_ONCE)
        count = await again(tx, [row["message_id"] for row in rows], renew=False)
    return json.dumps({"queued": count})
