"""Tokens people make for themselves: a row each, so that they are listed, and ended with the account or by hand."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op

revision = "0035"
down_revision = "0034"

CONTEXT = "(select nullif(current_setting('app.current_tenant', true), '')::uuid)"


def upgrade() -> None:
    """One table with its wall."""
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "user_token",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("jti", sa.Text(), nullable=False),
        sa.Column("login", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("ends_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "jti", name="user_token_pk"),
    )
    op.create_index("user_token_login_idx", "user_token", ["tenant_id", "login"])
    role = context.config.attributes.get("application_role", "ponte_app")
    op.execute("ALTER TABLE user_token ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE user_token FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY tenant ON user_token USING (tenant_id = {CONTEXT}) WITH CHECK (tenant_id = {CONTEXT})")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON user_token TO {role}")


def downgrade() -> None:
    """Without it; the tokens end."""
    op.drop_table("user_token")
