"""Which records an export of some patients, or with filters, holds: gathered into `bulk_member` type by type.

The patients themselves stand under the type `""`; what depends on them is found by the b-trees of their references.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from canonical.errors import NotFound
from fhir import jsontext
from fhir.search.conditions import Setting
from fhir.search.query import Query, parse
from hub.bulk.reach import is_whole, reach_of
from hub.bulk.run import Run
from hub.bulk.wanted import SUPPORTING, Wanted, codes_of
from hub.find.ahead.narrow import found_sql, narrowed
from hub.find.sight import Sight, guarded
from hub.find.statement import Statement, Within
from hub.records import custom
from hub.records.index import key_of
from hub.records.requests import conditional
from hub.store.database import Transaction

_MOST_NESTED = 10_000


def is_gathered(wanted: Wanted, type_name: str) -> bool:
    """Whether the records of a type are gathered first; else the export walks over all of the type."""
    return wanted.of_some or bool(wanted.filters_of(type_name)) or not is_whole(wanted, type_name)


def keys_of(type_name: str) -> str:
    """The keys of the references to a patient, as a list of literals."""
    return ", ".join(Statement.literal(key_of(type_name, code)) for code in codes_of(type_name))


def of_any_patient(wanted: Wanted, type_name: str, rid: str) -> str:
    """The test that a record is some patient's, for an export of all patients; empty where it is not asked."""
    if wanted.level == "system" or wanted.of_some or type_name == "Patient" or type_name in SUPPORTING:
        return ""
    return (
        f"EXISTS (SELECT 1 FROM idx_reference t WHERE t.tenant_id = $1 AND t.rid = {rid} "
        f"AND t.key IN ({keys_of(type_name)}) AND t.target_type = 'Patient')"
    )


async def patients(tx: Transaction, job: UUID, wanted: Wanted) -> None:
    """Gather the patients that are named, or the members of the group; raises NotFound when the group is gone."""
    ids = await _members(tx, wanted.group) if wanted.group else list(wanted.patients)
    if wanted.group and wanted.patients:
        ids = sorted(set(ids).intersection(wanted.patients))
    await tx.run(
        "INSERT INTO bulk_member (tenant_id, job_id, type, rid) SELECT $1, $2, '', r.rid FROM resource r "
        "JOIN unnest($3::text[]) AS x(id) ON r.id = x.id WHERE r.tenant_id = $1 AND r.type = 'Patient' "
        "ON CONFLICT DO NOTHING",
        job,
        ids,
    )


async def _members(tx: Transaction, group: str) -> list[str]:
    """The ids of the patients of a group, of groups within it too; members no longer active are left out."""
    found: dict[str, None] = {}
    waiting, seen = [group], {group}
    while waiting:
        body = await _group(tx, waiting.pop())
        if body is None and not found and len(seen) == 1:
            raise NotFound("the group is not there any more")
        for kind, identity in _entities(body or {}):
            if kind == "Patient":
                found[identity] = None
            elif identity not in seen and len(seen) < _MOST_NESTED:
                seen.add(identity)
                waiting.append(identity)
    return list(found)


async def _group(tx: Transaction, identity: str) -> dict[str, Any] | None:
    text = await tx.value(
        "SELECT body FROM resource WHERE tenant_id = $1 AND type = 'Group' AND id = $2 AND NOT deleted", identity
    )
    return jsontext.stored(text) if text is not None else None


def _entities(group: dict[str, Any]) -> list[tuple[str, str]]:
    """The members that are patients or groups, as type and id."""
    found = []
    for member in group.get("member", ()):
        literal = str(member.get("entity", {}).get("reference", ""))
        kind, _, identity = "/".join(literal.partition("/_history/")[0].split("/")[-2:]).partition("/")
        if kind in ("Patient", "Group") and identity and member.get("inactive") is not True:
            found.append((kind, identity))
    return found


