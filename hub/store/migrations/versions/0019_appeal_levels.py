"""How many appeals of a denial were decided: some payers hear a second one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """The count; what was decided so far was decided once."""
    op.add_column("denial", sa.Column("level", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.execute("ALTER TABLE denial NO FORCE ROW LEVEL SECURITY")  # the owner changes what every tenant has
    op.execute("UPDATE denial SET level = 1 WHERE status IN ('revertida', 'revertida parcial', 'mantida')")
    op.execute("ALTER TABLE denial FORCE ROW LEVEL SECURITY")


def downgrade() -> None:
    """Without it."""
    op.drop_column("denial", "level")
