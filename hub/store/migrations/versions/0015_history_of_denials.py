"""Judged lines tell their day, the item they judge and who performed it: how often items like one were denied."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """The columns, filled from what is there (an owner is not held by the walls only while they are not forced)."""
    op.add_column("guide", sa.Column("professional", sa.Text(), server_default="", nullable=False))
    op.add_column("statement_line", sa.Column("item_sequence", sa.Integer()))
    op.add_column("statement_line", sa.Column("professional", sa.Text(), server_default="", nullable=False))
    op.add_column("statement_line", sa.Column("judged_on", sa.Date()))
    for table in ("statement", "statement_line"):
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    op.execute(
        "UPDATE statement_line l SET judged_on = coalesce(s.issued_on, l.created_at::date), "
        "item_sequence = CASE WHEN l.guide_id IS NOT NULL AND l.sequence > 0 THEN l.sequence END "
        "FROM statement s WHERE s.tenant_id = l.tenant_id AND s.id = l.statement_id"
    )
    for table in ("statement", "statement_line"):
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.create_index("statement_line_statement_idx", "statement_line", ["tenant_id", "statement_id"])
    op.create_index(
        "statement_line_history_idx",
        "statement_line",
        ["tenant_id", "payer_id", "code", "tiss_table", "judged_on"],
        postgresql_include=["denied_cents", "professional"],
        postgresql_where=sa.text("NOT replaced"),
    )
    op.create_index(
        "statement_line_judged_idx", "statement_line", ["tenant_id", "judged_on"], postgresql_where=sa.text("NOT replaced")
    )
    op.create_index("denial_line_idx", "denial", ["tenant_id", "statement_line_id"])
    op.create_index("denial_appeal_idx", "denial", ["tenant_id", "appeal_id"])


def downgrade() -> None:
    """Without them."""
    op.drop_index("denial_appeal_idx", table_name="denial")
    op.drop_index("denial_line_idx", table_name="denial")
    for name in ("judged", "history", "statement"):
        op.drop_index(f"statement_line_{name}_idx", table_name="statement_line")
    for name in ("judged_on", "professional", "item_sequence"):
        op.drop_column("statement_line", name)
    op.drop_column("guide", "professional")
