"""Lists of billing rows with a cursor that stays right while rows are added: newest last, keyset by id."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from canonical.errors import NotFound, Refused
from hub.billing.writing import glosa_name
from hub.guard import audit
from hub.store.database import Row, Transaction
from mappings.tables.table import codes

MOST = 200
ALL = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What can be listed: its table, the columns shown, those a caller may filter by, and JSON columns.

    `joined` adds columns of another table, reached by `join`; they can be filtered by as well. `named` are further
    expressions by the name they are shown under. `coded` columns hold codes of the standard, shown with their terms.
    """

    table: str
    columns: tuple[str, ...]
    filters: tuple[str, ...]
    documents: tuple[str, ...] = ()
    join: str = ""
    joined: tuple[str, ...] = ()
    named: tuple[tuple[str, str], ...] = ()
    coded: tuple[str, ...] = ()

    @property
    def selected(self) -> str:
        """The columns of a SELECT, the payer's registro ANS included."""
        own = [f"t.{column}" for column in self.columns]
        named = [f"{expression} AS {name}" for name, expression in self.named]
        return ", ".join([*own, *(f"j.{column}" for column in self.joined), *named, "p.code AS payer"])

    @property
    def source(self) -> str:
        """The FROM of a SELECT."""
        return f"{self.table} t JOIN partner p ON p.tenant_id = $1 AND p.id = t.payer_id {self.join}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page and the cursor of the next (None: this is the last)."""

    rows: list[dict[str, Any]]
    next: str | None


KINDS = {
    "guides": Kind(
        table="guide",
        columns=(
            "id", "payer_id", "kind", "number", "status", "tiss_version", "patient_id", "encounter_id", "competence",
            "executed_on", "total_cents", "batch_id", "version", "problems", "created_at", "updated_at",
        ),
        filters=("status", "kind", "competence", "batch_id", "encounter_id", "patient_id", "number"),
        documents=("problems",),
    ),
    "batches": Kind(
        table="batch",
        columns=(
            "id", "payer_id", "number", "sequence", "kind", "status", "tiss_version", "guides", "total_cents", "hash",
            "rule_set", "tables", "reason", "problems", "created_at", "updated_at",
        ),
        filters=("status", "kind", "number"),
        documents=("problems",),
    ),
    "requests": Kind(
        table="payer_request",
        columns=(
            "id", "payer_id", "kind", "detail", "number", "status", "payer_status", "protocol", "reason", "patient_id",
            "encounter_id", "coverage_id", "tiss_version", "hash", "problems", "created_at", "answered_at", "settled",
            "replaced_by",
        ),
        filters=("kind", "detail", "status", "number", "patient_id", "encounter_id", "coverage_id"),
        documents=("problems",),
    ),
    "submissions": Kind(
        table="submission",
        columns=(
            "id", "payer_id", "batch_id", "protocol", "status", "payer_status", "reason", "sent_at", "received_at",
            "polled_at", "settled",
        ),
        filters=("status", "protocol", "batch_id", "settled"),
        join="LEFT JOIN batch b ON b.tenant_id = $1 AND b.id = t.batch_id",
        named=(("batch_number", "b.number"), ("batch_guides", "b.guides"), ("batch_total_cents", "b.total_cents")),
        coded=("payer_status",),
    ),
    "statements": Kind(
        table="statement",
        columns=(
            "id", "payer_id", "submission_id", "number", "protocol", "payer_status", "issued_on", "billed_cents",
            "processed_cents", "paid_cents", "denied_cents", "copay_cents", "problems", "replaced", "message_id",
            "created_at",
        ),
        filters=("protocol", "submission_id", "number", "issued_on", "replaced"),
        documents=("problems",),
        coded=("payer_status",),
    ),
    "statement-lines": Kind(
        table="statement_line",
        columns=(
            "id", "payer_id", "statement_id", "protocol", "guide_number", "sequence", "tiss_table", "code",
            "billed_cents", "processed_cents", "paid_cents", "denied_cents", "copay_cents", "guide_id", "orphan",
            "replaced",
        ),
        filters=("protocol", "guide_number", "statement_id", "guide_id", "orphan", "replaced"),
    ),
    "remittances": Kind(
        table="remittance",
        columns=(
            "id", "payer_id", "number", "dental", "issued_on", "billed_cents", "processed_cents", "paid_cents",
            "denied_cents", "copay_cents", "debit_cents", "credit_cents", "net_cents", "problems", "replaced",
            "message_id", "created_at",
        ),
        filters=("number", "dental", "issued_on", "replaced"),
        documents=("problems",),
    ),
    "payments": Kind(
        table="payment",
        columns=(
            "id", "payer_id", "remittance_id", "paid_on", "kind", "protocol", "batch_number", "guide_number",
            "operator_number", "processed_cents", "paid_cents", "denied_cents", "copay_cents", "guide_id", "orphan",
            "replaced",
        ),
        filters=("remittance_id", "paid_on", "kind", "protocol", "guide_number", "guide_id", "orphan", "replaced"),
    ),
    "payment-entries": Kind(
        table="payment_entry",
        columns=(
            "id", "payer_id", "remittance_id", "paid_on", "indicator", "kind", "description", "amount_cents",
            "replaced",
        ),
        filters=("remittance_id", "paid_on", "indicator", "kind", "replaced"),
    ),
    "denials": Kind(
        table="denial",
        columns=(
            "id", "payer_id", "statement_line_id", "guide_id", "glosa_code", "description", "amount_cents", "status",
            "appeal_until", "appeal_id", "justification", "granted_cents", "level", "created_at",
        ),
        filters=("status", "glosa_code", "guide_id", "appeal_id"),
        join="JOIN statement_line j ON j.tenant_id = $1 AND j.id = t.statement_line_id "
        "LEFT JOIN guide g ON g.tenant_id = $1 AND g.id = t.guide_id",
        named=(("own_guide_number", "g.number"),),
        joined=("protocol", "guide_number", "sequence", "tiss_table", "code", "billed_cents", "paid_cents"),
        coded=("glosa_code",),
    ),
    "appeals": Kind(
        table="appeal",
        columns=(
            "id", "payer_id", "batch_id", "batch_protocol", "number", "status", "protocol", "claimed_cents",
            "granted_cents", "appeal_until", "hash", "reason", "problems", "created_at", "updated_at",
        ),
        filters=("status", "batch_id", "batch_protocol", "number", "protocol"),
        documents=("problems",),
    ),
}  # fmt: skip


