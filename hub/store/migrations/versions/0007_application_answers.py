"""Deliveries that were accepted and whose application answers later (enhanced mode)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("delivery", sa.Column("application", sa.Text(), server_default="", nullable=False))


def downgrade() -> None:
    op.drop_column("delivery", "application")
