"""Records read for what goes out: by their references, and those that refer to one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fhir import jsontext
from hub.records.index import key_of
from hub.store.database import Transaction

Body = dict[str, Any]
MOST = 500


async def bodies(tx: Transaction, names: Sequence[str]) -> dict[str, Body]:
    """Current records by their references (`Type/id`); those that are deleted or not there are left out."""
    places = [name.split("/", 1) for name in dict.fromkeys(names) if name.count("/") == 1]
    if not places:
        return {}
    rows = await tx.rows(
        "SELECT r.type, r.id, r.body FROM resource r JOIN unnest($2::text[], $3::text[]) AS x(type, id) "
        "ON r.type = x.type AND r.id = x.id WHERE r.tenant_id = $1 AND NOT r.deleted",
        [place[0] for place in places],
        [place[1] for place in places],
    )
    return {f"{row['type']}/{row['id']}": jsontext.stored(row["body"]) for row in rows}


async def referring(tx: Transaction, type_name: str, parameter: str, target: str) -> list[Body]:
    """Records of a type whose parameter leads to `target` (`Type/id`), oldest first, at most MOST."""
    target_type, _, target_id = target.partition("/")
    rows = await tx.rows(
        "SELECT r.body FROM idx_reference i JOIN resource r ON r.tenant_id = $1 AND r.rid = i.rid AND NOT r.deleted "
        "WHERE i.tenant_id = $1 AND i.key = $2 AND i.target_id = $3 AND i.target_type = $4 ORDER BY r.rid LIMIT $5",
        key_of(type_name, parameter),
        target_id,
        target_type,
        MOST,
    )
    return [jsontext.stored(row["body"]) for row in rows]


def literal(reference: Any) -> str:
    """`Type/id` of a Reference; empty when it has none."""
    found = reference.get("reference") if isinstance(reference, Mapping) else None
    return str(found) if isinstance(found, str) and found.count("/") == 1 else ""
