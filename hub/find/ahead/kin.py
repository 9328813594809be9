"""Who stands above or below a record in its hierarchy (`fhir.search.hierarchies`), as references to look for."""

from __future__ import annotations

from fhir.search.conditions import BadQuery, problem
from fhir.search.hierarchies import steps
from fhir.search.values import Kin, Target
from hub.find.statement import Source, Statement
from hub.records.index import key_of

MOST_KIN = 10_000


async def targets(source: Source, wanted: Kin) -> list[Target]:
    """The record itself and all that its relation leads to, each once, circles or not; raises BadQuery beyond MOST_KIN.

    A record that is not there is still referred to, so it is among them.
    """
    statement = source.statement()
    first, kind = statement.argument(wanted.id), statement.argument(wanted.type)
    step = _step(statement, wanted, kind)
    sql = f"WITH RECURSIVE k(id) AS (SELECT {first}::text UNION {step}) SELECT k.id FROM k LIMIT {MOST_KIN + 1}"
    found = [row["id"] for row in await source.rows(statement, sql)]
    if len(found) > MOST_KIN:
        raise BadQuery(problem("too-many-values", "", limit=str(MOST_KIN)))
    return [Target((wanted.type,), each) for each in found]


def _step(statement: Statement, wanted: Kin, kind: str) -> str:
    """The next records down or up from `k`: those that refer to it, or those it refers to."""
    up = statement.literal(key_of(wanted.type, steps()[wanted.type]))
    refers = f"{statement.of_tenant('t')} AND t.key = {up} AND t.target_type = {kind}"
    own = f"{statement.of_tenant('r')} AND r.type = {kind} AND NOT r.deleted"
    if wanted.relation == "below":
        return (
            f"SELECT r.id FROM k JOIN idx_reference t ON {refers} AND t.target_id = k.id "
            f"JOIN resource r ON {own} AND r.rid = t.rid"
        )
    return (
        f"SELECT t.target_id FROM k JOIN resource r ON {own} AND r.id = k.id "
        f"JOIN idx_reference t ON {refers} AND t.rid = r.rid"
    )
