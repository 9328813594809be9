"""A tenant's own search parameters."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op

revision = "0009"
down_revision = "0008"

CONTEXT = "(select nullif(current_setting('app.current_tenant', true), '')::uuid)"


def upgrade() -> None:
    """The table, its wall and what the application may do."""
    role = context.config.attributes.get("application_role", "ponte_app")
    op.create_table(
        "search_parameter",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("type", "code", "kind", "expression", "targets", "url")),
        sa.PrimaryKeyConstraint("tenant_id", "type", "code", name="search_parameter_pk"),
    )
    op.execute("ALTER TABLE search_parameter ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE search_parameter FORCE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY tenant ON search_parameter USING (tenant_id = {CONTEXT}) WITH CHECK (tenant_id = {CONTEXT})"
    )
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON search_parameter TO {role}")


def downgrade() -> None:
    """Without it."""
    op.drop_table("search_parameter")
