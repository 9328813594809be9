"""Links between patients that stay apart (A24), and links and merges undone (A37)."""

from __future__ import annotations

import dataclasses
from typing import Any

from canonical.problem import Problem
from canonical.records import Draft
from fhir import jsontext
from hub.records.drafts.marks import unmark
from hub.records.drafts.settle import settle
from hub.records.drafts.who.bearers import bearers_of
from hub.records.drafts.who.identify import Places
from hub.records.drafts.who.lookup import stored, survivors_of
from hub.records.drafts.who.moved import moved
from hub.records.merges.apart import are_apart, noted
from hub.records.merges.numbers import name
from hub.records.merges.origins import named_in_messages
from hub.records.merges.patients import INTO, held_by, named_by
from hub.records.merges.references import pointing
from hub.records.saved import Origin
from hub.records.write import Write, save
from hub.store.database import Row, Transaction

Body = dict[str, Any]
_LINK_OF = "SELECT loser_id, survivor_id, linked_at, message_id FROM patient_link WHERE tenant_id = $1 "
_CHANGED = (
    "SELECT v.type, v.id, p.body FROM resource_version v JOIN resource_version p "
    "ON p.tenant_id = $1 AND p.type = v.type AND p.id = v.id AND p.version = v.version - 1 "
    "WHERE v.tenant_id = $1 AND v.message_id = $2 AND v.type <> 'Patient'"
)
_MERGED_AT = (
    "SELECT id, body FROM resource_version WHERE tenant_id = $1 AND type = 'Patient' AND id = $2 "
    "AND message_id = $3 ORDER BY version LIMIT 1"
)


async def link(tx: Transaction, draft: Draft, named: dict[str, Draft], origin: Origin, places: Places) -> list[Problem]:
    """Note on both patients of an A24 that the other is one to see also; the records stay two."""
    pair = _pair(draft, named)
    if pair is None:
        return [] if draft.local in places else [Problem("semantic.merge-incomplete", draft.local)]
    settled = await settle(tx, list(pair), places)
    one, two = (settled.places[item.local][1] for item in pair)
    if one == two:
        return [Problem("semantic.merge-self", draft.local)]
    places.update(settled.places)
    if are_apart(await stored(tx, {("Patient", one), ("Patient", two)}), one, two, draft):
        await save(tx, settled.writes, origin)
        return [*settled.problems, Problem("semantic.merge-undone", draft.local)]
    own = {write.id: write for write in settled.writes if write.type == "Patient"}
    writes = [
        dataclasses.replace(own[identity], body=_with_link(own[identity].body or {}, other, "seealso"))
        for identity, other in ((one, two), (two, one))
    ]
    rest = [write for write in settled.writes if write.id not in (one, two)]
    await save(tx, [*writes, *rest], origin)
    return settled.problems


async def unlink(
    tx: Transaction, draft: Draft, named: dict[str, Draft], origin: Origin, places: Places
) -> list[Problem]:
    """Undo what links or merged the two patients of an A37; each gets back what can be told to be its own."""
    pair = _pair(draft, named)
    if pair is None:
        return [] if _is_second(draft, named) else [Problem("semantic.merge-incomplete", draft.local)]
    found = await bearers_of(tx, list(pair))
    ids = {item.local: held_by(item, found) for item in pair}
    chain = await survivors_of(tx, sorted({i for held in ids.values() for i in held}))
    one, two = (named_by(item, ids[item.local], chain) for item in pair)
    if chain.get(one, one) != chain.get(two, two):
        return await _tell_apart(tx, pair, (one, two), places, origin)
    rows = {row["loser_id"]: row for row in await tx.rows(_LINK_OF + "AND loser_id = ANY($2::text[])", [one, two])}
    loser = "" if one == two else await _loser(tx, one, two, rows)
    if not loser:
        return [Problem("semantic.not-linked", draft.local)]
    await _undo(tx, rows[loser], draft, origin)
    return []


async def _loser(tx: Transaction, one: str, two: str, rows: dict[str, Row]) -> str:
    """Which of two patients that lead to the same one was merged into the other; empty when neither was."""
    if len(rows) == 1:
        return str(next(iter(rows)))
    for own, other in ((one, two), (two, one)):
        if own in rows and await _direct(tx, rows[own]) == other:
            return own
    return ""


async def _undo(tx: Transaction, row: Row, draft: Draft, origin: Origin) -> None:
    """Bring a merged patient back, with those that were merged into it before and the records of all of them."""
    loser, survivor = row["loser_id"], row["survivor_id"]
    family = await _family(tx, row)
    places = {("Patient", identity) for identity in (loser, survivor, *family)}
    rows = await stored(tx, places)
    bodies = {identity: dict(body or {"resourceType": "Patient"}) for (_, identity), body in rows.items()}
    theirs = {name(i) for one in (loser, *family) for i in bodies[one].get("identifier", ())}
    own = {name(i) for i in bodies[survivor].get("identifier", ()) if i.get("use") != "old"}
    bodies[survivor] = _without(bodies[survivor], {loser, *family}, theirs)
    bodies[loser] = _revived(bodies[loser], survivor)
    for other in family:
        bodies[other] = moved(bodies[other], f"Patient/{survivor}", f"Patient/{loser}")
    bodies[survivor] = noted(bodies[survivor], loser, draft)
    bodies[loser] = noted(bodies[loser], survivor, draft)
    records = await pointing(tx, "Patient", survivor)
    back = await named_in_messages(tx, records, wanted=theirs, besides=own, since=row["linked_at"])
    for merge in (row, *await tx.rows(_LINK_OF + "AND loser_id = ANY($2::text[])", family)):
        back |= await _told_by_merge(tx, merge)
    writes = [Write(type="Patient", id=identity, body=body) for identity, body in bodies.items()]
    writes += [
        Write(type=place[0], id=place[1], body=moved(body, f"Patient/{survivor}", f"Patient/{loser}"))
        for place, body in records.items()
        if place in back
    ]
    await save(tx, writes, origin)
    await tx.run("DELETE FROM patient_link WHERE tenant_id = $1 AND loser_id = $2", loser)
    await tx.run(
        "UPDATE patient_link SET survivor_id = $2 WHERE tenant_id = $1 AND loser_id = ANY($3::text[])", loser, family
    )


