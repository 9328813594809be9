"""What is asked of payers beside the bill, and the records each asking is about."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op

revision = "0013"
down_revision = "0012"

CONTEXT = "(select nullif(current_setting('app.current_tenant', true), '')::uuid)"
TABLES = ("payer_request", "payer_request_subject")
_TEXTS = ("kind", "status", "tiss_version")
_OPTIONAL = (
    "payer_status", "protocol", "reason", "patient_id", "encounter_id", "coverage_id", "hash",
)  # fmt: skip
_DEFAULTS = (("detail", ""), ("number", ""), ("tree", "{}"), ("problems", "[]"), ("actor", ""))


def upgrade() -> None:
    """Two tables behind the walls."""
    role = context.config.attributes.get("application_role", "ponte_app")
    now = sa.text("now()")
    op.create_table(
        "payer_request",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("payer_id", sa.Uuid(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in _TEXTS),
        *(sa.Column(name, sa.Text(), nullable=True) for name in _OPTIONAL),
        *(sa.Column(name, sa.Text(), server_default=value, nullable=False) for name, value in _DEFAULTS),
        sa.Column("message_id", sa.Uuid(), nullable=True),
        sa.Column("delivery_id", sa.Uuid(), nullable=True),
        sa.Column("polled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=now, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=now, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="payer_request_pk"),
    )
    op.create_index("payer_request_kind_idx", "payer_request", ["tenant_id", "kind", "status"])
    op.create_index("payer_request_number_idx", "payer_request", ["tenant_id", "payer_id", "number"])
    op.create_index("payer_request_open_idx", "payer_request", ["tenant_id", "settled", "polled_at"])
    op.create_table(
        "payer_request_subject",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("record_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "request_id"],
            ["payer_request.tenant_id", "payer_request.id"],
            name="payer_request_subject_payer_request_fk",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "request_id", "type", "record_id", name="payer_request_subject_pk"),
    )
    op.create_index(
        "payer_request_subject_record_idx", "payer_request_subject", ["tenant_id", "type", "record_id"]
    )
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY tenant ON {table} USING (tenant_id = {CONTEXT}) WITH CHECK (tenant_id = {CONTEXT})"
        )
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {role}")


def downgrade() -> None:
    """Without them."""
    for table in reversed(TABLES):
        op.drop_table(table)
