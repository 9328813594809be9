"""Since when a channel stands where it stands: of two that name one port the first keeps it, whoever's they are.

For channels that are there already it is when their present version was made, which is the best that is known.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"

CHANNELS = """
CREATE FUNCTION ponte_channels(p_tenants uuid[])
RETURNS TABLE (
    tenant uuid, id uuid, name text, door text, version bigint, active boolean, settings text{columns}
)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    one uuid;
BEGIN
    FOREACH one IN ARRAY p_tenants LOOP
        PERFORM set_config('app.current_tenant', one::text, true);
        RETURN QUERY SELECT one, c.id, c.name, c.door, c.version, c.active, c.settings{selected} FROM channel c
                     WHERE c.tenant_id = one ORDER BY c.name;
    END LOOP;
END $$
"""
SINCE = """
UPDATE channel c SET placed_at = v.created_at FROM channel_version v
WHERE v.tenant_id = c.tenant_id AND v.channel_id = c.id AND v.version = c.version
"""


def upgrade() -> None:
    """The column, filled, and the doors' question that tells it."""
    op.add_column("channel", sa.Column("placed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False))
    for table in ("channel", "channel_version"):
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")  # the owner reads what every tenant has
    op.execute(SINCE)
    for table in ("channel", "channel_version"):
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    _ask(", placed_at timestamptz", ", c.placed_at")


def downgrade() -> None:
    """Without it."""
    _ask("", "")
    op.drop_column("channel", "placed_at")


def _ask(columns: str, selected: str) -> None:
    op.execute("DROP FUNCTION ponte_channels(uuid[])")
    op.execute(CHANNELS.format(columns=columns, selected=selected))
