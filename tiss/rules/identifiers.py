"""Check digits and shapes of identifiers, by element name (`identifiers.csv`); each distinct value is judged once."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from functools import cache
from typing import Protocol

from lxml import etree

from canonical.identifiers import is_cbo, is_cid10, is_cnes, is_cnpj, is_cns, is_cpf, is_registro_ans
from tiss.checking.offers import YES
from tiss.rules.case import FOLDER, Findings
from tiss.wire.message import place

LETTERS_FROM = "4.03.00"
_LETTERS = "RO AC AM RR PA AP TO MA PI CE RN PB PE AL SE BA MG ES RJ SP PR SC RS MS MT GO DF"
_NUMBERS = "11 12 13 14 15 16 17 21 22 23 24 25 26 27 28 29 31 32 33 35 41 42 43 50 51 52 53"
STATES = dict(zip(_LETTERS.split(), _NUMBERS.split(), strict=True))  # table 59
_ABROAD = "98"
_STATES = frozenset((*STATES.values(), _ABROAD))


@cache
def elements() -> dict[str, str]:
    """The check of each element by its name."""
    with (FOLDER / "identifiers.csv").open(encoding="utf-8", newline="") as file:
        return {row["element"]: row["check"] for row in csv.DictReader(file)}


class Identifiers(Protocol):
    """The identifiers of a message."""

    @property
    def identifiers(self) -> list[tuple[str, str, int]]:
        """All of them as (check, text, position of its element), in the order of the document."""

    def distinct(self) -> Iterable[tuple[str, str]]:
        """The checks and different texts among them."""


class Checker:
    """Judges identifiers of one message, each distinct value once."""

    def __init__(self, version: str, found: Findings) -> None:
        self._letters = _ordered(version) >= _ordered(LETTERS_FROM)
        self._found = found

    def all(self, told: Identifiers, leaves: Callable[[], list[etree._Element]]) -> None:
        """Record a finding for each wrong one; `leaves` gives the elements by position."""
        wrong = {pair: code for pair in told.distinct() if (code := self.judge(*pair))}
        if not wrong:
            return
        elements = leaves()
        for check, text, position in told.identifiers:
            if (check, text) in wrong:
                sure = {"sure": YES} if check == "uf" and text.strip().upper() in STATES else {}
                self._found.add(wrong[check, text], place(elements[position]), **sure)

    def judge(self, check: str, text: str) -> str:
        """The code of what is wrong with an identifier; empty for a good one and for a blank."""
        value = text.strip()
        code = "" if not value else _CODES[check](value)
        if not code and check == "cnpj" and not self._letters and not value.isdigit():
            code = "identifier.cnpj-letters"
        return code


def _ordered(version: str) -> tuple[int, ...]:
    parts = version.split(".")
    return tuple(int(part) for part in parts) if all(part.isascii() and part.isdigit() for part in parts) else (0,)


def _cid(value: str) -> str:
    if is_cid10(value):
        return ""
    return "identifier.cid-dot" if is_cid10(value.replace(".", "").upper()) else "identifier.cid"


_CODES: dict[str, Callable[[str], str]] = {
    "cpf": lambda value: "" if is_cpf(value) else "identifier.cpf-digits",
    "cnpj": lambda value: "" if is_cnpj(value) else "identifier.cnpj-digits",
    "cnes": lambda value: "" if is_cnes(value) else "identifier.cnes-digits",
    "cbo": lambda value: "" if is_cbo(value) else "identifier.cbo",
    "uf": lambda value: "" if value in _STATES else "identifier.uf",
    "cid": _cid,
    "cns": lambda value: "" if is_cns(value) else "identifier.cns-digits",
    "registro-ans": lambda value: "" if is_registro_ans(value) else "identifier.registro-ans",
}
