"""Alarms; dead jobs by date; the audit trail by transaction, so that a seal reads its own events and not all."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op

revision = "0028"
down_revision = "0027"

CONTEXT = "(select nullif(current_setting('app.current_tenant', true), '')::uuid)"


def upgrade() -> None:
    """The table with its walls, and two indexes."""
    role = context.config.attributes.get("application_role", "ponte_app")
    op.create_table(
        "alarm",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told_level", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("cleared_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_by", sa.Text(), nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("tenant_id", "rule", "place", name="alarm_pk"),
    )
    op.execute("ALTER TABLE alarm ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE alarm FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY tenant ON alarm USING (tenant_id = {CONTEXT}) WITH CHECK (tenant_id = {CONTEXT})")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON alarm TO {role}")
    op.create_index("job_dead_idx", "job", ["tenant_id", "created_at"], postgresql_where=sa.text("status = 'DEAD'"))
    op.create_index(
        "audit_event_transaction_idx",
        "audit_event",
        ["tenant_id", "transaction"],
        postgresql_using="brin",
        postgresql_with={"pages_per_range": 32, "autosummarize": "on"},
    )


def downgrade() -> None:
    """Without them."""
    op.drop_index("audit_event_transaction_idx", "audit_event")
    op.drop_index("job_dead_idx", "job")
    op.drop_table("alarm")
