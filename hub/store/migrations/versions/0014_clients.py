"""Clients that prove themselves with a key: where their keys are published, their rate, and which proofs were used."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op

revision = "0014"
down_revision = "0013"

CONTEXT = "(select nullif(current_setting('app.current_tenant', true), '')::uuid)"


def upgrade() -> None:
    """Columns of clients, and the table of used proofs with its wall."""
    role = context.config.attributes.get("application_role", "ponte_app")
    op.add_column("client", sa.Column("jwks_url", sa.Text(), nullable=False, server_default=""))
    op.add_column("client", sa.Column("rate", sa.BigInteger(), nullable=True))
    op.add_column(
        "client", sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()"))
    )
    op.create_table(
        "used_assertion",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "client_id", "digest", name="used_assertion_pk"),
    )
    op.execute("ALTER TABLE used_assertion ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE used_assertion FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY tenant ON used_assertion USING (tenant_id = {CONTEXT}) WITH CHECK (tenant_id = {CONTEXT})")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON used_assertion TO {role}")


def downgrade() -> None:
    """Without them."""
    op.drop_table("used_assertion")
    for column in ("changed_at", "rate", "jwks_url"):
        op.drop_column("client", column)