async def newest(
    tx: Transaction, name: str, filters: dict[str, str], limit: int = 50, *, before: str = ""
) -> list[dict[str, Any]]:
    """The newest rows of a kind, newest first, or those `before` one of them; filters and errors as of `page`."""
    kind, clauses, values = _asked(name, filters)
    if before:
        values.append(_identity(before))
        clauses.append(f"t.id < ${len(values) + 1}")
    rows = await tx.rows(
        f"SELECT {kind.selected} FROM {kind.source} WHERE {' AND '.join(clauses)} ORDER BY t.id DESC LIMIT {limit}",
        *values,
    )
    return [_shown(row, kind) for row in rows]


async def everything(tx: Transaction, name: str, filters: dict[str, str]) -> list[dict[str, Any]]:
    """All rows of a kind, oldest first; filters and errors as of `page`. Raises Refused for more than ALL."""
    kind, clauses, values = _asked(name, filters)
    rows = await tx.rows(
        f"SELECT {kind.selected} FROM {kind.source} WHERE {' AND '.join(clauses)} ORDER BY t.id LIMIT {ALL + 1}",
        *values,
    )
    if len(rows) > ALL:
        raise Refused(f"the list has more than {ALL} rows", code="listing.too-many")
    return [_shown(row, kind) for row in rows]


async def page(tx: Transaction, name: str, filters: dict[str, str], after: str = "", limit: int = 50) -> Page:
    """One page of a kind; `payer` in the filters is a registro ANS. Raises NotFound for an unknown kind or cursor."""
    kind, clauses, values = _asked(name, filters)
    if after:
        values.append(_identity(after))
        clauses.append(f"t.id > ${len(values) + 1}")
    size = max(1, min(limit, MOST))
    rows = await tx.rows(
        f"SELECT {kind.selected} FROM {kind.source} WHERE {' AND '.join(clauses)} ORDER BY t.id LIMIT {size + 1}",
        *values,
    )
    found = [_shown(row, kind) for row in rows[:size]]
    return Page(rows=found, next=found[-1]["id"] if len(rows) > size else None)


