"""What was granted of a denial never exceeds it: every writer keeps to that, and now the database does.

A row from before that counted a grant twice (a smaller amount in a later statement) is brought back to its denial; what
the payer answered stands in the appeal's records and in the kept message.
"""

from __future__ import annotations

from alembic import op

revision = "0026"
down_revision = "0025"
_WITHIN = "granted_cents IS NULL OR granted_cents BETWEEN 0 AND greatest(amount_cents, 0)"


def upgrade() -> None:
    """The few rows that are beyond, then the constraint."""
    op.execute("ALTER TABLE denial NO FORCE ROW LEVEL SECURITY")  # the owner changes what every tenant has
    op.execute(
        "UPDATE denial SET granted_cents = least(greatest(granted_cents, 0), greatest(amount_cents, 0)) "
        f"WHERE NOT ({_WITHIN})"
    )
    op.execute("ALTER TABLE denial FORCE ROW LEVEL SECURITY")
    op.create_check_constraint("denial_grant_within", "denial", _WITHIN)


def downgrade() -> None:
    """Without it."""
    op.drop_constraint("denial_grant_within", "denial")
