"""Releases of terminologies, which no tenant wrote, and which of them each tenant uses. Only the owner writes them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects.postgresql import ARRAY, TSVECTOR

revision = "0037"
down_revision = "0036"

CONTEXT = "(select nullif(current_setting('app.current_tenant', true), '')::uuid)"
LISTS = ("parents", "ancestors", "marks", "words")


def upgrade() -> None:
    """Releases, their concepts and maps for all; a walled table of who uses which."""
    role = context.config.attributes.get("application_role", "ponte_app")
    op.create_table(
        "term_release",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("house", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="term_release_pk"),
        sa.UniqueConstraint("system", "version", name="term_release_system_version_key"),
    )
    op.create_table(
        "term_concept",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("release", sa.Integer(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("display", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("inactive", sa.Boolean(), nullable=False),
        sa.Column("abstract", sa.Boolean(), nullable=False),
        sa.Column("parents", ARRAY(sa.Integer()), nullable=False),
        sa.Column("ancestors", ARRAY(sa.Integer()), nullable=False),
        sa.Column("marks", ARRAY(sa.Text()), nullable=False),
        sa.Column("words", TSVECTOR(), nullable=False),
        sa.Column("names", sa.Text(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="term_concept_pk"),
        sa.UniqueConstraint("release", "code", name="term_concept_release_code_key"),
        sa.ForeignKeyConstraint(
            ["release"], ["term_release.id"], name="term_concept_term_release_fk", ondelete="CASCADE"
        ),
    )
    op.create_index("term_concept_release_number_idx", "term_concept", ["release", "number"])
    for column in LISTS:
        op.create_index(f"term_concept_{column}_idx", "term_concept", [column], postgresql_using="gin")
    op.create_table(
        "term_map",
        sa.Column("release", sa.Integer(), nullable=False),
        sa.Column("map", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("advice", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("release", "map", "code", "place", name="term_map_pk"),
        sa.ForeignKeyConstraint(["release"], ["term_release.id"], name="term_map_term_release_fk", ondelete="CASCADE"),
    )
    op.create_index("term_map_target_idx", "term_map", ["release", "map", "target"])
    op.create_table(
        "term_use",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("release", sa.Integer(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "release", name="term_use_pk"),
        sa.ForeignKeyConstraint(["release"], ["term_release.id"], name="term_use_term_release_fk"),
    )
    op.execute("ALTER TABLE term_use ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE term_use FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY tenant ON term_use USING (tenant_id = {CONTEXT}) WITH CHECK (tenant_id = {CONTEXT})")
    op.execute(f"GRANT SELECT ON term_release, term_concept, term_map, term_use TO {role}")


def downgrade() -> None:
    """Without them."""
    for table in ("term_use", "term_map", "term_concept", "term_release"):
        op.drop_table(table)
