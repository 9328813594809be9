"""Guides are looked up by patient: earlier consultations, and items billed twice."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """The index behind it."""
    op.create_index("guide_patient_idx", "guide", ["tenant_id", "patient_id"])


def downgrade() -> None:
    """Without it."""
    op.drop_index("guide_patient_idx", table_name="guide")
