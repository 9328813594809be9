"""Records for the FHIR benchmarks: invented patients and results that go through the hub's one write path."""

from __future__ import annotations

import json
from typing import Any

import asyncpg

from hub.records.write import Origin, Write, save
from hub.store.schema.records import INDEX_TABLES
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
    """Store the records `Patient/p0…` and `Observation/o0…`, and bring the planner's statistics up to date."""
    writes = [Write(type="Patient", id=f"p{n}", body=patient(n)) for n in range(patients)]
    writes += [Write(type="Observation", id=f"o{n}", body=observation(n, patients)) for n in range(observations)]
    origin = Origin(actor="bench", now=world.now(), zone=tenant.zone)
    for start in range(0, len(writes), PER_SAVE):
        async with world.transaction(tenant) as tx:
            await save(tx, writes[start : start + PER_SAVE], origin)
    await analyse(world)


# Of copy `$2` of a record: the values that tell it apart are its own, those that all share (codes, shapes) stay.
_OTHER = {
    "token": "system, CASE WHEN system = 'urn:ponte:bench:mr' THEN code || '-' || $2::text ELSE code END",
    "string": "$2::text || '-' || folded, exact",
    "date": "low + $2::text::int * interval '100 years', high + $2::text::int * interval '100 years'",
    "number": "low + 1000 * $2::text::int, high + 1000 * $2::text::int",
    "quantity": "low + 1000 * $2::text::int, high + 1000 * $2::text::int, system, code",
    "reference": "target_type, target_id || '-' || $2::text",
    "uri": "value || '-' || $2::text",
}


async def multiply(world: World, tenant: Tenant, copies: int) -> None:
    """Add so many copies of all records and their index entries by SQL: a search finds as many as before."""
    async with world.transaction(tenant) as tx:
        known = await tx.rows("SELECT rid, type, id FROM resource WHERE tenant_id = $1 ORDER BY rid")
    rids = {(row["type"], row["id"]): row["rid"] for row in known}
    for copy in map(str, range(1, copies + 1)):
        async with world.transaction(tenant, wide=True) as tx:
            made = await tx.rows(
                "INSERT INTO resource (tenant_id, type, id, version, updated_at, deleted, body) SELECT $1, type, "
                "id || '-' || $2::text, version, updated_at, deleted, body FROM resource WHERE tenant_id = $1 "
                "AND rid = ANY($3::bigint[]) RETURNING rid, type, id",
                copy,
                list(rids.values()),
            )
            old = [rids[row["type"], row["id"].removesuffix(f"-{copy}")] for row in made]
            new = [row["rid"] for row in made]
            for kind, table in INDEX_TABLES.items():
                names = ", ".join(column.name for column in table.columns if column.name != "tenant_id")
                await tx.run(
                    f"INSERT INTO {table.name} (tenant_id, {names}) SELECT $1, m.new, key, position, {_OTHER[kind]} "
                    f"FROM unnest($3::bigint[], $4::bigint[]) AS m(old, new) JOIN {table.name} t "
                    "ON t.tenant_id = $1 AND t.rid = m.old",
                    copy,
                    old,
                    new,
                )
    await analyse(world)


async def analyse(world: World) -> None:
    """ANALYZE as the owner."""
    owner = await asyncpg.connect(world.settings.owner_database_url)
    try:
        await owner.execute(
            "ANALYZE resource; " + "; ".join(f"ANALYZE {table.name}" for table in INDEX_TABLES.values())
        )
    finally:
        await owner.close()


def body() -> str:
    """A body of the size of a patient's, for the floor."""
    return json.dumps(patient(1), ensure_ascii=False)
