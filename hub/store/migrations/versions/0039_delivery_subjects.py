"""The further records that a delivery is about: the orders of a requisition in one message."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op

revision = "0039"
down_revision = "0038"

TABLE = "delivery_subject"
CONTEXT = "(select nullif(current_setting('app.current_tenant', true), '')::uuid)"


def upgrade() -> None:
    """A table behind the walls."""
    role = context.config.attributes.get("application_role", "ponte_app")
    op.create_table(
        TABLE,
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "delivery_id"], ["delivery.tenant_id", "delivery.id"], name="delivery_subject_delivery_fk"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "delivery_id", "subject", name="delivery_subject_pk"),
    )
    op.create_index("delivery_subject_record_idx", TABLE, ["tenant_id", "subject"])
    op.execute(f"ALTER TABLE {TABLE} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {TABLE} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY tenant ON {TABLE} USING (tenant_id = {CONTEXT}) WITH CHECK (tenant_id = {CONTEXT})")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {TABLE} TO {role}")


def downgrade() -> None:
    """Without it."""
    op.drop_table(TABLE)
