"""Payments: what a demonstrativo de pagamento says was paid, its debits and credits; the patient's share of an item."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op

revision = "0012"
down_revision = "0011"

CONTEXT = "(select nullif(current_setting('app.current_tenant', true), '')::uuid)"
TABLES = ("remittance", "payment", "payment_entry")


def _uuid(name: str, optional: bool = False) -> sa.Column:
    return sa.Column(name, sa.Uuid(), nullable=optional)


def _texts(*names: str) -> list[sa.Column]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def _cents(*names: str) -> list[sa.Column]:
    return [sa.Column(f"{name}_cents", sa.BigInteger(), nullable=False) for name in names]


def _created() -> sa.Column:
    return sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)


def _turn() -> sa.Column:
    return sa.Column("turn", sa.Integer(), server_default=sa.text("1"), nullable=False)


def _flag(name: str) -> sa.Column:
    return sa.Column(name, sa.Boolean(), server_default=sa.text("false"), nullable=False)


def upgrade() -> None:
    """The tables, their walls, their indexes, and the columns statements gain."""
    op.create_table(
        "remittance",
        _uuid("tenant_id"), _uuid("id"), _uuid("payer_id"), *_texts("number"), _flag("dental"),
        sa.Column("issued_on", sa.Date(), nullable=False),
        *_cents("billed", "processed", "paid", "denied", "copay", "debit", "credit", "net"),
        *_texts("digest"), sa.Column("problems", sa.Text(), server_default="[]", nullable=False),
        _uuid("message_id", optional=True), _flag("replaced"), _created(),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="remittance_pk"),
    )
    op.create_index("remittance_number_idx", "remittance", ["tenant_id", "payer_id", "number"])
    op.create_table(
        "payment",
        _uuid("tenant_id"), _uuid("id"), _uuid("remittance_id"), _uuid("payer_id"),
        sa.Column("paid_on", sa.Date(), nullable=False), _turn(),
        *_texts("kind", "protocol", "batch_number", "guide_number", "operator_number"),
        *_cents("processed", "paid", "denied", "copay"),
        _uuid("guide_id", optional=True), _uuid("message_id", optional=True),
        sa.Column("orphan", sa.Text(), server_default="", nullable=False), _flag("replaced"), _created(),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="payment_pk"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "remittance_id"], ["remittance.tenant_id", "remittance.id"], name="payment_remittance_fk"
        ),
    )
    for name, columns in (
        ("remittance", ["remittance_id"]), ("guide", ["guide_id"]), ("protocol", ["payer_id", "protocol"]),
        ("day", ["payer_id", "paid_on"]),
    ):
        op.create_index(f"payment_{name}_idx", "payment", ["tenant_id", *columns])
    op.create_table(
        "payment_entry",
        _uuid("tenant_id"), _uuid("id"), _uuid("remittance_id"), _uuid("payer_id"), sa.Column("paid_on", sa.Date()),
        _turn(), *_texts("indicator", "kind", "description"), *_cents("amount"), _flag("replaced"), _created(),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="payment_entry_pk"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "remittance_id"], ["remittance.tenant_id", "remittance.id"],
            name="payment_entry_remittance_fk",
        ),
    )
    op.create_index("payment_entry_remittance_idx", "payment_entry", ["tenant_id", "remittance_id"])
    role = context.config.attributes.get("application_role", "ponte_app")
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY tenant ON {table} USING (tenant_id = {CONTEXT}) WITH CHECK (tenant_id = {CONTEXT})")
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {role}")
    for table in ("statement", "statement_line"):
        op.add_column(table, sa.Column("copay_cents", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column("statement", sa.Column("scope", sa.Text(), server_default="", nullable=False))


def downgrade() -> None:
    """Without them."""
    op.drop_column("statement", "scope")
    for table in ("statement", "statement_line"):
        op.drop_column(table, "copay_cents")
    for table in reversed(TABLES):
        op.drop_table(table)
