"""National code lists (RNDS): which code of a list a concept of ours is, and the address the list has.

A list takes codes of the systems that carry it as they are (`rnds/systems.csv`), translates others by its own table
(`codes/rnds-<list>.csv`), and before both by what the tenant says of its own codes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from canonical import codes as systems
from canonical import identifiers
from canonical.identity import fold
from mappings.tables.table import HERE, TableError, codes, read_rows

NATIONAL = "http://www.saude.gov.br/fhir/r4"
LIST = f"{NATIONAL}/CodeSystem/"
TERMS = "https://terminologia.saude.gov.br/fhir/CodeSystem/"
_SYSTEM_COLUMNS = ["list", "system", "spelling", "note", "spec"]
_SPELLINGS: dict[str, Callable[[str], str]] = {
    "": str.strip,
    "compact": identifiers.compact,  # CID-10 without dot, SIGTAP without dots and dashes
}
Own = Mapping[str, Mapping[str, str]]


def address(name: str) -> str:
    """The system of a national list; lists RNDS takes from HL7 have their own."""
    return next((row[1] for row in _rows() if row[0] == name and row[2] == "own"), f"{LIST}{name}")


def reasons() -> frozenset[str]:
    """The codes for why a person could not be identified (BRJustificativaIndividuoNaoIdentificado)."""
    return frozenset(_table("BRJustificativaIndividuoNaoIdentificado").values())


def national(value: Any, name: str, translated: Own) -> str:
    """The code of a concept, coding, code or text in a national list; empty when it has none."""
    own, table = translated.get(name, {}), _table(name)
    for system, said in _codings(value):
        key = f"{system}|{said}" if system else said
        if said and (found := own.get(key) or table.get(key)):
            return found
        if said and system in _accepted(name):
            return _SPELLINGS[_accepted(name)[system]](said)
    for words in _texts(value):
        if found := own.get(f"text|{fold(words)}") or table.get(f"text|{fold(words)}"):
            return found
    return ""


def _codings(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for one in value.get("coding") or [value]:
            yield str(one.get("system", "")), str(one.get("code") or one.get("value") or "")
    else:
        yield "", str(value)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for one in (value, *(value.get("coding") or ())):
            yield from (str(one[name]) for name in ("text", "display") if one.get(name))
    else:
        yield str(value)


@cache
def _accepted(name: str) -> dict[str, str]:
    """The systems whose codes a national list takes as they are, with their spelling."""
    found = dict.fromkeys((*systems.aliases(f"{LIST}{name}"), f"{TERMS}{name}"), "")
    for row in _rows():
        if row[0] == name and row[2] != "own":
            found |= dict.fromkeys(systems.aliases(row[1]), row[2])
    return found


@cache
def _rows() -> tuple[tuple[str, str, str], ...]:
    """`rnds/systems.csv`: list, system, spelling (`own`: the list is that system)."""
    file = HERE / "rnds" / "systems.csv"
    found = []
    for line, values in read_rows(file, _SYSTEM_COLUMNS):
        if values["spelling"] not in (*_SPELLINGS, "own"):
            raise TableError(f"rnds/systems.csv:{line}: spelling")
        found.append((values["list"], values["system"], values["spelling"]))
    return tuple(found)


@cache
def _table(name: str) -> dict[str, str]:
    """The translations of `codes/rnds-<list>.csv`, where there is one."""
    file = f"rnds-{name.lower()}"
    return {k: v for k, v in codes(file).items() if v} if (HERE / "codes" / f"{file}.csv").exists() else {}
