"""The records of a document (R4 §3.3.1): a Composition, what it refers to, and what is needed to read those.

References are followed forwards only, in turns, as they stand in the stored texts. The documents a Composition replaces
(`relatesTo`) are no part of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from canonical.problem import Problem
from fhir import jsontext, links
from fhir.search.conditions import BadQuery
from hub.store.database import Row
from hub.world import Tenant, World

MOST = 1000
_TURNS = 6
_READ = (
    "SELECT r.type, r.id, r.version, r.updated_at, r.body FROM unnest($2::text[], $3::text[]) AS x(type, id) "
    "JOIN resource r ON r.tenant_id = c.tenant AND r.type = x.type AND r.id = x.id AND NOT r.deleted LIMIT 2000"
)
Place = tuple[str, str]
Permit = Callable[[str, bool], bool]


async def members(world: World, tenant: Tenant, composition: Row, base: str, permit: Permit) -> list[Row]:
    """The Composition's row, then the others as they are referred to; raises BadQuery when there are too many.

    `base` is our FHIR address, with which a reference may begin. `permit(type, direct)` says whether records of a type
    may be read, or raises; `direct` are those that the Composition itself names. What is not there is left out.
    """
    found: dict[Place, Row] = {("Composition", composition["id"]): composition}
    front, direct = [composition], True
    for _ in range(_TURNS):
        wanted = {place: None for row in front for place in _places(row, base)}
        asked = [place for place in wanted if place not in found and permit(place[0], direct)]
        if len(found) + len(asked) > MOST:
            raise BadQuery(Problem("fhir.search.too-many-included", args=(("limit", str(MOST)),)))
        rows = await _read(world, tenant, asked)
        front, direct = [rows[place] for place in asked if place in rows], False
        found.update({(row["type"], row["id"]): row for row in front})
        if not front:
            break
    return list(found.values())


async def _read(world: World, tenant: Tenant, places: list[Place]) -> dict[Place, Row]:
    if not places:
        return {}
    rows = await world.database.ask(
        tenant.id, _READ, [kind for kind, _ in places], [identity for _, identity in places]
    )
    return {(row["type"], row["id"]): row for row in rows}


def _places(row: Row, base: str) -> Iterator[Place]:
    """What a record refers to in this store, as type and id."""
    body = jsontext.stored(row["body"])
    if row["type"] == "Composition":
        body = {name: value for name, value in body.items() if name != "relatesTo"}
    for literal in links.references(body, row["type"]):
        kind, _, rest = literal.removeprefix(base + "/").partition("/")
        identity = rest.partition("/")[0]
        if identity and "/" not in rest.removeprefix(identity + "/_history/") and kind.isalpha():
            yield kind, identity
