"""The key of records begins with their id: a look-up by id has one index that serves it, whatever statistics say."""

from __future__ import annotations

from alembic import op

revision = "0016"
down_revision = "0015"

KEYS = {
    "resource": (["tenant_id", "id", "type"], ["tenant_id", "type", "id"]),
    "resource_version": (["tenant_id", "id", "type", "version"], ["tenant_id", "type", "id", "version"]),
}


def upgrade() -> None:
    """By id first."""
    for table, (key, _) in KEYS.items():
        op.drop_constraint(f"{table}_pk", table)
        op.create_primary_key(f"{table}_pk", table, key)


def downgrade() -> None:
    """By type first."""
    for table, (_, key) in KEYS.items():
        op.drop_constraint(f"{table}_pk", table)
        op.create_primary_key(f"{table}_pk", table, key)
