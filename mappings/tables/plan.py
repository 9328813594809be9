"""Plans: which table maps which part of a message, and what repeats (`plans/hl7/*.toml`, found by scan)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from mappings.tables.table import HERE, TableError, shown, utf8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RecordPlan:
    """One kind of record of a plan: one record for each `anchor` segment.

    `follow` names segments that attach to the nearest such record above them, `lead` those that belong to the next
    one below; with `alone` a lead without an anchor makes a record by itself. `where` and `among` (or `unless`)
    restrict anchors by a field. `join` names fields that make consecutive anchors one record: the first holds one of
    `join_among` in each (TX and FT are lines of one text), the others are equal.
    `within` names records whose start ends this one. `under` names the records, first found first, whose identity
    completes that of a record without keys of its own. `fill`: the record only fills gaps of a stored one.
    `merge_into` names the record above that survives this one. `late` names records that come below it (SIU: the
    patient follows the appointment). `needs` names records that must come with it (a merge without its loser).
    `essential`: the message is not taken without it (a charge is money); any other part that cannot be stored is
    reported, and the rest goes on. `without` names a segment whose presence in the message makes none of these records,
    `wants` one whose absence does.
    `shared` names segments that a run of such records has in common: a lead above the first of them is the lead of each
    (RAS: one ORC for several RXA), what follows the last was said of all (one RXR).
    `inherits`: one without a lead of its own below another has what led that one (an ORC above several OBR: who
    ordered, where, how urgent, when), where it says nothing itself; never its numbers.
    `told_before`: such a record is made of the results told before that come with an order, and of nothing else.
    `below_first` names followers of which those below the anchor come before those between it and its lead: the route
    behind RXE is the pharmacy's, the one behind RXO was asked for.
    `below` names a record below which anchors with a value of `unless_below` in the field of `where` are that record's.
    `claims` names segments that are this record's wherever they stand below it (the notes of an appointment).
    `takes` names segments of the orders beside it (`request`: the one above it, else those below) that are its own too,
    behind those it has: who collected the specimen of an examination stands with that.
    `keeps` names followers that are its own even where they begin another record (PD1 with a living will).
    `unite` names a list: records of this kind without numbers, of one record above, are one record with all entries
    of that list (the forecasts of a message). `overlay` names the overlay its tables are read under.
    """

    name: str
    type: str
    anchor: str
    tables: tuple[str, ...]
    follow: tuple[str, ...] = ()
    lead: tuple[str, ...] = ()
    alone: bool = False
    where: str = ""
    among: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    below: str = ""
    unless_below: tuple[str, ...] = ()
    join: tuple[str, ...] = ()
    join_among: tuple[str, ...] = ()
    within: tuple[str, ...] = ()
    under: tuple[str, ...] = ()
    fill: bool = False
    merge_into: str = ""
    late: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    essential: bool = False
    without: str = ""
    shared: tuple[str, ...] = ()
    inherits: bool = False
    told_before: bool = False
    below_first: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    keeps: tuple[str, ...] = ()
    wants: str = ""
    unite: str = ""
    overlay: str = ""

    def owns(self, segment: str) -> bool:
        """Whether segments of that name belong to the record itself and are never looked up above it."""
        return segment == self.anchor or segment in self.follow or segment in self.lead

    @property
    def where_field(self) -> int:
        """The number of the field `where` names."""
        return _field_of(self.where)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """A plan: the message types it serves, its records, and the segments it knowingly ignores with the reason.

    `requires` names the segments without which a message says nothing, or was cut: it is not taken then (`ORC|RXA`:
    one of them); `also` those that some of its messages need. `expects` are segments whose absence is told. `about`
    names the records a message is about: when it makes none of them, that is told. `kin`: its orders and results are
    parents, children and replacements of one another (`kinship`). `anonymous`: it may come without a patient,
    so a PID that names nobody is none. `acknowledges` are answers whose ORC, with nothing below, may say only that what
    was sent is taken. `overlay` names the overlay that was laid over it; `dates` is how its sender
    writes them, as far as that says it.
    """

    name: str
    messages: tuple[str, ...]
    records: tuple[RecordPlan, ...]
    ignored: dict[str, str]
    header: tuple[str, ...]
    requires: tuple[str, ...] = ()
    also: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    expects: tuple[str, ...] = ()
    about: frozenset[str] = frozenset()
    kin: bool = False
    anonymous: bool = False
    acknowledges: tuple[str, ...] = ()
    overlay: str = ""
    dates: str = ""

    def required(self, message_type: str) -> tuple[str, ...]:
        """The segments without which a message of this type is not taken."""
        also = (name for name, types in self.also.items() if message_type in types and name not in self.requires)
        return (*self.requires, *also)

    def leads(self) -> frozenset[str]:
        """All segments that some record takes as a lead."""
        return frozenset(name for record in self.records for name in record.lead)


@cache
def _field_of(place: str) -> int:
    return int(place.partition("-")[2])


def load_plan(path: Path) -> Plan:
    """The plan of one file; raises TableError."""
    try:
        raw = tomllib.loads(utf8(path))
    except tomllib.TOMLDecodeError as error:
        raise TableError(f"{shown(path)}: {error}") from None
    try:
        shared = [_record(row) for name in raw.get("include", ()) for row in _parts()[name]]
        own = [_record(row) for row in raw.get("records", ())]
        records = [*own, *shared]
        return Plan(
            name=path.stem,
            messages=tuple(raw["messages"]),
            records=tuple(_ordered(records, raw.get("order", ()))),
            ignored={**_parts_ignored(records), **raw.get("ignored", {})},
            header=tuple(raw.get("header", ("MSH",))),
            requires=tuple(raw.get("requires", ())),
            also={name: tuple(types) for name, types in raw.get("requires_also", {}).items()},
            expects=tuple(raw.get("expects", ())),
            about=frozenset(record.name for record in own or records if not record.fill),
            kin=raw.get("kin", False),
            anonymous=raw.get("anonymous", False),
            acknowledges=tuple(raw.get("acknowledges", ())),
        )
    except (KeyError, TypeError) as error:
        raise TableError(f"{path.name}: {error}") from None


def _ordered(records: Sequence[RecordPlan], order: Sequence[str]) -> list[RecordPlan]:
    """Records in the order a plan asks for; the others after them, as written."""
    position = {name: number for number, name in enumerate(order)}
    return sorted(records, key=lambda record: position.get(record.name, len(position)))


@cache
def _shared() -> dict[str, Any]:
    with (HERE / "plans" / "parts.toml").open("rb") as file:
        return tomllib.load(file)


def _parts() -> dict[str, list[dict[str, Any]]]:
    """Records that several plans share, by part name (`plans/parts.toml`)."""
    return _shared()["parts"]  # type: ignore[no-any-return]


def _parts_ignored(records: Sequence[RecordPlan]) -> dict[str, str]:
    """What no plan takes but those that name it: there, one that stands where no record takes it is told."""
    taken = {name for record in records for name in (record.anchor, *record.lead, *record.follow)}
    return {name: reason for name, reason in _shared()["ignored"].items() if name not in taken}


def _record(row: dict[str, Any]) -> RecordPlan:
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
    return RecordPlan(**values)
