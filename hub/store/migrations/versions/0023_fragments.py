"""Messages that come in parts: which parts wait, and which message each became part of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op

revision = "0023"
down_revision = "0022"

CONTEXT = "(select nullif(current_setting('app.current_tenant', true), '')::uuid)"
INDEXES = (
    ("fragment_follows_idx", ("follows",), "follows IS NOT NULL"),
    ("fragment_leads_idx", ("leads",), "leads IS NOT NULL"),
    ("fragment_whole_idx", ("whole_id",), "whole_id IS NOT NULL"),
    ("fragment_open_idx", ("channel_id", "sender_key"), "state = 'open'"),
)


def upgrade() -> None:
    """The table and its wall."""
    op.create_table(
        "fragment",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("sender_key", sa.BigInteger(), nullable=False),
        sa.Column("follows", sa.BigInteger(), nullable=True),
        sa.Column("leads", sa.BigInteger(), nullable=True),
        sa.Column("body_key", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("whole_id", sa.Uuid(), nullable=True),
        sa.Column("place", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "message_id"], ["message.tenant_id", "message.id"], name="fragment_message_fk"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "message_id", name="fragment_pk"),
    )
    for name, columns, condition in INDEXES:
        op.create_index(name, "fragment", ["tenant_id", *columns], postgresql_where=sa.text(condition))
    role = context.config.attributes.get("application_role", "ponte_app")
    op.execute("ALTER TABLE fragment ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE fragment FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY tenant ON fragment USING (tenant_id = {CONTEXT}) WITH CHECK (tenant_id = {CONTEXT})")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON fragment TO {role}")


def downgrade() -> None:
    """Without it."""
    op.drop_table("fragment")
