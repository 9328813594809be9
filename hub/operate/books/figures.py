"""Counts an operator, and the demonstration, hold against what was sent: messages, records, money, deliveries."""

from __future__ import annotations

from collections.abc import Sequence

from hub.store.database import Transaction


async def message_counts(tx: Transaction, direction: str = "in") -> dict[str, int]:
    """Messages of one direction by status."""
    rows = await tx.rows(
        "SELECT status, count(*) AS n FROM message WHERE tenant_id = $1 AND direction = $2 GROUP BY status", direction
    )
    return {row["status"]: row["n"] for row in rows}


async def received_copies(tx: Transaction, channel: str, control_ids: Sequence[str]) -> dict[str, int]:
    """How many times each control id is stored for a channel: 1 is right."""
    rows = await tx.rows(
        "SELECT m.control_id, count(*) AS n FROM message m JOIN channel c ON c.tenant_id = $1 AND c.id = m.channel_id "
        "WHERE m.tenant_id = $1 AND c.name = $2 AND m.control_id = ANY($3::text[]) GROUP BY m.control_id",
        channel,
        list(control_ids),
    )
    return {row["control_id"]: row["n"] for row in rows}


async def arrivals(tx: Transaction, channel: str) -> list[str]:
    """The control ids of a channel in the order they were stored."""
    rows = await tx.rows(
        "SELECT m.control_id FROM message m JOIN channel c ON c.tenant_id = $1 AND c.id = m.channel_id "
        "WHERE m.tenant_id = $1 AND c.name = $2 AND m.control_id <> '' ORDER BY m.seq",
        channel,
    )
    return [row["control_id"] for row in rows]


async def waiting(tx: Transaction) -> dict[str, int]:
    """Work that waits in lanes, by kind."""
    rows = await tx.rows("SELECT kind, sum(pending) AS n FROM lane WHERE tenant_id = $1 GROUP BY kind")
    return {row["kind"]: int(row["n"]) for row in rows}


async def record_counts(tx: Transaction) -> dict[str, int]:
    """Living records by type."""
    rows = await tx.rows("SELECT type, count(*) AS n FROM resource WHERE tenant_id = $1 AND NOT deleted GROUP BY type")
    return {row["type"]: row["n"] for row in rows}


async def charged(tx: Transaction) -> tuple[int, int]:
    """Number of billable charges and their sum in cents."""
    row = await tx.row(
        "SELECT count(*) AS n, coalesce(sum(total_cents), 0)::bigint AS cents FROM charge "
        "WHERE tenant_id = $1 AND status = 'billable'"
    )
    return (row["n"], row["cents"]) if row is not None else (0, 0)


async def delivery_counts(tx: Transaction) -> dict[tuple[str, str], int]:
    """Deliveries by operation and status."""
    rows = await tx.rows(
        "SELECT operation, status, count(*) AS n FROM delivery WHERE tenant_id = $1 GROUP BY operation, status"
    )
    return {(row["operation"], row["status"]): row["n"] for row in rows}


async def deliveries_by_partner(tx: Transaction) -> dict[str, int]:
    """Deliveries that were taken, by the partner's code."""
    rows = await tx.rows(
        "SELECT p.code, count(*) AS n FROM delivery d JOIN partner p ON p.tenant_id = $1 AND p.id = d.partner_id "
        "WHERE d.tenant_id = $1 AND d.status = 'SENT' GROUP BY p.code"
    )
    return {row["code"]: row["n"] for row in rows}


async def outcomes(tx: Transaction, payload_keys: Sequence[int]) -> dict[int, tuple[str, str, int, bool]]:
    """Of received messages by the number of their bytes: status, problems (JSON), receipts, conflict."""
    rows = await tx.rows(
        "SELECT payload_key, status, problems, receipts, conflict FROM message "
        "WHERE tenant_id = $1 AND direction = 'in' AND payload_key = ANY($2::bigint[])",
        list(payload_keys),
    )
    return {row["payload_key"]: (row["status"], row["problems"], row["receipts"], row["conflict"]) for row in rows}


async def encounters_of(tx: Transaction, visit_numbers: Sequence[str]) -> dict[str, int]:
    """The encounters of these visits by status."""
    rows = await tx.rows(
        "SELECT status, count(*) AS n FROM encounter WHERE tenant_id = $1 AND visit_number = ANY($2::text[]) "
        "GROUP BY status",
        list(visit_numbers),
    )
    return {row["status"]: row["n"] for row in rows}


async def links(tx: Transaction) -> int:
    """Merged patients."""
    return int(await tx.value("SELECT count(*) FROM patient_link WHERE tenant_id = $1"))


async def segments(tx: Transaction) -> dict[str, int]:
    """Segments of all worked messages: total, mapped, ignored, unmapped."""
    names = ("total", "mapped", "ignored", "unmapped")
    sums = ", ".join(f"coalesce(sum((segments::json ->> '{name}')::int), 0)::bigint AS {name}" for name in names)
    row = await tx.row(f"SELECT {sums} FROM message WHERE tenant_id = $1 AND direction = 'in' AND segments <> ''")
    return {name: row[name] for name in names} if row is not None else dict.fromkeys(names, 0)


async def audited(tx: Transaction) -> int:
    """Audit events."""
    return int(await tx.value("SELECT count(*) FROM audit_event WHERE tenant_id = $1"))
