"""Runs two versions of a channel over the messages really received and tells where their outputs differ.

Nothing is stored and no lane is touched. An output is the message's whole fate: acknowledgement, status, findings,
deliveries, and every element of every record it states.
"""

from __future__ import annotations

import asyncio
import datetime
import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from canonical.errors import NotFound
from hub.channels.trial import Trial, labs_of, tried
from hub.exchange.channels import Channel
from hub.exchange.work.lanes import ABANDONED
from hub.world import Tenant, World

EXAMPLES = 3
_PAGE = 200
_NEWEST = (
    "SELECT id, content FROM message WHERE tenant_id = $1 AND channel_id = $2 AND direction = 'in' AND id >= $3 "
    f"AND id < $4 AND removed_at IS NULL AND problems NOT LIKE '%\"{ABANDONED}\"%' "
    "AND NOT EXISTS (SELECT 1 FROM fragment f WHERE f.tenant_id = $1 AND f.message_id = message.id) "
    "ORDER BY id DESC LIMIT $5"
)


@dataclass(slots=True, kw_only=True)
class Difference:
    """One place that differs: how often, and a few messages where it does, with the values when they are asked for."""

    what: str
    path: str
    kind: str
    count: int = 0
    examples: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Comparison:
    """What was compared, and every difference found, the most frequent first."""

    messages: int = 0
    differing: int = 0
    differences: list[Difference] = field(default_factory=list)


async def compared(
    world: World,
    tenant: Tenant,
    versions: tuple[Channel, Channel],
    since: datetime.datetime,
    limit: int,
    *,
    values: bool,
) -> Comparison:
    """The differences from the first version to the second over the newest `limit` messages since a moment."""
    old, new = versions
    found = Comparison()
    collected: dict[tuple[str, str, str], Difference] = {}
    async with world.transaction(tenant) as tx:
        labs = await labs_of(tx)
    async for identity, raw in _received(world, tenant, old.id, since, limit):
        await asyncio.sleep(0)  # other requests of the same process go on
        found.messages += 1
        told = list(_between(tried(raw, old, labs), tried(raw, new, labs)))
        found.differing += bool(told)
        for what, path, kind, before, after in told:
            one = collected.setdefault((what, path, kind), Difference(what=what, path=path, kind=kind))
            one.count += 1
            if len(one.examples) < EXAMPLES:
                shown = {"old": _shown(before, values), "new": _shown(after, values)}
                one.examples.append({"message": str(identity), **shown})
    found.differences = sorted(collected.values(), key=lambda one: (-one.count, one.what, one.path))
    return found


async def _received(
    world: World, tenant: Tenant, channel: UUID, since: datetime.datetime, limit: int
) -> AsyncIterator[tuple[UUID, bytes]]:
    """Message ids and bytes, newest first, in pages: no transaction stays open while they are worked."""
    low = UUID(int=(int(since.timestamp() * 1000) & 0xFFFFFFFFFFFF) << 80)
    high = UUID(int=(1 << 128) - 1)
    left = limit
    while left > 0:
        async with world.transaction(tenant) as tx:
            rows = await tx.rows(_NEWEST, channel, low, high, min(left, _PAGE))
        for row in rows:
            yield row["id"], bytes(row["content"])
        if len(rows) < min(left, _PAGE):
            return
        high, left = rows[-1]["id"], left - len(rows)


Told = tuple[str, str, str, Any, Any]


def _between(old: Trial, new: Trial) -> Iterator[Told]:
    """What differs: (record type or `message`, path, added | removed | changed, before, after)."""
    for name in ("acknowledgement", "status", "lane"):
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            yield "message", name, "changed", before, after
    for name, before, after in (
        ("problems", Counter(p.code for p in old.problems), Counter(p.code for p in new.problems)),
        ("deliveries", _routes(old), _routes(new)),
    ):
        for key in sorted(before.keys() | after.keys()):
            if before[key] != after[key]:
                kind = "added" if before[key] < after[key] else "removed"
                yield "message", f"{name}.{key}", kind, before[key], after[key]
    yield from _records(_bodies(old.bundle), _bodies(new.bundle))


def _routes(found: Trial) -> Counter[str]:
    return Counter(f"{d['partner']}:{d['destination'] or d['send']}" for d in found.deliveries)


def _records(old: dict[str, dict[str, Any]], new: dict[str, dict[str, Any]]) -> Iterator[Told]:
    """Records are the same when their ids are (ids follow business keys); those left over are paired by type."""
    pairs = [(old[key], new[key]) for key in old if key in new]
    rest: dict[str, tuple[list[Any], list[Any]]] = defaultdict(lambda: ([], []))
    for side, (mine, other) in enumerate(((old, new), (new, old))):
        for key, body in mine.items():
            if key not in other:
                rest[body["resourceType"]][side].append(body)
    for gone, come in rest.values():
        pairs += zip(gone, come, strict=False)
        for body in gone[len(come) :]:
            yield body["resourceType"], "", "removed", body["id"], None
        for body in come[len(gone) :]:
            yield body["resourceType"], "", "added", None, body["id"]
    for before, after in pairs:
        flat, other_flat = _flat(before), _flat(after)
        for path in sorted(flat.keys() | other_flat.keys()):
            was, becomes = flat.get(path), other_flat.get(path)
            if was != becomes:
                kind = "added" if was is None else "removed" if becomes is None else "changed"
                yield before["resourceType"], path, kind, was, becomes


def _bodies(bundle: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {entry["fullUrl"]: entry["resource"] for entry in bundle.get("entry", ())}


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    """Leaves by path; the position in a list is left out, so that equal paths of many messages are counted together."""
    found: dict[str, list[Any]] = defaultdict(list)
    _collect(value, path, found)
    return {key: sorted(map(_text, said)) for key, said in found.items()}


def _collect(value: Any, path: str, found: dict[str, list[Any]]) -> None:
    if isinstance(value, dict):
        for name, inner in value.items():
            _collect(inner, f"{path}.{name}" if path else name, found)
    elif isinstance(value, list):
        for inner in value:
            _collect(inner, path, found)
    else:
        found[path].append(value)


def _text(value: Any) -> str:
    return json.dumps(value, default=str, ensure_ascii=False)


def _shown(value: Any, values: bool) -> Any:
    """The value, or only that there is one and how long it is: outputs hold patient data."""
    if values or value is None or isinstance(value, int):
        return value
    return [f"({len(item)})" for item in value] if isinstance(value, list) else "(…)"


def moment(text: str, now: datetime.datetime, zone: datetime.tzinfo) -> datetime.datetime:
    """The moment `2026-11-01`, `2026-11-01T08:00`, or `90m`, `24h`, `7d` before now; raises NotFound."""
    units = {"m": "minutes", "h": "hours", "d": "days"}
    if text[:-1].isdigit() and text[-1:] in units:
        return now - datetime.timedelta(**{units[text[-1]]: int(text[:-1])})
    try:
        found = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise NotFound(f"{text}: no such moment", code="console.moment") from None
    return found if found.tzinfo else found.replace(tzinfo=zone)
