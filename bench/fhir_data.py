"""Records for the FHIR benchmarks: invented patients and results that go through the hub's one write path."""

from __future__ import annotations

import json
from typing import Any

import asyncpg

from hub.records import words
from hub.records.saved import Origin
from hub.records.write import Write, save
from hub.store.schema.columns import METADATA
from hub.world import Tenant, World

PER_SAVE = 500
_NAMES = ("Ana", "João", "Conceição", "Zoë", "Márcia", "Luís", "Inês", "Caio")
_FAMILIES = ("Gonçalves", "Souza", "Araújo", "Lima", "Brandão", "Nóbrega", "Peçanha")
_NOTE = "Texto livre de tamanho usual em prontuários; nada aqui é de uma pessoa. " * 30


def patient(number: int) -> dict[str, Any]:
    """Patient `number`, about 3 KB."""
    return {
        "resourceType": "Patient",
        "identifier": [{"system": "urn:ponte:bench:mr", "value": f"{number:08d}"}],
        "name": [{"family": _FAMILIES[number % 7] + str(number % 1000), "given": [_NAMES[number % 8]]}],
        "gender": "female" if number % 2 else "male",
        "birthDate": f"{1930 + number % 90}-{1 + number % 12:02d}-{1 + number % 28:02d}",
        "text": {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{_NOTE}</div>'},
        "address": [{"city": "São Paulo", "state": "SP", "postalCode": "01000-000"}],
    }


def observation(number: int, patients: int) -> dict[str, Any]:
    """Result `number` of some patient."""
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": f"{1000 + number % 200}-{number % 9}"}]},
        "subject": {"reference": f"Patient/p{number % patients}"},
        "effectiveDateTime": f"20{10 + number % 15}-{1 + number % 12:02d}-{1 + number % 28:02d}T08:00:00-03:00",
        "valueQuantity": {
            "value": number % 500,
            "unit": "mg/dL",
            "system": "http://unitsofmeasure.org",
            "code": "mg/dL",
        },
    }


async def load(world: World, tenant: Tenant, patients: int, observations: int) -> None:
    """Store the records `Patient/p0…` and `Observation/o0…`, index their words, and bring statistics up to date."""
    writes = [Write(type="Patient", id=f"p{n}", body=patient(n)) for n in range(patients)]
    writes += [Write(type="Observation", id=f"o{n}", body=observation(n, patients)) for n in range(observations)]
    origin = Origin(actor="bench", now=world.now(), zone=tenant.zone)
    for start in range(0, len(writes), PER_SAVE):
        async with world.transaction(tenant) as tx:
            await save(tx, writes[start : start + PER_SAVE], origin)
    await words.indexed(world, tenant)
    await analyse(world)


# Of copy `c` of a record: the values that tell it apart are its own, those that all share (codes, shapes, words) stay.
_OTHER = {
    "idx_token": "key, position, system, CASE WHEN system = 'urn:ponte:bench:mr' THEN code || '-' || c ELSE code END",
    "idx_string": "key, position, c || '-' || folded, exact",
    "idx_date": "key, position, low + c * interval '80 years', high + c * interval '80 years'",
    "idx_number": "key, position, low + 1000 * c, high + 1000 * c",
    "idx_quantity": "key, position, low + 1000 * c, high + 1000 * c, system, code",
    "idx_reference": "key, position, target_type, target_id || '-' || c",
    "idx_uri": "key, position, value || '-' || c",
    "idx_word": "key, CASE WHEN word ~ '[0-9]' THEN word || 'x' || c ELSE word END",
    "resource": "type, id || '-' || c, version, updated_at, deleted, body",
}
_INDEXES = """
SELECT c.relname AS name, pg_get_indexdef(c.oid) AS made, k.conname AS constraint, pg_get_constraintdef(k.oid) AS stated
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid LEFT JOIN pg_constraint k ON k.conindid = c.oid
WHERE i.indrelid = $1::text::regclass
"""


async def multiply(world: World, tenant: Tenant, first: int, last: int) -> None:
    """Add the copies `first` to `last` of all records and their index entries by SQL: a search finds as many as before.

    Each table is filled without its indexes, which are then built from all of it. Raises what the driver raises.
    """
    owner = await asyncpg.connect(world.settings.owner_database_url)
    try:
        await owner.execute("SET synchronous_commit = off; SET maintenance_work_mem = '512MB'")
        await owner.execute("SELECT set_config('app.current_tenant', $1, false)", str(tenant.id))
        own = await owner.fetchval("SELECT max(rid) FROM resource WHERE id ~ '^[a-z][0-9]+$'")
        for table, values in _OTHER.items():
            names = ", ".join(column.name for column in METADATA.tables[table].columns if column.name in _names(table))
            fill = (
                f"INSERT INTO {table} (tenant_id, rid, {names}) SELECT tenant_id, rid + c * {own}, {values} "
                f"FROM {table} CROSS JOIN generate_series({first}, {last}) c WHERE rid <= {own} ORDER BY c, rid"
            )
            await _without_indexes(owner, table, fill)
        await owner.execute(f"SELECT setval(pg_get_serial_sequence('resource', 'rid'), {own * (last + 1)})")
    finally:
        await owner.close()
    await analyse(world)


def _names(table: str) -> set[str]:
    """The columns that `_OTHER` gives values for."""
    return {column.name for column in METADATA.tables[table].columns} - {"tenant_id", "rid", "message_id"}


async def _without_indexes(owner: Any, table: str, statement: str) -> None:
    """Run a statement on a table that has no indexes meanwhile."""
    indexes = await owner.fetch(_INDEXES, table)
    async with owner.transaction():
        for row in indexes:
            drop = f"ALTER TABLE {table} DROP CONSTRAINT" if row["constraint"] else "DROP INDEX"
            await owner.execute(f"{drop} {row['constraint'] or row['name']}")
        await owner.execute(statement)
        for row in indexes:
            named = f"ALTER TABLE {table} ADD CONSTRAINT {row['constraint']} {row['stated']}"
            await owner.execute(named if row["constraint"] else row["made"])


async def analyse(world: World) -> None:
    """VACUUM and ANALYZE as the owner, so that indexes alone can answer and the planner knows the tables."""
    owner = await asyncpg.connect(world.settings.owner_database_url)
    try:
        for table in (*_OTHER, "word_due"):
            await owner.execute(f"VACUUM ANALYZE {table}")
    finally:
        await owner.close()


def body() -> str:
    """A body of the size of a patient's, for the floor."""
    return json.dumps(patient(1), ensure_ascii=False)
