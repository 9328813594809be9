"""The index of tokens by system begins with the system: looking for a code must not go by it.

With the key first it seemed as good as the index of codes, since keys of composites make the planner believe that a key
has few entries. Each of a wave's identifiers then read all identifiers of its tenant.
"""

from __future__ import annotations

from alembic import op

revision = "0036"
down_revision = "0035"

NAME, TABLE = "idx_token_system_idx", "idx_token"


def upgrade() -> None:
    """The same columns in another order."""
    op.drop_index(NAME, table_name=TABLE)
    op.create_index(NAME, TABLE, ["tenant_id", "system", "key", "rid"])


def downgrade() -> None:
    """The order of before."""
    op.drop_index(NAME, table_name=TABLE)
    op.create_index(NAME, TABLE, ["tenant_id", "key", "system", "rid"])
