"""Retention: when a message's bytes were removed, legal holds, removed stretches of the audit trail, ended tenants."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op

revision = "0029"
down_revision = "0028"

CONTEXT = "(select nullif(current_setting('app.current_tenant', true), '')::uuid)"


def upgrade() -> None:
    """One column, two tables with their walls, and the global list of erasures; only the owner may write the last two."""
    role = context.config.attributes.get("application_role", "ponte_app")
    op.add_column("message", sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "legal_hold",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("patient_id", sa.Text(), nullable=False, server_default=""),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("placed_by", sa.Text(), nullable=False),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        sa.Column("lifted_by", sa.Text(), nullable=False, server_default=""),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="legal_hold_pk"),
    )
    op.create_table(
        "audit_removal",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("until_seal", sa.BigInteger(), nullable=False),
        sa.Column("until_transaction", sa.BigInteger(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        sa.PrimaryKeyConstraint("tenant_id", "until_seal", name="audit_removal_pk"),
    )
    op.create_table(
        "erasure",
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.Column("last_seal", sa.Text(), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("previous_hash", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="erasure_pk"),
    )
    for table, rights in (("legal_hold", "SELECT, INSERT, UPDATE"), ("audit_removal", "SELECT")):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY tenant ON {table} USING (tenant_id = {CONTEXT}) WITH CHECK (tenant_id = {CONTEXT})")
        op.execute(f"GRANT {rights} ON {table} TO {role}")
    op.execute(f"GRANT SELECT ON erasure TO {role}")


def downgrade() -> None:
    """Without them; bytes that were removed stay removed."""
    op.drop_table("erasure")
    op.drop_table("audit_removal")
    op.drop_table("legal_hold")
    op.drop_column("message", "removed_at")
