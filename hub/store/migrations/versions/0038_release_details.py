"""What expression constraints ask of a release: relationships with groups, descriptions, members of lists."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0038"
down_revision = "0037"

TABLES: dict[str, tuple[tuple[str, ...], list[sa.Column]]] = {
    "term_relation": (
        ("release", "place"),
        [
            sa.Column("source", sa.Integer(), nullable=False),
            sa.Column("part", sa.Integer(), nullable=False),
            sa.Column("kind", sa.Integer(), nullable=False),
            sa.Column("target", sa.Integer(), nullable=True),
            sa.Column("value", sa.Text(), nullable=True),
            sa.Column("amount", sa.Numeric(), nullable=True),
        ],
    ),
    "term_name": (
        ("release", "place"),
        [
            sa.Column("number", sa.Integer(), nullable=False),
            sa.Column("ref", sa.BigInteger(), nullable=False),
            sa.Column("kind", sa.Text(), nullable=False),
            sa.Column("language", sa.Text(), nullable=False),
            sa.Column("module", sa.Text(), nullable=False),
            sa.Column("since", sa.Text(), nullable=False),
            sa.Column("active", sa.Boolean(), nullable=False, server_default=sa.text("false")),
            sa.Column("folded", sa.Text(), nullable=False),
            sa.Column("ranks", ARRAY(sa.Text()), nullable=False),
        ],
    ),
    "term_member": (
        ("release", "place"),
        [
            sa.Column("number", sa.Integer(), nullable=False),
            sa.Column("list", sa.Text(), nullable=False),
            sa.Column("module", sa.Text(), nullable=False),
            sa.Column("since", sa.Text(), nullable=False),
            sa.Column("active", sa.Boolean(), nullable=False, server_default=sa.text("false")),
            sa.Column("fields", JSONB(), nullable=False),
        ],
    ),
}
INDEXES = (
    ("term_relation", ("source",)),
    ("term_relation", ("kind", "target")),
    ("term_relation", ("target",)),
    ("term_name", ("number",)),
    ("term_member", ("release", "list")),
)


def upgrade() -> None:
    """The tables, which only the owner writes, and how deep each release was read."""
    role = context.config.attributes.get("application_role", "ponte_app")
    op.add_column("term_release", sa.Column("depth", sa.Integer(), nullable=False, server_default=sa.text("0")))
    for table, (key, columns) in TABLES.items():
        op.create_table(
            table,
            *(sa.Column(name, sa.Integer(), nullable=False) for name in key),
            *columns,
            sa.PrimaryKeyConstraint(*key, name=f"{table}_pk"),
            sa.ForeignKeyConstraint(
                ["release"], ["term_release.id"], name=f"{table}_term_release_fk", ondelete="CASCADE"
            ),
        )
    for table, named in INDEXES:
        op.create_index(f"{table}_{'_'.join(named)}_idx", table, list(named))
    op.execute(f"GRANT SELECT ON {', '.join(TABLES)} TO {role}")


def downgrade() -> None:
    """Without them."""
    for table in TABLES:
        op.drop_table(table)
    op.drop_column("term_release", "depth")
