"""Which patients a search names: their records were looked for, whatever it found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fhir.search.conditions import Clause, Condition, Inside
from fhir.search.query import Query
from fhir.search.values import Target
from hub.find.sight import of_patients


def patients_of(query: Query) -> list[str]:
    """The ids of the patients whose compartment is searched, or whom a condition asks for by id."""
    return sorted({found for kind, conditions in query.branches for found in _named(kind, conditions)})


def _named(kind: str, conditions: Sequence[Condition]) -> Iterator[str]:
    codes = ("_id",) if kind == "Patient" else ("patient", *of_patients().get(kind, ()))
    for each in conditions:
        if isinstance(each, Inside) and each.compartment == "Patient" and each.id:
            yield each.id
        elif isinstance(each, Clause) and each.form == "match" and not each.suffix and each.code in codes:
            yield from (v.id for v in each.values if isinstance(v, Target) and "Patient" in v.types)
