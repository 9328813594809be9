"""Prices of payers' contracts, with the days they hold."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op

revision = "0017"
down_revision = "0016"

CONTEXT = "(select nullif(current_setting('app.current_tenant', true), '')::uuid)"


def upgrade() -> None:
    """The table and its wall."""
    role = context.config.attributes.get("application_role", "ponte_app")
    op.create_table(
        "price",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("payer_id", sa.Uuid(), nullable=False),
        sa.Column("item_table", sa.Text(), nullable=False),
        sa.Column("item_code", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.Column("billed_table", sa.Text(), nullable=False),
        sa.Column("billed_code", sa.Text(), nullable=False),
        sa.Column("unit_cents", sa.BigInteger(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False, server_default=""),
        sa.Column("description", sa.Text(), nullable=False, server_default=""),
        sa.Column("price_list", sa.Text(), nullable=False, server_default=""),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        sa.PrimaryKeyConstraint("tenant_id", "payer_id", "item_table", "item_code", "valid_from", name="price_pk"),
    )
    op.execute("ALTER TABLE price ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE price FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY tenant ON price USING (tenant_id = {CONTEXT}) WITH CHECK (tenant_id = {CONTEXT})")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON price TO {role}")


def downgrade() -> None:
    """Without them."""
    op.drop_table("price")
