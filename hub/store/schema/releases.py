"""Releases of terminologies (SNOMED CT, LOINC, CID-10 …) as they were brought in, and which of them a tenant uses.

What publishers write is no tenant's: releases stand once, whoever uses them, and only the tables' owner writes them.
`number` is a concept's short number over all releases, so that lists of ancestors stay small.
"""

from __future__ import annotations

from sqlalchemy import (
    Column,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    Numeric,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR
from sqlalchemy.schema import PrimaryKeyConstraint

from hub.store.schema.columns import METADATA, flag, moment, small, string, tenant_table, whole

term_release = Table(
    "term_release",
    METADATA,
    Column("id", Integer, Identity(always=False), primary_key=True),
    string("system"),
    string("version"),
    string("name"),
    flag("house"),
    string("counts"),
    moment("taken_at"),
    small("depth", default=0),
    UniqueConstraint("system", "version"),
)

term_concept = Table(
    "term_concept",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=False),
    small("release"),
    string("code"),
    string("display"),
    string("language"),
    Column("inactive", flag("inactive").type, nullable=False),
    Column("abstract", flag("abstract").type, nullable=False),
    Column("parents", ARRAY(Integer), nullable=False),
    Column("ancestors", ARRAY(Integer), nullable=False),
    Column("marks", ARRAY(Text), nullable=False),
    Column("words", TSVECTOR, nullable=False),
    string("names"),
    string("facts"),
    UniqueConstraint("release", "code"),
    ForeignKeyConstraint(["release"], ["term_release.id"], ondelete="CASCADE"),
    Index("term_concept_release_number_idx", "release", "number"),
    *(
        Index(f"term_concept_{column}_idx", column, postgresql_using="gin")
        for column in ("parents", "ancestors", "marks", "words")
    ),
)

term_map = Table(
    "term_map",
    METADATA,
    small("release"),
    string("map"),
    string("code"),
    small("place"),
    string("target"),
    small("part"),
    small("rank"),
    string("rule"),
    string("advice"),
    PrimaryKeyConstraint("release", "map", "code", "place"),
    ForeignKeyConstraint(["release"], ["term_release.id"], ondelete="CASCADE"),
    Index("term_map_target_idx", "release", "map", "target"),
)

term_relation = Table(
    "term_relation",
    METADATA,
    small("release"),
    small("place"),
    small("source"),
    small("part"),
    small("kind"),
    small("target", optional=True),
    string("value", optional=True),
    Column("amount", Numeric, nullable=True),
    PrimaryKeyConstraint("release", "place"),
    ForeignKeyConstraint(["release"], ["term_release.id"], ondelete="CASCADE"),
    Index("term_relation_source_idx", "source"),
    Index("term_relation_kind_target_idx", "kind", "target"),
    Index("term_relation_target_idx", "target"),
)

term_name = Table(
    "term_name",
    METADATA,
    small("release"),
    small("place"),
    small("number"),
    whole("ref"),
    string("kind"),
    string("language"),
    string("module"),
    string("since"),
    flag("active"),
    string("folded"),
    Column("ranks", ARRAY(Text), nullable=False),
    PrimaryKeyConstraint("release", "place"),
    ForeignKeyConstraint(["release"], ["term_release.id"], ondelete="CASCADE"),
    Index("term_name_number_idx", "number"),
)

term_member = Table(
    "term_member",
    METADATA,
    small("release"),
    small("place"),
    small("number"),
    string("list"),
    string("module"),
    string("since"),
    flag("active"),
    Column("fields", JSONB, nullable=False),
    PrimaryKeyConstraint("release", "place"),
    ForeignKeyConstraint(["release"], ["term_release.id"], ondelete="CASCADE"),
    Index("term_member_release_list_idx", "release", "list"),
)

term_use = tenant_table(
    "term_use",
    ("release",),
    small("release"),
    moment("since"),
    ForeignKeyConstraint(["release"], ["term_release.id"]),
)
