"""The code systems a tenant can ask about and in which versions, as the TerminologyCapabilities tell them.

Of one address the order is that of the answers (`hub.terms.shelf`): complete records of the tenant, releases, other
records, the ANS tables, R4's own; the first version counts where none is asked for.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from canonical.codes import aliases
from fhir.terminology import known
from hub.find.statement import OneTrip
from hub.store.database import Row
from hub.terms import ans
from hub.terms.releases.loaded import every_release
from hub.world import Tenant, World

Usable = tuple[tuple[str, tuple[str, ...]], ...]  # addresses with their versions; the empty text is one without version
_OURS = "r.tenant_id = c.tenant AND r.type = 'CodeSystem' AND NOT r.deleted"
_STATE = f"SELECT count(*) AS count, max(r.updated_at) AS latest FROM resource r WHERE {_OURS} LIMIT 1"
_STATED = (
    "SELECT x.* FROM resource r CROSS JOIN LATERAL json_to_record(r.body::json) "
    f"AS x(url text, version text, status text, content text, supplements text) WHERE {_OURS} "
    "ORDER BY r.updated_at DESC, r.rid DESC LIMIT 10000"
)
_NOT_HERE = "not-present"
_OWN: dict[UUID, tuple[Any, list[Row]]] = {}


async def everyones() -> Usable:
    """What is there for every tenant: R4's code systems and the ANS tables."""
    return await asyncio.to_thread(_merged, (), ())


async def usable(world: World, tenant: Tenant) -> Usable:
    """The code systems of a tenant by address; its records are read anew only when one of them changed."""
    (state,) = await world.database.ask(tenant.id, _STATE)
    mark = (state["count"], state["latest"])
    own = _OWN.get(tenant.id)
    if own is None or own[0] != mark:
        own = mark, await world.database.ask(tenant.id, _STATED)
        _OWN[tenant.id] = own
    releases = await every_release(OneTrip(world, tenant))
    named = [(each.system, each.version) for each in releases]
    return await asyncio.to_thread(_merged, _in_order(own[1]), named)


def _in_order(rows: Iterable[Row]) -> list[Row]:
    """The records that are code systems with something in them: the newest first, those retired last."""
    asked = (r for r in rows if r["url"] and r["content"] != _NOT_HERE)
    systems = (r for r in asked if not (r["content"] == "supplement" and r["supplements"]))
    return sorted(systems, key=lambda row: row["status"] == "retired")


def _merged(own: Iterable[Row], releases: Iterable[tuple[str, str]]) -> Usable:
    stated = [(row["url"], row["version"] or "", row["content"] in (None, "complete", "fragment")) for row in own]
    listed: dict[str, dict[str, None]] = defaultdict(dict)
    for url, version in [
        *((url, version) for url, version, whole in stated if whole),
        *releases,
        *((url, version) for url, version, whole in stated if not whole),
    ]:
        listed[url].setdefault(version)
    for url in ans.addresses():
        listed[url].setdefault("")
    for url, row in known.rows("systems").items():
        if row["k"] != _NOT_HERE:
            listed[url].setdefault(row["v"])
    return tuple((url, _versions(url, listed)) for url in sorted(listed))


def _versions(url: str, listed: dict[str, dict[str, None]]) -> tuple[str, ...]:
    """The versions of an address, after its own those of its other names."""
    names = (url, *sorted(name for name in aliases(url) if name != url and name in listed))
    return tuple(dict.fromkeys(version for name in names for version in listed[name]))
