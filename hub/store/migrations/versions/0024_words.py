"""The index of words: which records hold a word, what is stored but not indexed yet, and the types it is complete for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op

revision = "0024"
down_revision = "0023"

CONTEXT = "(select nullif(current_setting('app.current_tenant', true), '')::uuid)"


def upgrade() -> None:
    """The tables and their walls; a job fills them."""
    role = context.config.attributes.get("application_role", "ponte_app")
    op.create_table(
        "idx_word",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.BigInteger(), nullable=False),
        sa.Column("word", sa.Text(collation="C"), nullable=False),
        sa.Column("rid", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "key", "word", "rid", name="idx_word_pk"),
    )
    op.create_index("idx_word_rid_idx", "idx_word", ["tenant_id", "rid"])
    op.create_table(
        "word_due",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.BigInteger(), nullable=False),
        sa.Column("rid", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "key", "rid", "version", name="word_due_pk"),
    )
    op.create_table(
        "word_state",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "key", name="word_state_pk"),
    )
    for table in ("idx_word", "word_due", "word_state"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY tenant ON {table} USING (tenant_id = {CONTEXT}) WITH CHECK (tenant_id = {CONTEXT})")
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {role}")


def downgrade() -> None:
    """Without them."""
    for table in ("word_state", "word_due", "idx_word"):
        op.drop_table(table)
