"""A document that another one replaces stays superseded, whatever comes late about it (HL7 v2.5.1 §9.4: T09, T10).

A notice repeated or sent late about the old document says that it is available (TXA-19 `AV`), and an old document may
come after the one that took its place. It is current again only when its replacement was taken back (T11).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from canonical.problem import Problem
from hub.records.drafts.who.identify import Places
from hub.records.drafts.who.lookup import stored
from hub.records.index import key_of
from hub.records.write import Write
from hub.store.database import Transaction

Body = dict[str, Any]
_KIND = "DocumentReference"
_GONE = "entered-in-error"
_BY_REFERENCE = (
    "SELECT r.id FROM unnest($3::text[]) AS x(id) JOIN idx_reference t ON t.tenant_id = $1 AND t.key = $2 "
    "AND t.target_type = 'DocumentReference' AND t.target_id = x.id "
    "JOIN resource r ON r.tenant_id = $1 AND r.rid = t.rid AND NOT r.deleted"
)
_BY_NUMBER = (
    "SELECT r.id FROM unnest($3::text[], $4::text[]) AS x(system, code) "
    "JOIN idx_token t ON t.tenant_id = $1 AND t.key = $2 AND t.code = x.code AND t.system = x.system "
    "JOIN resource r ON r.tenant_id = $1 AND r.rid = t.rid AND NOT r.deleted"
)


async def follow(tx: Transaction, places: Places, writes: list[Write]) -> list[Problem]:
    """Leave replaced documents superseded in `writes`, which is changed; returns what is to be told of them."""
    open_ = [number for number, write in enumerate(writes) if _is_open(write)]
    if not open_:
        return []
    replacers = await _replacers(tx, [writes[number] for number in open_], writes)
    problems: list[Problem] = []
    for number in open_:
        write = writes[number]
        if any(_replaces(body, write) for identity, body in replacers.items() if identity != write.id):
            writes[number] = dataclasses.replace(write, body={**(write.body or {}), "status": "superseded"})
            local = next((local for local, place in places.items() if place == (_KIND, write.id)), "")
            problems.append(Problem("semantic.document-replaced", local))
    return problems


def _is_open(write: Write) -> bool:
    """Whether a write tells of a numbered document that it is current."""
    body = write.body or {}
    return write.type == _KIND and body.get("status") == "current" and "masterIdentifier" in body


async def _replacers(tx: Transaction, open_: Sequence[Write], writes: Sequence[Write]) -> Mapping[str, Body]:
    """The documents that relate to one of these and count, as they will be stored, by their ids."""
    pairs = [_number(write) for write in open_]
    rows = [
        *await tx.rows(_BY_REFERENCE, key_of(_KIND, "relatesto"), [write.id for write in open_]),
        *await tx.rows(
            _BY_NUMBER, key_of(_KIND, "relatesto:identifier"), [s for s, _ in pairs], [code for _, code in pairs]
        ),
    ]
    found = await stored(tx, {(_KIND, row["id"]) for row in rows}, lock=False)
    bodies = {identity: body for (_, identity), body in found.items() if body is not None}
    bodies.update({write.id: write.body for write in writes if write.type == _KIND and write.body is not None})
    return {identity: body for identity, body in bodies.items() if body.get("status") != _GONE}


def _number(write: Write) -> tuple[str, str]:
    number = (write.body or {}).get("masterIdentifier", {})
    return str(number.get("system", "")), str(number.get("value", ""))


def _replaces(body: Body, old: Write) -> bool:
    """Whether a document says that it replaces this one, by its record or, met before it, by its number."""
    for related in body.get("relatesTo", ()):
        target = related.get("target", {})
        named = target.get("identifier", {})
        same = target.get("reference") == f"{_KIND}/{old.id}" or (
            "reference" not in target and (named.get("system"), named.get("value")) == _number(old)
        )
        if related.get("code") == "replaces" and same:
            return True
    return False
