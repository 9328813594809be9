"""People of a house: accounts, sessions, attempts. Each belongs to one tenant and stands behind its wall.

The tables app_user and membership, which nothing ever wrote, go: a table of people above the tenants would hold password
hashes outside of row-level security.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op

revision = "0032"
down_revision = "0031"

CONTEXT = "(select nullif(current_setting('app.current_tenant', true), '')::uuid)"


def upgrade() -> None:
    """Three tables with their walls, two fewer."""
    op.drop_table("membership")
    op.drop_table("app_user")
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "user_account",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("login", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("password_at", moment, nullable=True),
        sa.Column("must_change", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("totp", sa.LargeBinary(), nullable=True),
        sa.Column("totp_step", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("recovery", sa.Text(), nullable=False, server_default=""),
        sa.Column("subject", sa.Text(), nullable=False, server_default=""),
        sa.Column("active", sa.Boolean(), nullable=False, server_default=sa.text("true")),
        sa.Column("created_at", moment, nullable=False, server_default=sa.text("now()")),
        sa.Column("changed_at", moment, nullable=False, server_default=sa.text("now()")),
        sa.Column("entered_at", moment, nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "login", name="user_account_pk"),
    )
    op.create_index(
        "user_account_subject_key",
        "user_account",
        ["tenant_id", "subject"],
        unique=True,
        postgresql_where=sa.text("subject <> ''"),
    )
    op.create_table(
        "console_session",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("login", sa.Text(), nullable=False, server_default=""),
        sa.Column("client_id", sa.Text(), nullable=False, server_default=""),
        sa.Column("scopes", sa.Text(), nullable=False, server_default=""),
        sa.Column("means", sa.Text(), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("seen_at", moment, nullable=False),
        sa.Column("ends_at", moment, nullable=False),
        sa.Column("address", sa.Text(), nullable=False, server_default=""),
        sa.Column("agent", sa.Text(), nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="console_session_pk"),
    )
    op.create_index("console_session_login_idx", "console_session", ["tenant_id", "login"])
    op.create_table(
        "sign_in_attempt",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.Column("last_at", moment, nullable=False),
        sa.Column("until", moment, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "key", name="sign_in_attempt_pk"),
    )
    role = context.config.attributes.get("application_role", "ponte_app")
    for table in ("user_account", "console_session", "sign_in_attempt"):
        _wall(table, role)


def downgrade() -> None:
    """The tables of before, empty as they were."""
    for table in ("sign_in_attempt", "console_session", "user_account"):
        op.drop_table(table)
    role = context.config.attributes.get("application_role", "ponte_app")
    op.create_table(
        "app_user",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False, server_default=sa.text("true")),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        sa.PrimaryKeyConstraint("id", name="app_user_pk"),
        sa.UniqueConstraint("email", name="app_user_email_key"),
    )
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON app_user TO {role}")
    op.create_table(
        "membership",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"], name="membership_app_user_fk"),
        sa.PrimaryKeyConstraint("tenant_id", "user_id", name="membership_pk"),
    )
    _wall("membership", role)


def _wall(table: str, role: str) -> None:
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY tenant ON {table} USING (tenant_id = {CONTEXT}) WITH CHECK (tenant_id = {CONTEXT})")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {role}")
