"""$expand (R4 ValueSet-expand): the members of a value set as a page of a ValueSet with its expansion."""

from __future__ import annotations

import datetime
import itertools
import uuid
from dataclasses import dataclass
from typing import Any

from canonical.identity import fold
from fhir.terminology.nodes import Chosen
from fhir.terminology.sets import Reader
from fhir.terminology.stated import Member, Set
from fhir.terminology.systems import Property, Unanswered, above
from fhir.terminology.whole import chosen as chosen_of

MOST_CODES = 10_000
PROPERTY = "http://hl7.org/fhir/5.0/StructureDefinition/extension-ValueSet.expansion.contains.property"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How to expand; `count` None: all, which more than MOST_CODES refuse. `shown` are the parameters told back.

    `nested` puts codes under those they stand below; a page (`count`, `offset`) is always flat, as R4 pages flat
    expansions only. `properties` are the concept properties told with each code.
    """

    filter: str = ""
    offset: int = 0
    count: int | None = None
    designations: bool = False
    languages: tuple[str, ...] = ()
    active_only: bool = False
    selectable_only: bool = False
    language: str = ""
    excluded: tuple[str, ...] = ()
    nested: bool = False
    properties: tuple[str, ...] = ()
    shown: tuple[dict[str, Any], ...] = ()


def expand(reader: Reader, found: Set, asked: Asked, heading: dict[str, Any], now: datetime.datetime) -> dict[str, Any]:
    """The expanded value set; `heading` are the elements of the set itself. Raises Unanswered."""
    words = tuple(fold(asked.filter).split())
    paged = asked.count is not None or asked.offset > 0  # R4: without paging no offset SHALL be present
    total, members = _chosen(reader, found, asked, words) or _walked(reader, found, asked, words)
    expansion: dict[str, Any] = {
        "identifier": f"urn:uuid:{uuid.uuid4()}",
        "timestamp": now.astimezone(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "total": total,
        "offset": asked.offset if paged else None,
        "parameter": [*asked.shown, *_versions(members), *_supplements(reader, members)],
        "contains": _nested(reader, members, asked)
        if asked.nested and not paged
        else [_item(member, asked) for member in members],
    }
    kept = {key: value for key, value in expansion.items() if value not in ([], None)}
    return {"resourceType": "ValueSet", **heading, "expansion": kept}


def _costly(total: int, asked: Asked) -> None:
    if total > MOST_CODES and (asked.count is None or asked.count > MOST_CODES):
        raise Unanswered("too-costly", "fhir.terminology.too-costly", limit=str(MOST_CODES))


def _chosen(reader: Reader, found: Set, asked: Asked, words: tuple[str, ...]) -> tuple[int, list[Member]] | None:
    """How many members there are and those of the page, of a set that one system can choose by itself; else None."""
    whole = chosen_of(reader, found) if not asked.excluded else None
    if whole is None:
        return None
    system, node = whole
    chosen = Chosen(node=node, words=words, active=asked.active_only, selectable=asked.selectable_only)
    total = system.count(chosen, MOST_CODES * 50)
    _costly(total, asked)
    count = MOST_CODES if asked.count is None else asked.count
    concepts = system.select(chosen, asked.offset, count) if count else ()
    return total, [Member(system=system.url, version=system.version, concept=concept) for concept in concepts]


def _walked(reader: Reader, found: Set, asked: Asked, words: tuple[str, ...]) -> tuple[int, list[Member]]:
    """The same, each member looked at."""
    members = [
        member
        for member in itertools.islice(reader.members(found, words), MOST_CODES * 50)
        if not (asked.active_only and member.concept.inactive)
        and not (asked.selectable_only and member.concept.abstract)
        and member.system not in asked.excluded
    ]
    _costly(len(members), asked)
    end = None if asked.count is None else asked.offset + asked.count
    return len(members), members[asked.offset : end]


def _versions(members: list[Member]) -> list[dict[str, Any]]:
    """Which versions of code systems the expansion rests on."""
    used = dict.fromkeys((m.system, m.version) for m in members)
    told = [{"name": "version", "valueUri": f"{s}|{v}"} for s, v in used if v]
    return told + [{"name": "used-codesystem", "valueUri": f"{s}|{v}" if v else s} for s, v in used]


def _supplements(reader: Reader, members: list[Member]) -> list[dict[str, Any]]:
    """Which supplements the names and properties come from."""
    places = dict.fromkeys((m.system, m.version) for m in members)
    found = dict.fromkeys(used for place in places for used in getattr(reader.library.system(*place), "used", ()))
    return [{"name": "used-supplement", "valueUri": used} for used in found]


def _nested(reader: Reader, members: list[Member], asked: Asked) -> list[dict[str, Any]]:
    """The members under the nearest member they stand below in their system; those below none at the top, in order."""
    items = {(member.system, member.concept.code): _item(member, asked) for member in members}
    systems = {place: reader.library.system(*place) for place in dict.fromkeys((m.system, m.version) for m in members)}
    top: list[dict[str, Any]] = []
    for member in members:
        code, system = member.concept.code, systems[member.system, member.version]
        lineage = above(system, code) if system is not None else {}
        over = next((each for each in lineage if each != code and (member.system, each) in items), None)
        item = items[member.system, code]
        if over is None or system is None or code in above(system, over):  # those of a circle have none above
            top.append(item)
        else:
            items[member.system, over].setdefault("contains", []).append(item)
    return top


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
            for d in concept.others(asked.language)
            if not asked.languages or d.language in asked.languages
        ]
    told = [each for each in concept.properties if each.code in asked.properties]
    if told:
        item["extension"] = [{"url": PROPERTY, "extension": _property(each)} for each in told]
    return {key: value for key, value in item.items() if value}


def _property(each: Property) -> list[dict[str, Any]]:
    """A property of a concept as R5 has it in an expansion, in the extension by which R4 tells it."""
    return [{"url": "code", "valueCode": each.code}, {"url": "value", each.kind: each.value}]
