"""Visits are found by the episode of care they belong to: dental treatments are billed over all their visits."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
_TABLES = ("encounter", "resource")
_TOLD = """
UPDATE encounter e SET episode = CASE
  WHEN r.named ->> 'reference' LIKE 'EpisodeOfCare/%'
    THEN 'EpisodeOfCare/' || split_part(r.named ->> 'reference', '/', 2)
  WHEN r.named -> 'identifier' ->> 'value' <> ''
    THEN coalesce(r.named -> 'identifier' ->> 'system', '') || '|' || (r.named -> 'identifier' ->> 'value')
  END
FROM (SELECT tenant_id, id, body::jsonb -> 'episodeOfCare' -> 0 AS named FROM resource
      WHERE type = 'Encounter' AND NOT deleted AND body LIKE '%"episodeOfCare"%') r
WHERE e.tenant_id = r.tenant_id AND e.id = r.id
"""


def upgrade() -> None:
    """The column, what the records say for it, and its index."""
    op.add_column("encounter", sa.Column("episode", sa.Text(), nullable=True))
    for table in _TABLES:  # the owner changes what every tenant has
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    op.execute(_TOLD)
    for table in _TABLES:
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.create_index("encounter_episode_idx", "encounter", ["tenant_id", "episode"])


def downgrade() -> None:
    """Without it."""
    op.drop_index("encounter_episode_idx", table_name="encounter")
    op.drop_column("encounter", "episode")
