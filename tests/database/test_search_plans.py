"""Every kind of search reaches its b-tree under row-level security, as the application role, with and without knowing
the values (PostgreSQL may plan a prepared statement either way), among rows of two tenants."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal
from zoneinfo import ZoneInfo

import asyncpg
import clusters
import pytest
import pytest_asyncio

from fhir.search.conditions import Clause, Setting
from fhir.search.parameters import LEAD, SHAPE
from fhir.search.query import Query, parse
from fhir.search.shapes import shape
from fhir.search.values import Token
from hub.find import inner, sorting
from hub.find.ahead.narrow import Narrowed, narrowed
from hub.find.ahead.used import in_use
from hub.find.search import page_of, page_sql
from hub.find.sight import everything
from hub.find.statement import OneTrip, Statement
from hub.records.index import key_of
from hub.servers.postgres import Cluster
from hub.settings import Settings
from hub.store.database import Row, as_asked
from hub.store.schema.records import INDEX_TABLES
from hub.world import Tenant, World

ROWS = 8_000
SETTING = Setting(
    zone=ZoneInfo("America/Sao_Paulo"), now=datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC), base="http://hub/fhir"
)
# Per index table: key parameters and the values of row n.
FILL = {
    "token": (
        ("identifier", "'urn:x', 'v' || n"), ("gender", "'', CASE n % 2 WHEN 0 THEN 'male' ELSE 'female' END"),
        (SHAPE, f"'', CASE n % 4000 WHEN 0 THEN '{shape('Patient', ['gender'])}' ELSE '{shape('Patient', ['gender', 'birthdate'])}' END"),
    ),
    "string": (("family", "'silva' || n, 'Silva' || n"),),
    "date": (("birthdate", "timestamptz '1920-01-01' + n * interval '1 day', timestamptz '1920-01-02' + n * interval '1 day'"),),
    "reference": (("organization", "'Organization', 'o' || n % 500"), ("patient", "'Patient', 'i' || n")),
    "uri": (("_profile", "'http://example.org/p/' || n"),),
    "number": (("probability", "n, n"),),
    "quantity": (("value-quantity", "n, n, 'u', 'mg'"), (f"code-value-quantity{LEAD}c", "n, n, 'u', 'mg'")),
}  # fmt: skip
COLUMNS = {
    "token": "system, code", "string": "folded, exact", "date": "low, high", "reference": "target_type, target_id", "uri": "value",
    "number": "low, high", "quantity": "low, high, system, code",
}  # fmt: skip
INNER = {
    "#.": "'', 'Medication'",
    "#.code": "'urn:x', 'm' || n + p",
    "#.status": "'', CASE p WHEN 0 THEN 'active' ELSE 'inactive' END",
}
HOLDING = '{"contained":[{"resourceType":"Medication","id":"a"},{"resourceType":"Medication","id":"b"}]}'
TYPES = {
    "probability": "RiskAssessment", "value-quantity": "Observation", f"code-value-quantity{LEAD}c": "Observation", "patient": "Observation",
}  # fmt: skip


async def fill(world: World, tenant: Tenant) -> None:
    async with world.transaction(tenant) as tx:
        for kind in ("Patient", "RiskAssessment", "Observation"):
            await tx.run(
                "INSERT INTO resource (tenant_id, type, id, version, updated_at, body) "
                f"SELECT $1, '{kind}', 'i' || n, 1, timestamptz '2024-01-01' + n * interval '1 minute', '{HOLDING if kind == 'Observation' else '{}'}' FROM generate_series(1, {ROWS}) n"
            )
        for table, parameters in FILL.items():
            for code, values in parameters:
                kind = TYPES.get(code, "Patient")
                await tx.run(
                    f"INSERT INTO idx_{table} (tenant_id, rid, key, position, {COLUMNS[table]}) SELECT $1, r.rid, {key_of(kind, code)}, 0, v.* "
                    f"FROM (SELECT rid, substr(id, 2)::int AS n FROM resource WHERE tenant_id = $1 AND type = '{kind}') r "
                    f"CROSS JOIN LATERAL (SELECT {values}) v"
                )
        for code, values in INNER.items():  # two Medications in each Observation
            await tx.run(
                f"INSERT INTO idx_token (tenant_id, rid, key, position, {COLUMNS['token']}) SELECT $1, (r.rid << 5) + p - {2**62}, "
                f"{key_of('Medication', code)}, 0, v.* FROM (SELECT rid, substr(id, 2)::int AS n FROM resource WHERE tenant_id = $1 "
                f"AND type = 'Observation') r CROSS JOIN generate_series(0, 1) p CROSS JOIN LATERAL (SELECT {values}) v"
            )


@pytest.fixture(scope="module")
def cluster(data_root: Path) -> Iterator[tuple[Settings, Cluster]]:
    """Of its own: plans follow the statistics, and hundreds of tiny tenants of other tests would bend them."""
    with clusters.own(data_root / "plans") as found:
        yield found


@pytest_asyncio.fixture(loop_scope="function")
async def filled(world: World, tenant: Tenant, other_tenant: Tenant, cluster: tuple[Settings, Cluster]) -> World:
    for each in (tenant, other_tenant):
        await fill(world, each)
    owner = await asyncpg.connect(cluster[1].owner_url)
    try:
        await owner.execute("ANALYZE resource; " + "; ".join(f"ANALYZE {t.name}" for t in INDEX_TABLES.values()))
    finally:
        await owner.close()
    return world


QUERIES = {
    "Patient?identifier=urn:x|v77": {"idx_token_code_system_idx"},
    "Patient?identifier=v77": {"idx_token_code_system_idx"},
    "Patient?identifier=urn:x|v77,urn:x|v78": {"idx_token_code_system_idx"},
    "Patient?gender=male,female": {"idx_token_code_system_idx"},
    "Observation?code=c1": {"idx_token_code_system_idx"},
    "Observation?code=urn:x|,urn:y|": {"idx_token_system_idx"},
    "Patient?family=silva77": {"idx_string_folded_idx"},
    "Patient?family:exact=Silva77": {"idx_string_folded_idx"},
    "Patient?birthdate=1950-02-03": {"idx_date_low_high_idx"},
    "Patient?birthdate=lt1920-02": {"idx_date_low_high_idx"},
    "Patient?birthdate=gt1974-09-01": {"idx_date_high_idx"},
    "RiskAssessment?probability=77": {"idx_number_low_high_idx"},
    "Observation?value-quantity=77||mg": {"idx_quantity_low_high_idx"},
    "Patient?organization=Organization/o7": {"idx_reference_target_id_target_type_idx"},
    "Patient?_profile=http://example.org/p/7": {"idx_uri_value_idx"},
    "Patient?_profile:below=http://example.org/p/7": {"idx_uri_value_idx"},
    "Patient?_id=i7": {"resource_pk"},
    "Patient?_sort=-_lastUpdated": {"resource_updated_idx"},
    "Patient?_sort=_id": {"resource_pk"},
    "Patient": {"resource_type_idx"},
    "Patient?organization=Organization/o7&gender=male": set(),  # which of two indexes leads is the planner's choice
    "Patient?identifier=urn:x|v77&gender:not=male": {"idx_token_code_system_idx"},
    "Patient?_sort=birthdate": {"idx_date_low_high_idx", "idx_date_pk"},
    "Patient?_sort=-family": {"idx_string_folded_idx", "idx_string_pk"},
    "Observation?code-value-quantity=c$77": {"idx_quantity_low_high_idx"},
    "Observation?patient.identifier=urn:x|v77": {"idx_token_code_system_idx"},
    "Observation?patient.family=silva77": {"idx_string_folded_idx", "idx_reference_target_id_target_type_idx"},
    "Patient?_has:Observation:patient:value-quantity=77": {"idx_quantity_low_high_idx", "idx_reference_pk"},
    "Patient?gender:not=male,female": {"idx_token_code_system_idx"},
    "Patient?birthdate:missing=true": {"idx_token_code_system_idx"},
    "Patient?birthdate:missing=true&gender:not=male": {"idx_token_code_system_idx"},
}


def query_of(url: str) -> Query:
    kind, _, text = url.partition("?")
    return parse(kind, [tuple(part.split("=", 1)) for part in text.split("&") if part], SETTING)  # type: ignore[misc]


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for each in plan.get("Plans", ()):
        yield from nodes(each)


class OneAtMost(OneTrip):
    """Runs nothing: whatever a search looks up before its page would cost a trip."""

    async def rows(self, statement: Statement, sql: str) -> list[Row]:
        raise AssertionError("a trip before the page")


async def statement_of(world: World, tenant: Tenant, url: str) -> tuple[Statement, str]:
    """The one statement of a search. What keeps its plan may run with one made for any values; the rest never does."""
    source, query = OneAtMost(world, tenant), query_of(url)
    sort = query.options.sort
    if sort and not sort[0].is_column:
        statement = source.statement()
        return statement, sorting.walk_sql(statement, query, Narrowed(query.type_name, query.conditions), None)
    return await page_of(source, query)


async def plan_of(world: World, tenant: Tenant, statement: Statement, sql: str, *, generic: bool) -> dict[str, Any]:
    whole = as_asked(sql)
    async with world.transaction(tenant) as tx:
        if generic:
            rows = await simple(tx.connection, f"EXPLAIN (GENERIC_PLAN, FORMAT JSON) {whole}")
        else:
            rows = await tx.connection.fetchval(f"EXPLAIN (FORMAT JSON) {whole}", str(tenant.id), *statement.arguments)
    return json.loads(rows)[0]["Plan"]  # type: ignore[no-any-return]


async def simple(connection: Any, sql: str) -> str:
    """The plan by way of a function that takes text, since parameters stay open in a generic plan."""
    name = "pg_temp.plan_of"
    await connection.execute(
        f"CREATE OR REPLACE FUNCTION {name}(q text) RETURNS text LANGUAGE plpgsql AS $$ DECLARE r text; BEGIN EXECUTE q INTO r; RETURN r; END $$"
    )
    return await connection.fetchval(f"SELECT {name}($1)", sql)  # type: ignore[no-any-return]


async def test_plans(filled: World, tenant: Tenant) -> None:
    wrong = {}
    for url, expected in QUERIES.items():
        statement, sql = await statement_of(filled, tenant, url)
        for generic in (False,) if statement.planned else (False, True):
            plan = await plan_of(filled, tenant, statement, sql, generic=generic)
            used = {node.get("Index Name") for node in nodes(plan)}
            scanned = [node["Relation Name"] for node in nodes(plan) if node["Node Type"] == "Seq Scan"]
            if scanned or not expected <= used:
                wrong[url, generic] = (scanned, used)
    assert not wrong


class Recording(OneTrip):
    """Runs what it is asked, and keeps it."""

    asked: ClassVar[list[tuple[Statement, str]]] = []

    async def rows(self, statement: Statement, sql: str) -> list[Row]:
        self.asked.append((statement, sql))
        return await super().rows(statement, sql)


@pytest.mark.parametrize("apart", ["container", "contained"])
async def test_plans_of_contained_resources(filled: World, tenant: Tenant, apart: str) -> None:
    """No table is read whole, the first page of all of a type reads few rows, and each condition is met by an index."""
    source = Recording(filled, tenant)
    for text, expected in (
        ("code=urn:x|m77", 2),
        ("code=urn:x|m77&status=active", 1),
        ("code=m77&status:not=active", 1),
        ("", 11),
    ):
        Recording.asked.clear()
        pairs = [tuple(part.split("=", 1)) for part in text.split("&") if part]
        asked = [*pairs, ("_contained", "true"), ("_containedType", apart), ("_count", "10")]
        query = parse("Medication", asked, replace(SETTING, inner=True))  # type: ignore[arg-type]
        rows, cursor = await inner.page(source, query, everything)
        assert (len(rows), bool(cursor)) == (min(expected, 10), expected > 10), text
        plan = await plan_of(filled, tenant, *Recording.asked[-1], generic=False)
        assert not [
            node for node in nodes(plan) if node["Node Type"] == "Seq Scan" and node["Relation Name"] != "tenant"
        ], text
        used = {node.get("Index Name") for node in nodes(plan)}
        assert {"idx_token_code_system_idx", "resource_tenant_id_rid_key"} <= used, (text, used)
        sorts = [
            node for node in nodes(plan) if node["Node Type"] in ("Sort", "HashAggregate") and node["Plan Rows"] > 1000
        ]
        assert not sorts, text


@pytest.mark.parametrize("form", ["match", "not"])
async def test_plans_of_many_codes(filled: World, tenant: Tenant, form: Literal["match", "not"]) -> None:
    """The look for those of thousands of codes that records have, and all that follows from it, read no table whole."""
    Recording.asked.clear()
    source = Recording(filled, tenant)
    tokens = [Token(("urn:x", "urn:w"), f"v{number}") for number in range(ROWS - 500, ROWS + 5_000)]
    clause = Clause("Patient", "identifier", "token", tuple(tokens), form)
    found = await in_use(source, clause, tokens)
    assert sorted(found, key=str) == sorted((Token(("urn:x",), f"v{n}") for n in range(ROWS - 500, ROWS + 1)), key=str)
    branch = await narrowed(source, "Patient", [replace(clause, values=tuple(found))])
    statement = source.statement(planned=True)
    page = page_sql(statement, query_of("Patient"), [branch])
    rows = await source.rows(statement, page)
    assert [row["id"] for row in rows][:2] == (["i7500", "i7501"] if form == "match" else ["i1", "i2"])
    for statement, sql in source.asked:
        plan = await plan_of(filled, tenant, statement, sql, generic=False)
        assert not [node for node in nodes(plan) if node["Node Type"] == "Seq Scan"], sql
    used = {node.get("Index Name") for node in nodes(await plan_of(filled, tenant, *source.asked[0], generic=False))}
    assert "idx_token_code_system_idx" in used


async def test_results_stay_right_at_this_size(filled: World, tenant: Tenant) -> None:
    """The same statements, run: the one trip finds the tenant's rows and only them."""
    for url, expected in (
        ("Patient?identifier=urn:x|v77", {"i77"}),
        ("Patient?family=silva799", {"i799", *(f"i799{n}" for n in range(10))}),
    ):
        query = query_of(url)
        statement = Statement("c.tenant")
        for _ in range(8):  # from the sixth on PostgreSQL may use the generic plan
            branch = Narrowed(query.type_name, query.conditions)
            rows = await filled.database.ask(tenant.id, page_sql(statement, query, [branch]), *statement.arguments)
            statement = Statement("c.tenant")
            assert {row["id"] for row in rows} == expected