def _asked(name: str, filters: dict[str, str]) -> tuple[Kind, list[str], list[Any]]:
    """A kind with the clauses and values of its filters; raises NotFound, Refused."""
    kind = KINDS.get(name)
    if kind is None:
        raise NotFound("there is no such list")
    clauses: list[str] = ["t.tenant_id = $1"]
    values: list[Any] = []
    for column, value in filters.items():
        values.append(plain_text(value))
        if column == "payer":
            clauses.append(f"p.code = ${len(values) + 1}")
        elif column in kind.filters:
            clauses.append(f"t.{column}::text = ${len(values) + 1}")
        elif column in kind.joined:
            clauses.append(f"j.{column}::text = ${len(values) + 1}")
        else:
            raise Refused("this list has no such filter", code="failure.request")
    return kind, clauses, values


async def one(tx: Transaction, name: str, identity: UUID) -> dict[str, Any]:
    """One row of a kind; raises NotFound."""
    kind = KINDS[name]
    query = f"SELECT {kind.selected} FROM {kind.source} WHERE t.tenant_id = $1 AND t.id = $2"
    row = await tx.row(query, identity)
    if row is None:
        raise NotFound("there is no such record")
    return _shown(row, kind)


async def guide(tx: Transaction, guide_id: UUID, actor: str) -> dict[str, Any]:
    """One guide with its tree, items and findings; the reading is audited. Raises NotFound."""
    kind = KINDS["guides"]
    row = await tx.row(
        f"SELECT {', '.join(f't.{column}' for column in kind.columns)}, t.tree, p.code AS payer FROM guide t "
        "JOIN partner p ON p.tenant_id = $1 AND p.id = t.payer_id WHERE t.tenant_id = $1 AND t.id = $2",
        guide_id,
    )
    if row is None:
        raise NotFound("there is no such guide")
    items = await tx.rows(
        "SELECT sequence, section, tiss_table, code, description, executed_on, quantity, unit_cents, total_cents, "
        "charge_id FROM guide_item WHERE tenant_id = $1 AND guide_id = $2 ORDER BY sequence",
        guide_id,
    )
    await audit.note(tx, actor, "read", f"guide/{guide_id}")
    return {**_shown(row, kind), "tree": json.loads(row["tree"]), "items": [plain(dict(item)) for item in items]}


def plain_text(value: str) -> str:
    """`value`, which the store must be able to hold; raises Refused for NUL characters."""
    if "\x00" in value:
        raise Refused("a value holds a NUL character", code="failure.request")
    return value


async def payer_id(tx: Transaction, ans: str) -> UUID:
    """The id of the payer with a registro ANS; raises NotFound."""
    found = await tx.value(
        "SELECT id FROM partner WHERE tenant_id = $1 AND kind = 'payer' AND code = $2", plain_text(ans)
    )
    if found is None:
        raise NotFound("there is no such payer")
    return UUID(str(found))


def _shown(row: Row, kind: Kind) -> dict[str, Any]:
    found = {
        column: row[column]
        for column in ("payer", *kind.columns, *kind.joined, *(n for n, _ in kind.named))
        if column != "payer_id"
    }
    for column in kind.documents:
        found[column] = json.loads(found[column])
    for column in kind.coded:
        found[f"{column.removesuffix('_code')}_name"] = _TERMS[column](str(found[column] or ""))
    return plain(found)


# table 38, dm_statusProtocolo
_TERMS: dict[str, Callable[[str], str]] = {
    "glosa_code": glosa_name,
    "payer_status": lambda code: codes("status-protocolo").get(code, ""),
}


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """UUIDs and times as texts."""
    return {
        name: value.isoformat() if hasattr(value, "isoformat") else str(value) if isinstance(value, UUID) else value
        for name, value in row.items()
    }


def _identity(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFound("the cursor is not one of ours") from None