async def _family(tx: Transaction, row: Row) -> list[str]:
    """Those that lead to the same survivor because they had been merged into this loser."""
    others = await tx.rows(
        _LINK_OF + "AND survivor_id = $2 AND loser_id <> $3 ORDER BY loser_id", row["survivor_id"], row["loser_id"]
    )
    direct = {other["loser_id"]: await _direct(tx, other) for other in others}
    found = {row["loser_id"]}
    while more := {one for one, into in direct.items() if into in found and one not in found}:
        found |= more
    return sorted(found - {row["loser_id"]})


async def _direct(tx: Transaction, row: Row) -> str:
    """Into whom a patient was merged by its own merge, whatever became of that one later."""
    version = await tx.row(_MERGED_AT, row["loser_id"], row["message_id"])
    body = jsontext.stored(version["body"]) if version is not None else {}
    noted = (item for item in body.get("meta", {}).get("extension", ()) if item.get("url") == INTO)
    if named := [str(item["valueString"]) for item in noted if item.get("valueString")]:
        return named[0]
    links = body.get("link", [])
    others = [item["other"] for item in links if item.get("type") == "replaced-by"]
    targets = [other["reference"] for other in others if other.get("reference")]
    return str(targets[0]).removeprefix("Patient/") if targets else str(row["survivor_id"])


async def _told_by_merge(tx: Transaction, row: Row) -> set[tuple[str, str]]:
    """The records that pointed at the loser until its merge turned them."""
    wanted = f'"Patient/{row["loser_id"]}"'
    changed = await tx.rows(_CHANGED, row["message_id"])
    return {(item["type"], item["id"]) for item in changed if wanted in item["body"]}


async def _tell_apart(
    tx: Transaction, pair: tuple[Draft, Draft], ids: tuple[str, str], places: Places, origin: Origin
) -> list[Problem]:
    """Take back a link of A24, and note on both that they are two: a merge or link of before may still come."""
    rows = await stored(tx, {("Patient", identity) for identity in ids})
    linked = any(_leads_to(item, ids[1]) for item in (rows["Patient", ids[0]] or {}).get("link", ()))
    settled = await settle(tx, list(pair), places)
    places.update(settled.places)
    writes = {write.id: write for write in settled.writes}
    for own, other in (ids, ids[::-1]):
        known = writes.get(own) or Write(type="Patient", id=own, body=rows["Patient", own])
        body = known.body or {}
        rest = [item for item in body.get("link", ()) if not _leads_to(item, other)]
        bare = {key: value for key, value in body.items() if key != "link"}
        told = noted({**bare, **({"link": rest} if rest else {})}, other, pair[0])
        writes[own] = dataclasses.replace(known, body=told)
    await save(tx, list(writes.values()), origin)
    return [*settled.problems, *([] if linked else [Problem("semantic.not-linked", pair[0].local)])]


def _leads_to(item: Body, other: str) -> bool:
    return item.get("type") == "seealso" and item.get("other", {}).get("reference") == f"Patient/{other}"


def _pair(draft: Draft, named: dict[str, Draft]) -> tuple[Draft, Draft] | None:
    """This patient and the next one of the message, for the first of each two."""
    same = [item for item in named.values() if item.type == "Patient" and item.action == draft.action]
    position = same.index(draft)
    return (draft, same[position + 1]) if position % 2 == 0 and position + 1 < len(same) else None


def _is_second(draft: Draft, named: dict[str, Draft]) -> bool:
    same = [item for item in named.values() if item.type == "Patient" and item.action == draft.action]
    return same.index(draft) % 2 == 1


def _with_link(body: Body, other: str, kind: str) -> Body:
    entry = {"other": {"reference": f"Patient/{other}"}, "type": kind}
    return {**body, "link": [*(item for item in body.get("link", ()) if item != entry), entry]}


def _without(survivor: Body, gone: set[str], theirs: set[tuple[str, str]]) -> Body:
    """The survivor without its links to those who leave and without the numbers it took over from them."""
    targets = {f"Patient/{identity}" for identity in gone}
    links = [item for item in survivor.get("link", ()) if item.get("other", {}).get("reference") not in targets]
    numbers = [i for i in survivor.get("identifier", ()) if i.get("use") != "old" or name(i) not in theirs]
    bare = {key: value for key, value in survivor.items() if key not in ("link", "identifier")}
    return {**bare, **({"identifier": numbers} if numbers else {}), **({"link": links} if links else {})}


def _revived(loser: Body, survivor: str) -> Body:
    """A merged patient who is one again, without any link to whom it was merged into: not that of an A24 before."""
    unmark(loser, INTO)
    links = [i for i in loser.get("link", ()) if i.get("other", {}).get("reference") != f"Patient/{survivor}"]
    bare = {key: value for key, value in loser.items() if key != "link"}
    return {**bare, "active": True, **({"link": links} if links else {})}
