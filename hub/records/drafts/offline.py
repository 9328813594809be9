"""Drafts of one message as a FHIR Bundle, without a store: what `ponte hl7 read` shows."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from canonical.identity import record_id
from canonical.problem import Problem
from canonical.records import DRAFT, Draft, Key
from fhir.validation.validator import validate
from hub.records.drafts.coherence import contradiction
from hub.records.drafts.combine import combine
from hub.records.drafts.following.onward import other_numbers_only
from hub.records.drafts.who.identify import (
    Places,
    known_under,
    met_under,
    new_id,
    numbers,
    part_id,
    parts_in_order,
    resolved,
)
from hub.records.merges.numbers import as_old

BASE = "http://ponte.invalid/fhir/"


def bundle(drafts: Sequence[Draft], seed: str) -> tuple[dict[str, Any], list[Problem]]:
    """A collection Bundle with deterministic ids and resolved references, and what R4 finds wrong in it.

    `seed` (sender and control id) gives ids to records without any key.
    """
    known = _with_old_numbers([draft for draft in drafts if not draft.must_exist or draft.keys])
    places = _places(known, seed)
    problems = [Problem("semantic.merge-self", draft.local) for draft in known if _of_itself(draft, places)]
    known = _linked([draft for draft in known if not _of_itself(draft, places)], places)
    made = {places[draft.local] for draft in known if not draft.partial}
    places = {local: place for local, place in places.items() if place in made}
    other_numbers_only(known, places)
    whole = len(places) == len(drafts)
    bodies: dict[tuple[str, str], dict[str, Any]] = {}
    for draft in (draft for draft in known if draft.local in places):
        place = places[draft.local]
        said = dataclasses.replace(
            draft,
            body=resolved(draft.type, draft.body, places, whole=whole),
            initial=resolved(draft.type, draft.initial, places, whole=whole),
            event_at=None,
            sources=(),
        )
        gone: list[str] = []
        bodies[place] = combine(bodies.get(place), said, stale=False, gone=gone)
        problems += [contradiction(draft, path) for path in gone]
    entries: list[dict[str, Any]] = []
    for (kind, identity), body in bodies.items():
        resource = {"resourceType": kind, "id": identity, **{k: v for k, v in body.items() if k != "resourceType"}}
        problems += [problem for problem in validate(resource) if problem.blocks]
        entries.append({"fullUrl": f"{BASE}{kind}/{identity}", "resource": resource})
    found: dict[str, Any] = {
        "resourceType": "Bundle",
        "id": record_id("Bundle", Key("seed", seed)),
        "type": "collection",
    }
    if entries:
        found["entry"] = entries
    return found, problems


def _of_itself(draft: Draft, places: Places) -> bool:
    """Whether a merge names one patient on both sides."""
    merged = draft.type == "Patient" and draft.action == "merge" and bool(draft.merge_into)
    return merged and places.get(draft.local) == places.get(draft.merge_into)


def _linked(drafts: list[Draft], places: Places) -> list[Draft]:
    """The drafts as the hub would write them: two patients linked (A24) each refer to the other, and who was merged
    into nobody is not told of it."""
    each = [draft for draft in drafts if draft.action == "link"]
    others: dict[str, Draft] = {}
    for one, two in zip(each[::2], each[1::2], strict=False):
        others |= {one.local: two, two.local: one}
    found = []
    for draft in drafts:
        body = dict(draft.body)
        if draft.type == "Patient" and "link" in body:
            body["link"] = [link for link in body["link"] if _leads_away(draft, link, places)]
            body = {name: value for name, value in body.items() if name != "link" or value}
        other = others.get(draft.local)
        if other is not None and places[draft.local] != places[other.local]:
            body["link"] = [*body.get("link", ()), {"other": {"reference": DRAFT + other.local}, "type": "seealso"}]
        found.append(dataclasses.replace(draft, body=body))
    return found


def _leads_away(draft: Draft, link: dict[str, Any], places: Places) -> bool:
    """Whether a link leads to another record than its own."""
    other = str(link.get("other", {}).get("reference", "")).removeprefix(DRAFT)
    return other not in places or places[other] != places.get(draft.local)


def _with_old_numbers(drafts: list[Draft]) -> list[Draft]:
    """Records whose number changed, or that another one was merged into, with the former number marked as old."""
    former: dict[str, list[dict[str, Any]]] = {}
    for draft in drafts:
        if draft.merge_into and draft.partial:
            former.setdefault(draft.merge_into, []).extend(draft.body.get("identifier", ()))
    found = []
    for draft in drafts:
        now = draft.body.get("identifier", [])
        numbers = [*now, *as_old(former.get(draft.local, []), now)]
        found.append(dataclasses.replace(draft, body={**draft.body, "identifier": numbers}) if numbers else draft)
    return found


def _places(drafts: Sequence[Draft], seed: str) -> Places:
    places: Places = {}
    seen: dict[tuple[str, Key, str], str] = {}
    for draft in drafts:
        if draft.keys:
            met = [(draft.type, key, name) for key in numbers(draft) for name in met_under(draft)]
            identity = next((seen[name] for name in met if name in seen), "") or new_id(draft, draft.keys[0])
            places[draft.local] = (draft.type, identity)
            for name in [(draft.type, key, name) for key in numbers(draft) for name in known_under(draft)]:
                seen.setdefault(name, identity)
    for draft in drafts:
        if draft.local not in places and not (draft.under and draft.part):
            places[draft.local] = (draft.type, record_id(draft.type, Key(seed, f"{draft.local}|{draft.part}")))
    waiting = [draft for draft in drafts if draft.local not in places]
    for draft, parent in parts_in_order(waiting, places):
        places[draft.local] = (draft.type, part_id(draft, parent))
    for draft in waiting:
        places.setdefault(draft.local, (draft.type, record_id(draft.type, Key(seed, f"{draft.local}|{draft.part}"))))
    return places
