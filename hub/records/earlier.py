"""What changed records said one version before: to tell a change from what it changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fhir import jsontext
from hub.records.saved import Saved
from hub.store.database import Transaction


async def earlier(tx: Transaction, changed: Sequence[Saved]) -> dict[tuple[str, str], dict[str, Any]]:
    """The bodies of `changed` one version before, by type and id; what is new or was deleted then has none."""
    older = [saved for saved in changed if saved.version > 1]
    if not older:
        return {}
    rows = await tx.rows(
        "SELECT v.* FROM unnest($2::text[], $3::text[], $4::bigint[]) AS x(type, id, version) CROSS JOIN LATERAL ("
        "SELECT type, id, body FROM resource_version WHERE tenant_id = $1 AND type = x.type AND id = x.id "
        "AND version = x.version AND NOT deleted OFFSET 0) v",
        [saved.type for saved in older],
        [saved.id for saved in older],
        [saved.version - 1 for saved in older],
    )
    return {(row["type"], row["id"]): jsontext.stored(row["body"]) for row in rows}
