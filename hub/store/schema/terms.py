"""Terms: the closure tables that clients have opened, and the codes each of them has met."""

from __future__ import annotations

from sqlalchemy import ForeignKeyConstraint

from hub.store.schema.columns import moment, string, tenant_table, whole

closure = tenant_table(
    "closure",
    ("client", "name"),
    string("client"),
    string("name"),
    whole("version"),
    moment("updated_at", now=True),
)

closure_concept = tenant_table(
    "closure_concept",
    ("client", "name", "system", "code"),
    string("client"),
    string("name"),
    string("system"),
    string("code"),
    whole("version"),
    ForeignKeyConstraint(
        ["tenant_id", "client", "name"], ["closure.tenant_id", "closure.client", "closure.name"], ondelete="CASCADE"
    ),
)
