"""Patient/$match: who in the store may be the person described. Candidates come from the search index, and are weighed.

Nothing is joined here. A record that was merged into another one is answered by the one that counts.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from canonical.codes import CNS, CPF, aliases
from fhir import jsontext
from fhir.search.conditions import BadQuery, Setting
from fhir.search.query import parse
from fhir.search.values import escaped
from hub.find.match.likeness import POSSIBLE, Likeness, likeness, names_of
from hub.find.search import Page, search
from hub.find.sight import Sight
from hub.find.statement import OneTrip
from hub.world import Tenant, World

MOST = 100
_PER_QUESTION = "250"
_PREFIX = 4  # letters of a name that must agree to look at a record of that birth date
_MERGED = (
    "SELECT l.loser_id, r.rid, r.type, r.id, r.version, r.updated_at, r.body FROM patient_link l JOIN resource r "
    "ON r.tenant_id = c.tenant AND r.type = 'Patient' AND r.id = l.survivor_id AND NOT r.deleted "
    "WHERE l.tenant_id = c.tenant AND l.loser_id = ANY($2::text[]) LIMIT 1000"
)
_NATIONAL = frozenset((CPF, CNS))
Pairs = list[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A record that may be meant, and how alike it is."""

    row: Any
    likeness: Likeness


async def match(world: World, tenant: Tenant, wanted: dict[str, Any], setting: Setting, sight: Sight) -> list[Match]:
    """The records that may be `wanted` (a Patient body), the likeliest first; candidates are what `sight` shows."""
    rows: dict[str, Any] = {}
    for pairs, narrower in questions(wanted):
        page = await _asked(world, tenant, pairs, setting, sight)
        if page.cursor and narrower:
            page = await _asked(world, tenant, [*pairs, *narrower], setting, sight)
        rows.update({row["id"]: row for row in page.rows})
    found: dict[str, Match] = {}
    successors = await _successors(world, tenant, list(rows))
    for identity, row in rows.items():
        alike = likeness(wanted, jsontext.stored(row["body"]))
        shown = successors.get(identity, row)
        other = found.get(shown["id"])
        if alike.score >= POSSIBLE and (other is None or other.likeness.score < alike.score):
            found[shown["id"]] = Match(row=shown, likeness=alike)
    return sorted(found.values(), key=lambda each: (-each.likeness.score, each.row["id"]))[:MOST]


def certain(found: Sequence[Match]) -> list[Match]:
    """The one match that is certain; none when there are several, or others are about as likely."""
    sure = [each for each in found if each.likeness.grade == "certain"]
    return sure if len(sure) == 1 else []


async def _asked(world: World, tenant: Tenant, pairs: Pairs, setting: Setting, sight: Sight) -> Page:
    try:
        query = parse("Patient", [*pairs, ("_count", _PER_QUESTION)], setting)
    except BadQuery:  # a value that no search can have finds nothing
        return Page(rows=())
    return await search(OneTrip(world, tenant), query, sight)


async def _successors(world: World, tenant: Tenant, ids: list[str]) -> dict[str, Any]:
    """The records that merged ones among `ids` were merged into."""
    if not ids:
        return {}
    return {row["loser_id"]: row for row in await world.database.ask(tenant.id, _MERGED, ids)}


def questions(wanted: dict[str, Any]) -> list[tuple[Pairs, Pairs]]:
    """The searches that bring candidates: by number, birth date, whole name, telephone or mail.

    Each with what narrows it where it finds more than can be weighed.
    """
    numbers = [text for item in wanted.get("identifier", ()) if item.get("value") for text in _numbers(item)]
    asked: list[tuple[Pairs, Pairs]] = [([("identifier", ",".join(numbers[:100]))], [])] if numbers else []
    words = list(dict.fromkeys(word for name in names_of(wanted) for word in name))
    starts = ",".join(escaped(word[:_PREFIX]) for word in words[:20])
    for day in _days(str(wanted.get("birthDate", ""))):
        asked.append(([("birthdate", day)], [("name", starts)] if starts else []))
    for name in names_of(wanted)[:5]:
        asked += [([("name", escaped(name[0])), ("name", escaped(name[-1]))], [])] if name[1:] else []
    values = [escaped(str(t["value"])) for t in wanted.get("telecom", ()) if t.get("value")]
    return [*asked, ([("telecom", ",".join(values[:20]))], [])] if values else asked


def _numbers(item: dict[str, Any]) -> Iterable[str]:
    """An identifier as a token, as written and, of a national one, as bare letters and digits."""
    value, system = str(item["value"]), str(item.get("system", ""))
    bare = "".join(c for c in value if c.isalnum())
    for each in dict.fromkeys((value, bare) if aliases(system) & _NATIONAL else (value,)):
        yield f"{escaped(system)}|{escaped(each)}" if system else escaped(each)


def _days(birth: str) -> Iterable[str]:
    """The birth date, and day and month the other way round."""
    year, month, day = itertools.islice(itertools.chain(birth[:10].split("-"), ("", "", "")), 3)
    if year:
        yield birth[:10]
    if day and day <= "12" and day != month:
        yield f"{year}-{day}-{month}"
