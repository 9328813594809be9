"""Patients that may be one person, or share a number that only one of them can have: what a person must decide.

Nothing here is joined by itself. Pairs come from the current records: a national number (CPF, CNS) on two of them, or
the same name and birth date under different numbers. What was merged or linked since is no longer listed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from canonical.codes import CNS, CPF
from hub.store.database import Row, Transaction

_OPEN = (
    " AND one.active AND two.active AND NOT EXISTS (SELECT 1 FROM patient_link l WHERE l.tenant_id = $1"
    " AND l.loser_id IN (one.id, two.id))"
)
_COLUMNS = (
    "one.id AS one_id, two.id AS two_id, one.birth_date AS one_born, two.birth_date AS two_born, "
    "one.gender AS one_sex, two.gender AS two_sex, one.name_folded AS one_name, two.name_folded AS two_name, "
    "one.mother_folded AS one_mother, two.mother_folded AS two_mother"
)
_SHARED = (
    f"SELECT {_COLUMNS}, a.system FROM patient_identifier a JOIN patient_identifier b ON b.tenant_id = $1 "
    "AND b.system = a.system AND b.value = a.value AND b.patient_id > a.patient_id "
    "JOIN patient one ON one.tenant_id = $1 AND one.id = a.patient_id "
    "JOIN patient two ON two.tenant_id = $1 AND two.id = b.patient_id "
    f"WHERE a.tenant_id = $1 AND a.system = ANY($2::text[]){_OPEN} ORDER BY one.id, two.id LIMIT $3"
)
_ALIKE = (
    f"SELECT {_COLUMNS} FROM patient one JOIN patient two ON two.tenant_id = $1 AND two.name_folded = one.name_folded "
    "AND two.birth_date = one.birth_date AND two.id > one.id "
    f"WHERE one.tenant_id = $1 AND one.name_folded IS NOT NULL{_OPEN} ORDER BY one.id, two.id LIMIT $2"
)
_SYSTEMS = {CPF: "same CPF", CNS: "same CNS"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """Two patients and why somebody should look: `alike` speaks for one person, `unlike` against it."""

    one: str
    two: str
    alike: tuple[str, ...]
    unlike: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """One JSON object with the fields in their order."""
        return {"one": self.one, "two": self.two, "alike": list(self.alike), "unlike": list(self.unlike)}


async def pairs(tx: Transaction, limit: int = 100) -> list[Review]:
    """The pairs to decide, at most `limit` of each kind; each pair once."""
    shared = await tx.rows(_SHARED, list(_SYSTEMS), limit)
    alike = await tx.rows(_ALIKE, limit)
    found: dict[tuple[str, str], Review] = {}
    for row in [*shared, *alike]:
        number = _SYSTEMS[row["system"]] if "system" in row else ""
        pair = (row["one_id"], row["two_id"])
        before = found.get(pair)
        same = tuple(dict.fromkeys((*(before.alike if before else ()), *([number] if number else []), *_same(row))))
        found[pair] = Review(one=f"Patient/{pair[0]}", two=f"Patient/{pair[1]}", alike=same, unlike=_other(row))
    return [found[pair] for pair in sorted(found)]


_POINTS = {"name": "name", "birth date": "born", "sex": "sex", "mother": "mother"}


def _same(row: Row) -> list[str]:
    told = {label: (row[f"one_{name}"], row[f"two_{name}"]) for label, name in _POINTS.items()}
    return [f"same {label}" for label, (one, two) in told.items() if one is not None and one == two]


def _other(row: Row) -> tuple[str, ...]:
    told = {label: (row[f"one_{name}"], row[f"two_{name}"]) for label, name in _POINTS.items()}
    return tuple(f"other {label}" for label, (one, two) in told.items() if None not in (one, two) and one != two)
