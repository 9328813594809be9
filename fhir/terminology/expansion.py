"""$expand (R4 ValueSet-expand): the members of a value set as a page of a ValueSet with its expansion."""

from __future__ import annotations

import datetime
import itertools
import uuid
from dataclasses import dataclass
from typing import Any

from canonical.identity import fold
from fhir.terminology.sets import Member, Reader, Set
from fhir.terminology.systems import Unanswered

MOST_CODES = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How to expand; `count` None: all, which more than MOST_CODES refuse. `shown` are the parameters told back."""

    filter: str = ""
    offset: int = 0
    count: int | None = None
    designations: bool = False
    languages: tuple[str, ...] = ()
    active_only: bool = False
    selectable_only: bool = False
    language: str = ""
    excluded: tuple[str, ...] = ()
    shown: tuple[dict[str, Any], ...] = ()


def expand(reader: Reader, found: Set, asked: Asked, heading: dict[str, Any], now: datetime.datetime) -> dict[str, Any]:
    """The expanded value set; `heading` are the elements of the set itself. Raises Unanswered."""
    words = tuple(fold(asked.filter).split())
    members = [
        member
        for member in itertools.islice(reader.members(found, words), MOST_CODES * 50)
        if not (asked.active_only and member.concept.inactive)
        and not (asked.selectable_only and member.concept.abstract)
        and member.system not in asked.excluded
    ]
    if len(members) > MOST_CODES and (asked.count is None or asked.count > MOST_CODES):
        raise Unanswered("too-costly", "fhir.terminology.too-costly", limit=str(MOST_CODES))
    end = None if asked.count is None else asked.offset + asked.count
    expansion: dict[str, Any] = {
        "identifier": f"urn:uuid:{uuid.uuid4()}",
        "timestamp": now.astimezone(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "total": len(members),
        "offset": asked.offset,
        "parameter": [*asked.shown, *_versions(members)],
        "contains": [_item(member, asked) for member in members[asked.offset : end]],
    }
    kept = {key: value for key, value in expansion.items() if value != []}
    return {"resourceType": "ValueSet", **heading, "expansion": kept}


def _versions(members: list[Member]) -> list[dict[str, Any]]:
    """Which versions of code systems the expansion rests on."""
    stated = dict.fromkeys((m.system, m.version) for m in members if m.version)
    return [{"name": "version", "valueUri": f"{system}|{version}"} for system, version in stated]


def _item(member: Member, asked: Asked) -> dict[str, Any]:
    concept = member.concept
    item: dict[str, Any] = {
        "system": member.system,
        "abstract": concept.abstract or None,
        "inactive": concept.inactive or None,
        "version": member.version,
        "code": concept.code,
        "display": concept.shown(asked.language),
    }
    if asked.designations:
        item["designation"] = [
            {k: v for k, v in (("language", d.language), ("use", d.use), ("value", d.value)) if v}
            for d in concept.designations
            if not asked.languages or d.language in asked.languages
        ]
    return {key: value for key, value in item.items() if value}
