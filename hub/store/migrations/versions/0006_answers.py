"""Finds the application acknowledgement of a message, and those that wait to be picked up."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """The index behind it."""
    op.create_index(
        "message_answers_idx", "message", ["tenant_id", "answers"], postgresql_where=sa.text("answers IS NOT NULL")
    )


def downgrade() -> None:
    """Without it."""
    op.drop_index("message_answers_idx", table_name="message")
