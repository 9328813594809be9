"""Plans: which table maps which part of a message, and what repeats (`plans/hl7/*.toml`, found by scan)."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from mappings.table import HERE, TableError


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordPlan:
    """One kind of record of a plan.

    One record for each `anchor` segment. Segments named in `follow` attach to the nearest such record above them,
    those in `lead` to the next one below. `join` names the field whose equality makes consecutive anchors one record.
    """

    name: str
    type: str
    anchor: str
    tables: tuple[str, ...]
    follow: tuple[str, ...] = ()
    lead: tuple[str, ...] = ()
    join: tuple[str, ...] = ()
    within: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A plan: the message types it serves, its records, and the segments it knowingly ignores with the reason."""

    name: str
    messages: tuple[str, ...]
    records: tuple[RecordPlan, ...]
    ignored: dict[str, str]
    header: tuple[str, ...]


@cache
def plans() -> dict[str, Plan]:
    """All HL7 plans by message type (`ADT^A01`)."""
    found: dict[str, Plan] = {}
    for path in sorted((HERE / "plans" / "hl7").glob("*.toml")):
        plan = _load(path)
        for message in plan.messages:
            if message in found:
                raise TableError(f"{path.name}: {message} is already served by {found[message].name}")
            found[message] = plan
    return found


def _load(path: Path) -> Plan:
    with path.open("rb") as file:
        raw = tomllib.load(file)
    try:
        records = tuple(_record(row) for row in raw["records"])
        return Plan(
            name=path.stem,
            messages=tuple(raw["messages"]),
            records=records,
            ignored=dict(raw.get("ignored", {})),
            header=tuple(raw.get("header", ("MSH",))),
        )
    except (KeyError, TypeError) as error:
        raise TableError(f"{path.name}: {error}") from None


def _record(row: dict[str, Any]) -> RecordPlan:
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
    return RecordPlan(**values)
