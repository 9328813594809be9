"""What a tenant's policy says of a write to a record by its id: whether it may create, and whether blindly change."""

from __future__ import annotations

from collections.abc import Sequence

from hub.records.requests.acting import Policy
from hub.records.requests.entry import Entry, Failed
from hub.records.requests.refusal import refused
from hub.store.database import Transaction

_KNOWN = "SELECT NOT deleted FROM resource WHERE tenant_id = $1 AND type = $2 AND id = $3"


async def check(tx: Transaction, policy: Policy, writers: Sequence[tuple[Entry, str]]) -> None:
    """Raise Failed for an update that would create where the tenant does not allow it, and for a change of what the
    caller may not have seen where the tenant asks for If-Match; each entry comes with the id it writes.
    """
    if policy.require_match:
        await _check_seen(tx, [entry for entry, _ in writers])
    if policy.update_create:
        return
    for entry, identity in writers:
        if entry.method == "PUT" and entry.id and await tx.value(_KNOWN, entry.type_name, identity) is None:
            raise Failed({entry.position: refused("not-allowed", "fhir.update-create", f"{entry.type_name}.id")})


async def _check_seen(tx: Transaction, writers: Sequence[Entry]) -> None:
    for entry in writers:
        if entry.method == "POST" or not entry.id or entry.expected is not None or entry.creates_only:
            continue
        if await tx.value(_KNOWN, entry.type_name, entry.id):
            raise Failed({entry.position: refused("unconditional", "failure.if-match", entry.type_name)})
