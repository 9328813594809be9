"""Messages about records that are not there yet, by the number they name: found again when such a record comes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op

revision = "0040"
down_revision = "0039"

TABLE = "awaited"
CONTEXT = "(select nullif(current_setting('app.current_tenant', true), '')::uuid)"


def upgrade() -> None:
    """A table behind the walls."""
    role = context.config.attributes.get("application_role", "ponte_app")
    op.create_table(
        TABLE,
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("loose", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id", "message_id"], ["message.tenant_id", "message.id"], name="awaited_message_fk"),
        sa.PrimaryKeyConstraint("tenant_id", "key", "code", "system", "message_id", name="awaited_pk"),
    )
    op.create_index("awaited_since_idx", TABLE, ["tenant_id", "since"])
    op.execute(f"ALTER TABLE {TABLE} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {TABLE} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY tenant ON {TABLE} USING (tenant_id = {CONTEXT}) WITH CHECK (tenant_id = {CONTEXT})")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {TABLE} TO {role}")


def downgrade() -> None:
    """Without it."""
    op.drop_table(TABLE)
