"""What an export is to hold (FHIR Bulk Data Access, kick-off request), as a value that can wait in a sealed row."""

from __future__ import annotations

import dataclasses
import datetime
from dataclasses import dataclass
from typing import Any, Literal

from fhir import subset
from fhir.definitions.table import compartments
from fhir.search.parameters import parameters_of

Level = Literal["system", "Patient", "Group"]
# Outside of the compartment, and needed to read what is in it; each may be referred to by those before it.
SUPPORTING = (
    "Medication", "Substance", "PractitionerRole", "HealthcareService", "Practitioner", "Location", "Organization",
    "Endpoint",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A request for an export.

    `address` is the request as it was made; `since` and `until` bound when a record was last stored; `filters` are
    searches (`Observation?code=…`), those of one type together as "or"; `elements` as `_elements` names them;
    `patients` are ids, `group` the id of a Group; `ignored` are parameters that had no effect;
    `scopes` are the token's, `patient` whom those for a patient mean; `blocked` are patients whom nobody reads. An
    empty `patients` without a group means all.
    """

    address: str
    level: Level
    types: tuple[str, ...]
    since: datetime.datetime | None = None
    until: datetime.datetime | None = None
    filters: tuple[str, ...] = ()
    elements: tuple[str, ...] = ()
    patients: tuple[str, ...] = ()
    group: str = ""
    ignored: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    patient: str = ""
    blocked: tuple[str, ...] = ()

    @property
    def of_some(self) -> bool:
        """Whether the export is of some patients only."""
        return bool(self.group or self.patients)

    def filters_of(self, type_name: str) -> list[str]:
        """The searches that records of a type must meet one of; none: all of them."""
        return [text.partition("?")[2] for text in self.filters if text.partition("?")[0] == type_name]

    def elements_of(self, type_name: str) -> tuple[str, ...]:
        """The elements wanted of a type: those named for it, and those named for all."""
        return subset.elements_of(type_name, self.elements)

    def as_json(self) -> dict[str, Any]:
        """The value as JSON can hold it."""
        found = dataclasses.asdict(self)
        return {**found, "since": _text(self.since), "until": _text(self.until)}


def _text(moment: datetime.datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def wanted(document: dict[str, Any]) -> Wanted:
    """The value that `as_json` wrote."""
    read: dict[str, Any] = {k: tuple(value) if isinstance(value, list) else value for k, value in document.items()}
    for name in ("since", "until"):
        read[name] = datetime.datetime.fromisoformat(read[name]) if read[name] else None
    return Wanted(**read)


def codes_of(type_name: str) -> tuple[str, ...]:
    """The reference parameters that put a record of a type into a patient's compartment; none: it is outside."""
    named = compartments().get("Patient", {}).get(type_name, ())
    return tuple(code for code in named if code in parameters_of(type_name))


def types_of_patients() -> list[str]:
    """What an export of patients may hold, in the order it is gathered: patients, their records, what they refer to."""
    members = [name for name in compartments().get("Patient", {}) if name != "Patient" and codes_of(name)]
    return ["Patient", *sorted(set(members) - {*SUPPORTING}), *SUPPORTING]
