"""Drafts meet stored records: which record each draft is, what it becomes, and which id references get.

Matching is by business key only, never by name; a key of a merged patient leads to the survivor.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from canonical.codes import aliases
from canonical.identity import record_id
from canonical.problem import Problem
from canonical.records import DRAFT, Draft, Key
from fhir import jsontext
from hub.records.combine import EVENT_TIME, combine
from hub.records.index import key_of
from hub.records.write import Write
from hub.store.database import Row, Transaction


@dataclass(slots=True)
class Settled:
    """The writes that follow from drafts, and what could not be settled."""

    writes: list[Write]
    problems: list[Problem]


async def settle(tx: Transaction, drafts: Sequence[Draft]) -> Settled:
    """The writes of `drafts`, merged with what is stored; drafts of one record become one write."""
    known = await _lookup(tx, drafts)
    ids: dict[str, tuple[str, str]] = {}
    problems: list[Problem] = []
    kept: list[tuple[Draft, str]] = []
    for draft in drafts:
        found = next((known[(draft.type, key)] for key in draft.keys if (draft.type, key) in known), None)
        if found is None and not draft.keys:
            problems.append(Problem("semantic.no-key", draft.local, args=(("type", draft.type),)))
            continue
        identity = found or record_id(draft.type, draft.keys[0])
        ids[draft.local] = (draft.type, identity)
        kept.append((draft, identity))
    stored = await _stored(tx, [(draft.type, identity) for draft, identity in kept])
    return Settled(_writes(kept, stored, ids, problems), problems)


def _writes(
    kept: list[tuple[Draft, str]],
    stored: dict[tuple[str, str], Row],
    ids: dict[str, tuple[str, str]],
    problems: list[Problem],
) -> list[Write]:
    bodies: dict[tuple[str, str], dict[str, Any]] = {}
    sources: dict[tuple[str, str], UUID | None] = {}
    for draft, identity in kept:
        place = (draft.type, identity)
        row = stored.get(place)
        present = bodies.get(place) or (_parsed(row) if row is not None and not row["deleted"] else None)
        if present is None and draft.must_exist:
            problems.append(Problem("semantic.unknown-record", draft.local, args=(("type", draft.type),)))
            ids.pop(draft.local, None)
            continue
        bodies[place] = combine(present, draft, stale=_stale(draft, present))
        sources[place] = draft.message_id
    return [
        Write(type=place[0], id=place[1], body=_linked(body, ids), skip_unchanged=True, message_id=sources[place])
        for place, body in bodies.items()
    ]


def _stale(draft: Draft, present: dict[str, Any] | None) -> bool:
    """Whether the record already tells of a later event than this draft."""
    if present is None or draft.event_at is None:
        return False
    told = event_time(present)
    return told is not None and draft.event_at < told


def event_time(body: dict[str, Any]) -> datetime.datetime | None:
    """The time of the latest event a stored record tells of (a meta extension), or None."""
    for extension in body.get("meta", {}).get("extension", ()):
        if extension.get("url") == EVENT_TIME:
            return datetime.datetime.fromisoformat(extension["valueInstant"])
    return None


def _parsed(row: Row) -> dict[str, Any]:
    body = jsontext.parse(row["body"].encode())
    if not isinstance(body, dict):
        raise TypeError("a stored record is no JSON object")
    return body


def _linked(node: Any, ids: dict[str, tuple[str, str]]) -> Any:
    """`node` with `draft:` references replaced; a reference to a draft that was not settled is dropped."""
    if isinstance(node, dict):
        reference = node.get("reference")
        if isinstance(reference, str) and reference.startswith(DRAFT):
            target = ids.get(reference[len(DRAFT) :])
            rest = {k: v for k, v in node.items() if k != "reference"}
            return {"reference": f"{target[0]}/{target[1]}", **rest} if target else (rest or None)
        linked = {key: _linked(value, ids) for key, value in node.items()}
        return {key: value for key, value in linked.items() if value is not None}
    if isinstance(node, list):
        return [item for item in (_linked(child, ids) for child in node) if item is not None]
    return node


async def _lookup(tx: Transaction, drafts: Sequence[Draft]) -> dict[tuple[str, Key], str]:
    """The stored record of each (type, key), following patient merges."""
    wanted: dict[tuple[int, str, str], list[tuple[str, Key]]] = {}
    for draft in drafts:
        for key in draft.keys:
            for system in aliases(key.system):
                place = (key_of(draft.type, "identifier"), key.value, system)
                wanted.setdefault(place, []).append((draft.type, key))
    if not wanted:
        return {}
    rows = await tx.rows(
        "SELECT t.key, t.code, t.system, r.id "
        "FROM unnest($2::bigint[], $3::text[], $4::text[]) AS x(key, code, system) "
        "JOIN idx_token t ON t.tenant_id = $1 AND t.key = x.key AND t.code = x.code AND t.system = x.system "
        "JOIN resource r ON r.tenant_id = $1 AND r.rid = t.rid AND NOT r.deleted ORDER BY r.rid DESC",
        [key for key, _, _ in wanted],
        [code for _, code, _ in wanted],
        [system for _, _, system in wanted],
    )
    survivors = await _survivors(tx, [row["id"] for row in rows])
    found: dict[tuple[str, Key], str] = {}
    for row in rows:
        for wish in wanted[(row["key"], row["code"], row["system"])]:
            found[wish] = survivors.get(row["id"], row["id"])
    return found


async def _survivors(tx: Transaction, ids: list[str]) -> dict[str, str]:
    """Where merged patients lead, chains followed to their end."""
    if not ids:
        return {}
    rows = await tx.rows(
        "WITH RECURSIVE chain(start, at, depth) AS ("
        " SELECT l.loser_id, l.survivor_id, 1 FROM patient_link l"
        " WHERE l.tenant_id = $1 AND l.loser_id = ANY($2::text[])"
        " UNION ALL SELECT c.start, l.survivor_id, c.depth + 1 FROM chain c JOIN patient_link l"
        "  ON l.tenant_id = $1 AND l.loser_id = c.at WHERE c.depth < 100)"
        " SELECT DISTINCT ON (start) start, at FROM chain ORDER BY start, depth DESC",
        ids,
    )
    return {row["start"]: row["at"] for row in rows}


async def _stored(tx: Transaction, places: list[tuple[str, str]]) -> dict[tuple[str, str], Row]:
    unique = sorted(set(places))
    rows = await tx.rows(
        "SELECT r.type, r.id, r.version, r.deleted, r.updated_at, r.body FROM resource r "
        "JOIN unnest($2::text[], $3::text[]) AS x(type, id) ON r.type = x.type AND r.id = x.id "
        "WHERE r.tenant_id = $1 ORDER BY r.type, r.id FOR UPDATE OF r",
        [t for t, _ in unique],
        [i for _, i in unique],
    )
    return {(row["type"], row["id"]): row for row in rows}
