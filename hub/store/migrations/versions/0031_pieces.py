"""Messages too large for one row are kept in pieces."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op

revision = "0031"
down_revision = "0030"

CONTEXT = "(select nullif(current_setting('app.current_tenant', true), '')::uuid)"


def upgrade() -> None:
    """The table of pieces with its walls."""
    role = context.config.attributes.get("application_role", "ponte_app")
    op.create_table(
        "message_piece",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("packed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "message_id", "position", name="message_piece_pk"),
        sa.ForeignKeyConstraint(["tenant_id", "message_id"], ["message.tenant_id", "message.id"]),
    )
    op.execute("ALTER TABLE message_piece ALTER COLUMN packed SET STORAGE EXTERNAL")  # it is packed already
    op.execute("ALTER TABLE message_piece ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE message_piece FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY tenant ON message_piece USING (tenant_id = {CONTEXT}) WITH CHECK (tenant_id = {CONTEXT})")
    op.execute(f"GRANT SELECT, INSERT, DELETE ON message_piece TO {role}")


def downgrade() -> None:
    """Without it."""
    op.drop_table("message_piece")
