"""Where each element of a stored record comes from: version, message, field, table row and code rows.

Nothing of this is stored while a feed is worked. The version that brought an element is found by comparing versions;
its kept message is then translated again, with a trace, under the channel it was received by and the tables of today.
What came over FHIR or by billing names who wrote it; what no row made (an id, a time of last update) is the hub's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from canonical.errors import NotFound
from canonical.records import DRAFT, Draft
from fhir import jsontext
from hl7 import er7
from hl7.er7 import Message
from hub.exchange.channels import channels_at
from hub.operate import explain
from hub.operate.explain import Cause
from hub.store.database import Transaction
from hub.world import Tenant, World
from mappings.reading.trace import Note, traced

_STAMP = {"versionId", "lastUpdated"}
_TAG = re.compile(r"\[[^\]]*\]")
_PART = re.compile(r"(\w+)(?:\[(\d+)\])?\Z")
_OFTYPE = re.compile(r"\.ofType\((\w+)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What made one element: `source` is its place in the message (`PID#3-5`), `beside` the fields that the same
    conversion looked at with it, `row` the table row, `codes` the code rows that answered; all empty where no row made
    it, and `by` then says who did (`hub`, or the actor)."""

    path: str
    cause: Cause
    by: str
    source: str = ""
    row: str = ""
    target: str = ""
    convert: str = ""
    codes: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """One JSON object; no value of the record is in it."""
        cause = self.cause
        return {
            "path": self.path,
            "version": cause.version,
            "message_id": str(cause.message_id) if cause.message_id else None,
            "message_type": cause.message_type,
            "control_id": cause.control_id,
            "channel": cause.channel,
            "received_at": cause.received_at,
            "source": self.source,
            "beside": list(self.beside),
            "row": self.row,
            "target": self.target,
            "convert": self.convert,
            "codes": list(self.codes),
            "by": self.by,
        }


@dataclass(frozen=True, slots=True)
class _Told:
    """One message told again: its drafts and the notes of each by local name."""

    drafts: list[Draft]
    notes: dict[str, list[Note]]


async def origins(world: World, tenant: Tenant, kind: str, identity: str, path: str = "") -> list[Origin]:
    """The origins of the elements at `path` (all when empty or the type's name) of the newest version; raises
    NotFound."""
    async with world.transaction(tenant) as tx:
        causes = await explain.record(tx, kind, identity)
        bodies = await _bodies(tx, kind, identity)
    if not bodies:
        raise NotFound("the record was deleted and has no version left to explain")
    newest = max(bodies)
    wanted = path.removeprefix(f"{kind}.") if path != kind else ""
    found = list(places(bodies[newest], wanted))
    if not found:
        raise NotFound("the record has no such element")
    by_version = {cause.version: cause for cause in causes}
    told: dict[UUID, _Told | None] = {}
    explained: list[Origin] = []
    for place, value in found:
        cause = by_version[_brought(bodies, newest, place, value)]
        if cause.message_id is not None and cause.message_id not in told:
            told[cause.message_id] = await _again(world, tenant, cause.message_id)
        again = told.get(cause.message_id) if cause.message_id else None
        explained += _origins(kind, (place, value), cause, again, bodies[cause.version])
    return explained


async def _bodies(tx: Transaction, kind: str, identity: str) -> dict[int, dict[str, Any]]:
    rows = await tx.rows(
        "SELECT version, body FROM resource_version WHERE tenant_id = $1 AND type = $2 AND id = $3 AND NOT deleted",
        kind,
        identity,
    )
    return {row["version"]: jsontext.stored(row["body"]) for row in rows}


async def _again(world: World, tenant: Tenant, message_id: UUID) -> _Told | None:
    """The message translated again; None when it cannot be (its bytes or its channel are gone)."""
    async with world.transaction(tenant) as tx:
        row = await tx.row(
            "SELECT channel_id, channel_version, content FROM message WHERE tenant_id = $1 AND id = $2", message_id
        )
    if row is None or not row["content"] or row["channel_id"] is None:
        return None
    under = (row["channel_id"], row["channel_version"])
    channel = (await channels_at(world, tenant, {under})).get(under)
    if channel is None:
        return None
    message = er7.read(bytes(row["content"]), fixed_charset=channel.charset, fallback_charset=channel.fallback)
    if not isinstance(message, Message):
        return None
    translation, trace = traced(message, zone=channel.zone, site=channel.site)
    notes: dict[str, list[Note]] = {}
    for note in trace.notes:
        notes.setdefault(note.local, []).append(note)
    return _Told(translation.drafts, notes)