def conditions_of(type_name: str, text: str | None, setting: Setting, sight: Sight) -> Query:
    """The search of a filter (None: of all records), over what the token may see of the types it asks; raises BadQuery,
    Refusal."""
    whole = text is None
    query = parse(type_name, [], setting) if whole else conditional.conditions_of(type_name, text or "", setting)
    return guarded(query, sight)


async def gather(run: Run, tx: Transaction, wanted: Wanted, type_name: str) -> None:
    """Gather the records of a type; doing it twice changes nothing. Raises BadQuery, Refusal."""
    filters: list[str | None] = [*wanted.filters_of(type_name)]
    if not filters and not is_whole(wanted, type_name):
        filters = [None]
    if not filters:
        statement = Statement()
        await _add(run, tx, statement, type_name, _base(statement, run, wanted, type_name))
        return
    await custom.within(tx)
    setting = Setting(
        zone=ZoneInfo(run.tenant.zone),
        now=run.job.created_at,
        base=f"{run.world.settings.base_url}/fhir",
        custom=custom.remembered(run.tenant.id),
        held=custom.held(run.tenant.id),
    )
    sight = reach_of(run.world, run.tenant, wanted, run.job.owner).actor.sight
    for text in filters:
        query = conditions_of(type_name, text, setting, sight)
        branch = await narrowed(Within(tx), type_name, query.conditions)
        statement = Statement()
        found = f"SELECT d.rid FROM ({found_sql(statement, branch, ordered=False)}) d"
        tests = [of_any_patient(wanted, type_name, "d.rid")]
        if wanted.of_some:
            tests.append(f"d.rid IN ({_base(statement, run, wanted, type_name)})")
        asked = " AND ".join(test for test in tests if test)
        await _add(run, tx, statement, type_name, f"{found} WHERE {asked}" if asked else found)


async def _add(run: Run, tx: Transaction, statement: Statement, type_name: str, rids: str) -> None:
    job, kind = statement.argument(run.job.id), statement.argument(type_name)
    await tx.run(
        f"INSERT INTO bulk_member (tenant_id, job_id, type, rid) SELECT $1, {job}::uuid, {kind}::text, f.rid "
        f"FROM ({rids}) f ON CONFLICT DO NOTHING",
        *statement.arguments,
    )


def _base(statement: Statement, run: Run, wanted: Wanted, type_name: str) -> str:
    """The records of a type that an export of some patients holds: theirs, and what those refer to."""
    mine = f"m.tenant_id = $1 AND m.job_id = {statement.argument(run.job.id)}::uuid"
    if type_name == "Patient":
        return f"SELECT m.rid FROM bulk_member m WHERE {mine} AND m.type = ''"
    if type_name in SUPPORTING:
        kind = statement.argument(type_name)
        return (
            "SELECT DISTINCT x.rid FROM bulk_member m JOIN idx_reference t ON t.tenant_id = $1 AND t.rid = m.rid "
            f"AND t.target_type = {kind} JOIN resource x ON x.tenant_id = $1 AND x.type = {kind} "
            f"AND x.id = t.target_id WHERE {mine} AND m.type <> {kind}"
        )
    return (
        "SELECT DISTINCT t.rid FROM bulk_member m JOIN resource p ON p.tenant_id = $1 AND p.rid = m.rid "
        f"JOIN idx_reference t ON t.tenant_id = $1 AND t.key IN ({keys_of(type_name)}) AND t.target_id = p.id "
        f"AND t.target_type = 'Patient' WHERE {mine} AND m.type = ''"
    )


async def theirs(tx: Transaction, job: UUID, ids: Sequence[str]) -> set[str]:
    """Those of `ids` that are patients of the export."""
    rows = await tx.rows(
        "SELECT p.id FROM resource p JOIN bulk_member m ON m.tenant_id = $1 AND m.job_id = $2 AND m.type = '' "
        "AND m.rid = p.rid WHERE p.tenant_id = $1 AND p.type = 'Patient' AND p.id = ANY($3::text[])",
        job,
        list(ids),
    )
    return {row["id"] for row in rows}
