"""Stored records by their keys and by name, as drafts ask for them: each by a look-up of its own.

Joined with all wanted keys at once, a plan may read everything a tenant has for a few records. So each is a LATERAL
probe that one index serves, and the planner is told neither which tenant (SELECT $1), nor to look for type or system
(an expression): of a tenant that has just begun it believes that it has next to no records, and then every index that
begins with the tenant seems as good as the right one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from canonical.codes import aliases
from canonical.records import Draft, Key
from fhir import jsontext
from hub.records.drafts.who import professionals
from hub.records.index import key_of
from hub.store.database import Row, Transaction

Place = tuple[str, str]
_LIVING = (
    "CROSS JOIN LATERAL (SELECT id FROM resource "
    "WHERE tenant_id = (SELECT $1::uuid) AND rid = t.rid AND NOT deleted OFFSET 0) r"
)
"""The record of an index entry."""


async def lookup(tx: Transaction, drafts: Sequence[Draft]) -> dict[tuple[str, Key], list[str]]:
    """The stored records of each (type, key), oldest first; merges are not followed here."""
    wanted: dict[tuple[int, str, str], list[tuple[str, Key]]] = {}
    for draft in drafts:
        for key in draft.keys:
            for system in aliases(key.system):
                place = (key_of(draft.type, "identifier"), key.value, system)
                wanted.setdefault(place, []).append((draft.type, key))
    if not wanted:
        return {}
    rows = await tx.rows(
        "SELECT x.key, x.code, x.system, r.id "
        "FROM unnest($2::bigint[], $3::text[], $4::text[]) AS x(key, code, system) "
        "CROSS JOIN LATERAL (SELECT rid FROM idx_token WHERE tenant_id = (SELECT $1::uuid) AND key = x.key "
        f"AND code = x.code AND (system || '') = x.system OFFSET 0) t {_LIVING} ORDER BY t.rid",
        [key for key, _, _ in wanted],
        [code for _, code, _ in wanted],
        [system for _, _, system in wanted],
    )
    found: dict[tuple[str, Key], list[str]] = {}
    for row in rows:
        for wish in dict.fromkeys(wanted[(row["key"], row["code"], row["system"])]):
            ids = found.setdefault(wish, [])
            if row["id"] not in ids:
                ids.append(row["id"])
    await _loose(tx, drafts, found)
    await _councils(tx, drafts, found)
    return found


async def _loose(tx: Transaction, drafts: Sequence[Draft], found: dict[tuple[str, Key], list[str]]) -> None:
    """Order numbers sent without authority that met nothing: any authority's number of the same kind may be meant."""
    wishes = {
        (key_of(draft.type, "identifier"), key.value): (draft.type, key)
        for draft in drafts
        for key in draft.keys
        if key.loose and draft.distinct and (draft.type, key) not in found
    }
    if not wishes:
        return
    rows = await _under_any_system(tx, list(wishes))
    for row in rows:
        wish = wishes[(row["key"], row["code"])]
        if (row["system"] or "").rpartition(":")[2] == wish[1].system.rpartition(":")[2]:
            found.setdefault(wish, []).append(row["id"])


async def _councils(tx: Transaction, drafts: Sequence[Draft], found: dict[tuple[str, Key], list[str]]) -> None:
    """Professionals with the same number in the same council, where no state is told, or none is known with it: whether
    they are meant is for `professionals` to say."""
    wishes: dict[tuple[int, str], list[tuple[str, Key]]] = {}
    for draft in drafts:
        if draft.type == professionals.TYPE:
            for key in draft.keys:
                wish = (draft.type, key)
                if professionals.family(key) and (professionals.is_stateless(key) or wish not in found):
                    wishes.setdefault((key_of(draft.type, "identifier"), key.value), []).append(wish)
    for row in await _under_any_system(tx, list(wishes)) if wishes else ():
        told = professionals.family(Key(row["system"] or "", row["code"]))
        for wish in dict.fromkeys(wishes[(row["key"], row["code"])]):
            ids = found.setdefault(wish, [])
            if told == professionals.family(wish[1]) and row["id"] not in ids:
                ids.append(row["id"])


async def _under_any_system(tx: Transaction, wanted: Sequence[tuple[int, str]]) -> list[Row]:
    """The entries of the index with these keys and codes, whatever their system, oldest record first."""
    return await tx.rows(
        "SELECT x.key, x.code, t.system, r.id FROM unnest($2::bigint[], $3::text[]) AS x(key, code) "
        "CROSS JOIN LATERAL (SELECT rid, system FROM idx_token WHERE tenant_id = (SELECT $1::uuid) AND key = x.key "
        f"AND code = x.code OFFSET 0) t {_LIVING} ORDER BY t.rid",
        [key for key, _ in wanted],
        [code for _, code in wanted],
    )


async def survivors_of(tx: Transaction, ids: Sequence[str]) -> dict[str, str]:
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
        list(ids),
    )
    return {row["start"]: row["at"] for row in rows}


async def stored(tx: Transaction, places: set[Place], *, lock: bool = True) -> dict[Place, dict[str, Any] | None]:
    """The bodies of records, locked in one order unless told otherwise; None for what is not there or was deleted."""
    unique = sorted(places)
    if not unique:
        return {}
    rows: list[Row] = await tx.rows(
        "SELECT r.* FROM unnest($2::text[], $3::text[]) AS x(type, id) CROSS JOIN LATERAL ("
        "SELECT type, id, deleted, body FROM resource "
        "WHERE tenant_id = (SELECT $1::uuid) AND id = x.id AND (type || '') = x.type "
        + ("FOR UPDATE) r" if lock else "LIMIT 1) r"),
        [t for t, _ in unique],
        [i for _, i in unique],
    )
    found: dict[Place, dict[str, Any] | None] = dict.fromkeys(unique)
    found.update({(row["type"], row["id"]): jsontext.stored(row["body"]) for row in rows if not row["deleted"]})
    return found
