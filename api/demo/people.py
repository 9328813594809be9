"""Invented people for trials: names with accents from short word lists, identifiers with right check digits.

Everything follows from the seed: the same seed gives the same people on every machine.
"""

from __future__ import annotations

import csv
import datetime
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

from canonical.identifiers import cnpj_digits, cns_from_pis, cpf_digits

ANAESTHETIST, DENTIST = "225151", "223208"  # CBO
_DATA = Path(__file__).resolve().parent / "data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One patient; `record` is the hospital's number (prontuário)."""

    record: str
    family: str
    given: tuple[str, ...]
    mother: str
    gender: str
    born: datetime.date
    cpf: str
    cns: str
    street: str
    city: str
    state: str
    ibge: str
    postal: str
    phone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Doctor:
    """One professional: number and state of the council (CRM, CRO), and the occupation (CBO)."""

    number: str
    state: str
    family: str
    given: str
    cbo: str
    council: str

    @property
    def cpf(self) -> str:
        """An invented CPF of this professional."""
        base = f"{self.number:0>6}{self.cbo[-3:]}"
        return base + cpf_digits(base)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hospital:
    """The provider: CNES has no check digit; the CNPJ is one of the new kind, with letters."""

    name: str
    cnes: str
    cnpj: str


@cache
def rows(name: str) -> tuple[dict[str, str], ...]:
    """The rows of `data/<name>.csv`."""
    with (_DATA / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))


def hospital() -> Hospital:
    """The hospital of the demonstration."""
    base = "12PNT0A10001"
    return Hospital(name="HOSPITAL DEMONSTRAÇÃO", cnes="9990017", cnpj=base + cnpj_digits(base))


def professionals() -> list[Doctor]:
    """All professionals of the demonstration."""
    names = ("number", "state", "family", "given", "cbo", "council")
    return [Doctor(**{name: row[name] for name in names}) for row in rows("doctors")]


def doctors() -> list[Doctor]:
    """The physicians who see patients."""
    return [one for one in professionals() if one.council == "CRM" and one.cbo != ANAESTHETIST]


def people(chance: Random, count: int, today: datetime.date) -> list[Person]:
    """`count` people, no two with the same name, CPF or CNS."""
    made: list[Person] = []
    taken: set[tuple[str, ...]] = set()
    while len(made) < count:
        person = _person(chance, len(made) + 1, today)
        key = (*person.given, person.family)
        if key not in taken:
            taken.add(key)
            made.append(person)
    return made


def _person(chance: Random, number: int, today: datetime.date) -> Person:
    words = {kind: [r["text"] for r in rows("names") if r["kind"] == kind] for kind in ("female", "male", "second")}
    families = [r["text"] for r in rows("names") if r["kind"] == "family"]
    gender = chance.choice(("F", "M"))
    given = [chance.choice(words["female" if gender == "F" else "male"])]
    if chance.random() < 0.5:
        given.append(chance.choice(words["second"]))
    place = chance.choice(rows("places"))
    base = f"{chance.randrange(100_000_000, 999_999_999)}"
    return Person(
        record=f"{700_000 + number}",
        family=f"{chance.choice(families)} {chance.choice(families)}",
        given=tuple(given),
        mother=f"{chance.choice(words['female'])} {chance.choice(families)}",
        gender=gender,
        born=today - datetime.timedelta(days=chance.randrange(300, 33_000)),
        cpf=base + cpf_digits(base),
        cns=_cns(chance),
        street=f"{place['street']}, {chance.randrange(1, 2000)}",
        city=place["city"],
        state=place["state"],
        ibge=place["ibge"],
        postal=f"{place['zip']}-{chance.randrange(0, 1000):03d}",
        phone=f"119{chance.randrange(10_000_000, 99_999_999)}",
    )


def _cns(chance: Random) -> str:
    """A definitive card number (starts with 1 or 2) or a provisional one (7, 8 or 9)."""
    if chance.random() < 0.6:
        return cns_from_pis(f"{chance.choice('12')}{chance.randrange(10**9, 10**10 - 1)}")
    base = f"{chance.choice('789')}{chance.randrange(10**11, 10**12 - 1)}"
    total = sum(int(c) * (15 - i) for i, c in enumerate(base))
    for last in range(100):
        text = f"{base}{last:02d}"
        if (total + int(text[13]) * 2 + int(text[14])) % 11 == 0:
            return text
    raise ValueError("no check digits complete this base")
