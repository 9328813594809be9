"""Invented names, numbers, ids and shifts in place of real ones: the same for the same, under a key thrown away.

Without the key nothing here leads back: it lives for one copy, in memory. A CPF or CNS becomes another with right check
digits (CPF from 999…, which is not given out today; CNS from 7009…), any other number one of the same shape.
"""

from __future__ import annotations

import csv
import datetime
import hashlib
import hmac
import os
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from canonical.identifiers import cnpj_digits, compact, cpf_digits, is_cnpj, is_cns, is_cpf

_FARTHEST = 364
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_NEAREST = 28


class Invented:
    """What stands for what in one copy. `real` are numbers of real people, which no invented one may be."""

    def __init__(self, real: Collection[str] = (), key: bytes = b"") -> None:
        self._key = key or os.urandom(32)
        self._real = frozenset(real)
        self._numbers: dict[str, str] = {}
        self._given: set[str] = set()

    def record_id(self, type_name: str, identity: str) -> str:
        """The id of a record."""
        return "".join(_ALPHABET[byte & 31] for byte in self._bytes("id", type_name, identity)[:26])

    def shift(self, patient: str) -> datetime.timedelta:
        """By how much all dates of a patient's records move: 4 to 52 whole weeks back, so that weekdays stay."""
        weeks = self._number("shift", patient) % ((_FARTHEST - _NEAREST) // 7 + 1) + _NEAREST // 7
        return datetime.timedelta(days=-7 * weeks)

    def name(self, owner: str, gender: str) -> dict[str, Any]:
        """A HumanName of the person `owner` (a record, or a part of one)."""
        kind = gender if gender in ("female", "male") else ("female", "male")[self._number("sex", owner) % 2]
        given, family = self._chosen(kind, owner), self._chosen("family", owner)
        second = self._chosen("family", owner + "/2")
        whole = f"{given} {family} {second}"
        return {"text": whole, "family": f"{family} {second}", "given": [given]}

    def number(self, value: str) -> str:
        """Another number of the same shape; the same one for the same. No two become one."""
        bare = compact(value) if is_cpf(compact(value)) or is_cns(compact(value)) or is_cnpj(compact(value)) else value
        if bare not in self._numbers:
            turn = 0
            while (made := self._shaped(bare, turn)) in self._given or made in self._real:
                turn += 1
            self._numbers[bare] = made
            self._given.add(made)
        return self._numbers[bare]

    def _shaped(self, value: str, turn: int) -> str:
        if is_cpf(value):
            base = f"999{self._number('cpf', value, str(turn)) % 1_000_000:06d}"
            return base + cpf_digits(base)
        if is_cns(value):
            return self._cns(value, turn)
        if is_cnpj(value):
            base = f"99{self._number('cnpj', value, str(turn)) % 10**6:06d}0001"
            return base + cnpj_digits(base)
        # a short number has few others: after some turns it grows
        longer = value + "0" * (turn // 8)
        return "".join(self._like(char, value, n, turn) for n, char in enumerate(longer))

    def _cns(self, value: str, turn: int) -> str:
        step = 0
        while True:
            body = f"7009{self._number('cns', value, str(turn), str(step)) % 10**10:010d}"
            total = sum(int(c) * (15 - i) for i, c in enumerate(body))
            if (last := (11 - total % 11) % 11) < 10:
                return f"{body}{last}"
            step += 1

    def _like(self, char: str, value: str, place: int, turn: int) -> str:
        drawn = self._number("char", value, str(place), str(turn))
        if char.isdigit():
            return str(drawn % 10)
        if char.isalpha():
            letter = chr(ord("a") + drawn % 26)
            return letter.upper() if char.isupper() else letter
        return char

    def _chosen(self, kind: str, owner: str) -> str:
        names = _names()[kind]
        return names[self._number(kind, owner) % len(names)]

    def _number(self, *parts: str) -> int:
        return int.from_bytes(self._bytes(*parts)[:8], "big")

    def _bytes(self, *parts: str) -> bytes:
        return hmac.digest(self._key, "\x1f".join(parts).encode(), hashlib.sha256)


@cache
def _names() -> Mapping[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    with (Path(__file__).resolve().parent / "names.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["kind"], []).append(row["name"])
    return {kind: tuple(names) for kind, names in found.items()}
