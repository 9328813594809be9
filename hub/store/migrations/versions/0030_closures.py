"""Closure tables: one row for each that a client opened, and one for each code it has met."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op

revision = "0030"
down_revision = "0029"

CONTEXT = "(select nullif(current_setting('app.current_tenant', true), '')::uuid)"


def upgrade() -> None:
    """The two tables with their walls."""
    role = context.config.attributes.get("application_role", "ponte_app")
    op.create_table(
        "closure",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        sa.PrimaryKeyConstraint("tenant_id", "client", "name", name="closure_pk"),
    )
    op.create_table(
        "closure_concept",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "client", "name", "system", "code", name="closure_concept_pk"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "client", "name"],
            ["closure.tenant_id", "closure.client", "closure.name"],
            ondelete="CASCADE",
        ),
    )
    for table in ("closure", "closure_concept"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY tenant ON {table} USING (tenant_id = {CONTEXT}) WITH CHECK (tenant_id = {CONTEXT})")
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {role}")


def downgrade() -> None:
    """Without them."""
    op.drop_table("closure_concept")
    op.drop_table("closure")
