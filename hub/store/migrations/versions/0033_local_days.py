"""Days that were taken from moments of another zone become those of the tenant: charges and memberships.

A visit, order or result told by a date alone begins at the tenant's midnight, not at that of Greenwich.
"""

from __future__ import annotations

from alembic import op

revision = "0033"
down_revision = "0032"

# what is derived: table, column, type of the record, where the record tells it
_DAYS = (
    ("charge", "occurred_on", "ChargeItem", ("occurrenceDateTime", "occurrencePeriod,start")),
    ("coverage", "valid_from", "Coverage", ("period,start",)),
    ("coverage", "valid_until", "Coverage", ("period,end",)),
)
_MOMENTS = (
    ("encounter", "start_at", "Encounter", ("period,start",)),
    ("encounter", "end_at", "Encounter", ("period,end",)),
    ("service_order", "authored_at", "ServiceRequest", ("authoredOn",)),
    ("result", "issued_at", "Observation", ("issued", "effectiveDateTime")),
)
_TABLES = (*dict.fromkeys(table for table, *_ in (*_DAYS, *_MOMENTS)), "resource")
# a moment is told to the second with its zone (R4 dateTime); what is shorter is a date, a month or a year
_AGAIN = """
UPDATE {table} x SET {column} = {value}
FROM (SELECT r.tenant_id, r.id, t.zone, coalesce({told}) AS told FROM resource r JOIN tenant t ON t.id = r.tenant_id
      WHERE r.type = '{type}' AND NOT r.deleted) s
WHERE x.tenant_id = s.tenant_id AND x.id = s.id AND length(s.told) {which} 10 AND x.{column} IS DISTINCT FROM {value}
"""
_DAY = "CASE WHEN length(s.told) > 10 THEN (s.told::timestamptz AT TIME ZONE s.zone)::date END"
_MIDNIGHT = "(left(s.told || '-01-01', 10)::date::timestamp AT TIME ZONE s.zone)"


def statements() -> list[str]:
    """What derives the columns anew."""
    made = [(*one, _DAY, ">") for one in _DAYS] + [(*one, _MIDNIGHT, "<=") for one in _MOMENTS]
    return [
        _AGAIN.format(
            table=table,
            column=column,
            type=kind,
            told=", ".join(f"r.body::jsonb #>> '{{{path}}}'" for path in paths),
            value=value,
            which=which,
        )
        for table, column, kind, paths, value, which in made
    ]


def upgrade() -> None:
    """Derive them again, for every tenant."""
    for table in _TABLES:  # the owner changes what every tenant has
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    for statement in statements():
        op.execute(statement)
    for table in _TABLES:
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")


def downgrade() -> None:
    """They were never meant otherwise."""
