"""Records: FHIR R4 resources as exact text, all their versions, and the search index by parameter type.

`key` in an index table is the 64-bit hash of resource type and parameter code (`hub.records.index`); `rid` is the
resource's short number within the database, so index rows stay narrow.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, Identity, Index, Table, Text, UniqueConstraint

from hub.store.schema.columns import flag, identity, moment, string, tenant_table, whole

resource = tenant_table(
    "resource",
    ("id", "type"),
    string("type"),
    string("id"),
    Column("rid", BigInteger, Identity(always=False), nullable=False),
    whole("version"),
    moment("updated_at"),
    flag("deleted"),
    string("body"),
    identity("message_id", optional=True),
    UniqueConstraint("tenant_id", "rid"),
    Index("resource_type_idx", "tenant_id", "type", "rid"),
    Index("resource_updated_idx", "tenant_id", "type", "updated_at", "rid"),
)

resource_version = tenant_table(
    "resource_version",
    ("id", "type", "version"),
    string("type"),
    string("id"),
    whole("version"),
    moment("updated_at"),
    flag("deleted"),
    string("method"),
    string("body"),
    identity("message_id", optional=True),
    Index("resource_version_updated_idx", "tenant_id", "type", "updated_at", "id", "version"),
)


search_parameter = tenant_table(
    "search_parameter",
    ("type", "code"),
    string("type"),
    string("code"),
    string("kind"),
    string("expression"),
    string("targets"),
    string("url"),
)


def _by_bytes(name: str) -> Column[object]:
    """Text ordered by its bytes, so that "starts with" is a range whatever the database's collation is."""
    return Column(name, Text(collation="C"), nullable=False)


def _led(lookup: tuple[str, ...]) -> tuple[str, ...]:
    """The columns of a look-up with the key: it comes first, but behind a system alone.

    Beginning with the key, the index of systems seems as good for finding a code, and reads all codes of the key.
    """
    return ("system", "key") if lookup == ("system",) else ("key", *lookup)


def _index(kind: str, *columns: Column[object], lookups: tuple[tuple[str, ...], ...]) -> Table:
    """An index table; `lookups` are the column orders searches need, each after (tenant_id, key)."""
    name = f"idx_{kind}"
    indexes = [Index(f"{name}_{'_'.join(lookup)}_idx", "tenant_id", *_led(lookup), "rid") for lookup in lookups]
    return tenant_table(
        name,
        ("rid", "key", "position"),
        whole("rid"),
        whole("key"),
        Column("position", BigInteger, nullable=False),
        *columns,
        *indexes,
    )


idx_token = _index("token", string("system"), string("code"), lookups=(("code", "system"), ("system",)))
idx_string = _index("string", _by_bytes("folded"), string("exact"), lookups=(("folded",),))
idx_date = _index("date", moment("low"), moment("high"), lookups=(("low", "high"), ("high",)))
idx_number = _index("number", Column("low", Double), Column("high", Double), lookups=(("low", "high"),))
idx_quantity = _index(
    "quantity",
    Column("low", Double),
    Column("high", Double),
    string("system"),
    string("code"),
    lookups=(("low", "high"),),
)
idx_reference = _index("reference", string("target_type"), string("target_id"), lookups=(("target_id", "target_type"),))
idx_uri = _index("uri", _by_bytes("value"), lookups=(("value",),))

# Which records hold a word (`hub.records.words`); what is stored but not indexed yet; and the types it is complete for.
idx_word = tenant_table(
    "idx_word",
    ("key", "word", "rid"),
    whole("key"),
    _by_bytes("word"),
    whole("rid"),
    Index("idx_word_rid_idx", "tenant_id", "rid"),
)
word_due = tenant_table("word_due", ("key", "rid", "version"), whole("key"), whole("rid"), whole("version"))
word_state = tenant_table("word_state", ("key",), whole("key"))

INDEX_TABLES = {
    "token": idx_token,
    "string": idx_string,
    "date": idx_date,
    "number": idx_number,
    "quantity": idx_quantity,
    "reference": idx_reference,
    "uri": idx_uri,
}
