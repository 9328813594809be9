"""Hierarchies of records (R4 §3.1.1.4.11): `location:below=Location/1` means that place and all places within it.

`hierarchies.csv` names, by type, the reference parameter that leads one step up. Who is below or above is looked up
where the records are (`hub.find.ahead.kin`).
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from fhir.search.values import BadValue, Kin, reference


@cache
def steps() -> Mapping[str, str]:
    """The parameter that leads to the next record up, of each type that has a hierarchy."""
    with Path(__file__).with_name("hierarchies.csv").open(encoding="utf-8", newline="") as file:
        return {row["type"]: row["parameter"] for row in csv.DictReader(file)}


def lead_there(types: Sequence[str]) -> bool:
    """Whether a reference to `types` can be one into a hierarchy."""
    return any(name in steps() for name in types)


def kin(text: str, types: Sequence[str], base: str, relation: str) -> Kin:
    """`Type/id`, our own address of it, or an id where only one type can be meant; raises BadValue for others."""
    found = reference(text, tuple(types), base)
    if len(found.types) != 1 or found.types[0] not in types or found.types[0] not in steps():
        raise BadValue
    return Kin(found.types[0], found.id, relation)
