"""When each subscription was last told anything: heartbeats are for those that were told nothing for a while."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    """The moment; unknown for those there are."""
    op.add_column("subscription", sa.Column("told_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Without it."""
    op.drop_column("subscription", "told_at")
