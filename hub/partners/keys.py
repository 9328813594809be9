"""What a partner's document may say, as data (`keys.csv`): each key, of which kinds, its type, and what it means.

Which keys a kind of transport has, and the tables that a room reads strictly by itself (`retry`, `acknowledge`, a
payer's contract), are judged there.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from canonical import identifiers

KINDS = ("payer", "lab", "subscriber")
_NO_CNES = "9999999"
_LONGEST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key: `type`: text, flag, texts, `number LEAST MOST`, `one-of …`, `some-of …`, addresses, cnpj, cpf, cnes."""

    key: str
    kinds: tuple[str, ...]
    type: str
    needed: bool
    pt: str
    en: str

    def holds(self, value: Any) -> bool:
        """Whether a value is of the type."""
        name, *rest = self.type.split()
        return _TYPES[name](value, rest)


@cache
def keys() -> Mapping[str, Key]:
    """All of them, in the order of the file; raises ValueError for a row that cannot be read."""
    found: dict[str, Key] = {}
    path = Path(__file__).resolve().parent / "keys.csv"
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file), start=2):
            kinds = tuple(row["kinds"].split())
            if row["type"].split()[0] not in _TYPES or not kinds or set(kinds) - set(KINDS) or row["key"] in found:
                raise ValueError(f"keys.csv, line {number}: the kinds or the type cannot be read, or the key repeats")
            found[row["key"]] = Key(
                key=row["key"],
                kinds=kinds,
                type=row["type"],
                needed=row["needed"] == "yes",
                pt=row["pt"],
                en=row["en"],
            )
    return found


def _text(value: Any, _: list[str]) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST


def _flag(value: Any, _: list[str]) -> bool:
    return isinstance(value, bool)


def _texts(value: Any, _: list[str]) -> bool:
    return isinstance(value, list) and all(_text(one, []) for one in value)


def _number(value: Any, bounds: list[str]) -> bool:
    least, most = map(int, bounds)
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most


def _one_of(value: Any, choices: list[str]) -> bool:
    return value in choices


def _some_of(value: Any, choices: list[str]) -> bool:
    return isinstance(value, list) and all(one in choices for one in value)


def _addresses(value: Any, _: list[str]) -> bool:
    return isinstance(value, dict) and all(_text(one, []) for one in value.values())


def _cnpj(value: Any, _: list[str]) -> bool:
    return isinstance(value, str) and identifiers.is_cnpj(value)


def _cpf(value: Any, _: list[str]) -> bool:
    return isinstance(value, str) and identifiers.is_cpf(value)


def _cnes(value: Any, _: list[str]) -> bool:
    return isinstance(value, str) and (value == _NO_CNES or identifiers.is_cnes(value))


_TYPES: Mapping[str, Callable[[Any, list[str]], bool]] = {
    "text": _text,
    "flag": _flag,
    "texts": _texts,
    "number": _number,
    "one-of": _one_of,
    "some-of": _some_of,
    "addresses": _addresses,
    "cnpj": _cnpj,
    "cpf": _cpf,
    "cnes": _cnes,
}
