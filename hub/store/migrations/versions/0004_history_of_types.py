"""History of a type and of the system reads versions in order of time."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """The index behind it."""
    op.create_index(
        "resource_version_updated_idx", "resource_version", ["tenant_id", "type", "updated_at", "id", "version"]
    )


def downgrade() -> None:
    """Without it."""
    op.drop_index("resource_version_updated_idx", table_name="resource_version")
