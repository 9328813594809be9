"""Blocked persons (bloqueio, LGPD art. 5 XIII, 18 IV): their records stay, as the law wants, and nobody reads them.

A block is a condition on what may be read and searched: outside of these patients' compartments. Reads, searches,
history, exports, GraphQL, HL7 look-ups and notifications go by it; writing goes on, since a health record must be kept
whole. Who blocks, and who looks past a block: `hub.operate.persons.blocking`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from fhir.search.conditions import Clause, Condition, Inside, Without
from fhir.search.values import Target
from hub.find.sight import Alternatives, of_patients
from hub.store.database import Transaction

SETTING = "blocked"
_READING = frozenset("rs")
Patients = tuple[str, ...]


def blocked_of(settings: Mapping[str, Any]) -> Patients:
    """The ids of the patients blocked by a tenant's settings, merged ones included."""
    found = settings.get(SETTING)
    persons = found.values() if isinstance(found, dict) else ()
    return tuple(sorted({str(each) for one in persons if isinstance(one, list) for each in one}))


async def within(tx: Transaction) -> Patients:
    """The same, as it stands in this transaction."""
    return blocked_of(json.loads(await tx.value("SELECT settings FROM tenant WHERE id = $1") or "{}"))


@lru_cache(maxsize=4096)
def outside(type_name: str, patients: Patients) -> tuple[Condition, ...]:
    """That a record of a type is of none of these patients; empty for types that are of no patient."""
    if not patients:
        return ()
    if type_name == "Patient":
        named = tuple(Target(("Patient",), each) for each in patients)
        return (Without("Patient", Clause("Patient", "_id", "id", named)),)
    codes = of_patients().get(type_name)
    if not codes:
        return ()
    return tuple(Without(type_name, Inside(type_name, "Patient", each, codes)) for each in patients)


def hides(type_name: str, action: str, patients: Patients) -> bool:
    """Whether a block leaves out some records of a type (`*`: of any) for an action."""
    return bool(patients) and action in _READING and (type_name == "*" or bool(outside(type_name, patients)))


def narrowed(alternatives: Alternatives, type_name: str, action: str, patients: Patients) -> Alternatives:
    """What was allowed, less what is blocked; of all types together (`*`) then nothing is whole any more."""
    if not hides(type_name, action, patients):
        return alternatives
    if type_name == "*":
        return ()
    return tuple((*each, *outside(type_name, patients)) for each in alternatives)


async def joined(tx: Transaction, one: str, other: str) -> None:
    """Two patients have become one: if one is blocked, so is the other."""
    patients = await within(tx)
    if not {one, other} & set(patients) or {one, other} <= set(patients):
        return
    settings = json.loads(await tx.value("SELECT settings FROM tenant WHERE id = $1 FOR UPDATE"))
    found = {
        key: sorted({*each, one, other}) if {one, other} & set(each) else each
        for key, each in settings[SETTING].items()
    }
    await tx.run("UPDATE tenant SET settings = $2 WHERE id = $1", json.dumps(settings | {SETTING: found}))
