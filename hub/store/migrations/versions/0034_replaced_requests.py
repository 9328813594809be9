"""A blocked request to a payer names the later one that took its place."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"


def upgrade() -> None:
    """The column."""
    op.add_column("payer_request", sa.Column("replaced_by", sa.Uuid(), nullable=True))


def downgrade() -> None:
    """Without it."""
    op.drop_column("payer_request", "replaced_by")
