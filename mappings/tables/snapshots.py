"""What a snapshot of repeating segments withdraws (`snapshot.toml`)."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from typing import Any

from fhir.definitions.table import type_named
from mappings.tables.table import HERE, TableError


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """`within` names the references that bound a set, `gone` the elements a record gets when it left the set, `back`
    those it gets when it is told again (what only `gone` names is taken away then)."""

    segment: str
    type: str
    within: tuple[str, ...]
    gone: dict[str, Any]
    back: dict[str, Any]


@cache
def snapshots() -> dict[str, Snapshot]:
    """By segment; raises TableError."""
    with (HERE / "snapshot.toml").open("rb") as file:
        rows = tomllib.load(file)
    found = {}
    for segment, row in rows.items():
        kind = type_named(str(row.get("type")))
        named = [*row.get("within", ()), *row.get("gone", {}), *row.get("back", {})]
        if set(row) != {"type", "within", "gone", "back"} or kind is None or not set(named) <= set(kind.elements):
            raise TableError(f"snapshot.toml: {segment}")
        within = tuple(row["within"])
        found[segment] = Snapshot(segment=segment, type=row["type"], within=within, gone=row["gone"], back=row["back"])
    return found