def places(body: dict[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    """The elements at a FHIR path, each with its concrete path; all elements of the record for an empty one."""
    if not path:
        for name, value in body.items():
            if name not in ("resourceType", "id"):
                yield from _each(name, value)
        return
    nodes: list[tuple[str, Any]] = [("", body)]
    for part in _OFTYPE.sub(lambda match: match[1][0].upper() + match[1][1:], path).split("."):
        match = _PART.match(part)
        if match is None:
            return
        nodes = [below for place, node in nodes for below in _below(place, node, match[1], match[2])]
    yield from nodes


def _below(place: str, node: Any, name: str, index: str | None) -> Iterator[tuple[str, Any]]:
    if not isinstance(node, dict):
        return
    names = (
        [name] if name in node else [k for k in node if k.startswith(name) and k[len(name) : len(name) + 1].isupper()]
    )
    for key in names:
        for inner, value in _each(f"{place}.{key}".lstrip("."), node[key]):
            if index is None or inner.endswith(f"[{index}]"):
                yield inner, value


def _each(place: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list):
        yield from ((f"{place}[{number}]", item) for number, item in enumerate(value))
    else:
        yield place, value


def _brought(bodies: dict[int, dict[str, Any]], newest: int, place: str, value: Any) -> int:
    """The version since which the element stands unchanged."""
    bare = _TAG.sub("", place)
    brought = newest
    for version in sorted(bodies, reverse=True):
        if not any(_same(held, value) for _, held in places(bodies[version], bare)):
            break
        brought = version
    return brought


def _same(one: Any, other: Any) -> bool:
    return jsontext.text(one) == jsontext.text(other)


def _origins(
    kind: str, element: tuple[str, Any], cause: Cause, told: _Told | None, body: dict[str, Any]
) -> list[Origin]:
    """One origin for each row that made the element, or for parts of it."""
    place, value = element
    path = f"{kind}.{place}"
    if cause.message_id is None:
        return [Origin(path=path, cause=cause, by=cause.actor or "unknown")]
    if told is None:
        return [Origin(path=path, cause=cause, by="message")]
    notes = [n for local in _locals(told, kind, body) for n in told.notes.get(local, ()) if not n.path.startswith("@")]
    made = _of_the_item(notes, _matching(notes, _TAG.sub("", place), value), place, value)
    if not made or (place == "meta" and value.keys() <= _STAMP):
        return [Origin(path=path, cause=cause, by="hub")]
    unique = {(note.source, note.row.place): note for note in made}
    return [
        Origin(
            path=path,
            cause=cause,
            by="message",
            source=note.source,
            row=f"mappings/{note.row.place}",
            target=note.row.target,
            convert=":".join(part for part in (note.row.convert, note.row.argument) if part),
            codes=tuple(f"mappings/{code}" for code in note.codes),
            beside=note.others,
        )
        for note in unique.values()
    ]


def _locals(told: _Told, kind: str, body: dict[str, Any]) -> list[str]:
    """The drafts that became the record: those with one of its identifiers, else the one most like it."""
    numbers = {(item.get("system", ""), item.get("value")) for item in body.get("identifier", ())}
    own = [draft for draft in told.drafts if draft.type == kind]
    named = [d.local for d in own if any((key.system, key.value) in numbers for key in d.keys)]
    if named or not own:
        return named
    return [max(own, key=lambda draft: _likeness(draft, body)).local]


def _likeness(draft: Draft, body: dict[str, Any]) -> int:
    stated = {**draft.initial, **draft.body}
    return sum(_same(body.get(name), value) for name, value in stated.items())


def _matching(notes: Sequence[Note], bare: str, value: Any) -> list[Note]:
    """The notes whose path is the element, is within it, or holds it; of the first and last, those with its value."""
    leaves = _leaves(value)
    found = []
    for note in notes:
        path = _TAG.sub("", note.path)
        if path.startswith(bare + "."):
            inner = _leaves(note.made)
            if not inner or inner & leaves:
                found.append(note)
        elif path in (bare, "") or bare.startswith(path + "."):
            made = _leaves(note.made)
            if path == "" or not made or (made <= leaves if path == bare else bool(made & leaves)):
                found.append(note)
    return found


def _of_the_item(notes: Sequence[Note], found: list[Note], place: str, value: Any) -> list[Note]:
    """Of `found`, what made this item of a list: items beside it may share values (a system, a unit), but something
    else that made them is not in this one."""
    if not place.endswith("]"):
        return found
    bare, leaves = _TAG.sub("", place), _leaves(value)
    others = {_item(note, bare) for note in notes if not _leaves(note.made) <= leaves}
    own = {_item(note, bare) for note in found} - others - {None}
    return [note for note in found if _item(note, bare) in (own | {None})] if own else found


def _item(note: Note, bare: str) -> tuple[str, str] | None:
    """The item of the list at `bare` that a note is about: its tag, with its segment where each makes one (`[.]`)."""
    parts = (f"{re.escape(part)}(?:\\[[^\\]]*\\])?" for part in bare.split("."))
    match = re.match(r"\.".join(parts) + r"(?=\.|\Z)", note.path)
    if match is None or not match[0].endswith("]"):
        return None
    return match[0], note.source.partition("-")[0] if match[0].endswith("[.]") else ""


def _leaves(value: Any) -> set[str]:
    """The texts at the ends of a value, but for references, which are drafts' names before they are settled."""
    if isinstance(value, dict):
        inner = (_leaves(item) for key, item in value.items() if key != "reference")
        return set().union(*inner)
    if isinstance(value, list):
        return set().union(*(_leaves(item) for item in value))
    text = jsontext.text(value)
    return set() if text.startswith(f'"{DRAFT}') else {text}
