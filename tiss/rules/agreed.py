"""Reads what an operator agreed from the tables of its profile: `[contract]`, `[levels]` and `[until]`.

`[contract]` holds days, largest_bytes, tolerance_cents and hash_encoding; `[levels]` a severity, or `off`, by the code
of a rule; `[until]` the last day (ISO) a version is taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from canonical.problem import Severity
from tiss.rules.case import OFF, rules
from tiss.rules.contract import Contract
from tiss.wire import versions

TABLES = ("contract", "levels", "until")
ENCODINGS = ("declared", "iso-8859-1", "utf-8")
IDENTITIES = {"code": "codigoPrestadorNaOperadora", "cpf": "CPF", "cnpj": "CNPJ"}  # identificacaoPrestador
_NO_CNES = "9999999"
_NUMBERS = ("days", "largest_bytes", "tolerance_cents")
_LEVELS: dict[str, Severity] = {"error": "error", "warning": "warning", "information": "information"}


def faults(settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What cannot be read in the tables of a profile: its key (`levels.sum.total`) and what is wrong with it."""
    for name, judge in (("contract", _term), ("levels", _level), ("until", _last)):
        table = settings.get(name, {})
        if not isinstance(table, Mapping):
            yield name, "must be a table"
            continue
        for key, value in table.items():
            if wrong := judge(str(key), value):
                yield f"{name}.{key}", wrong


def contract(settings: Mapping[str, Any], *, version: str, operator: str = "") -> Contract:
    """The contract of a profile's settings; raises ValueError naming the first key that cannot be read."""
    for key, wrong in faults(settings):
        raise ValueError(f"{key} {wrong}")
    levels = settings.get("levels", {})
    return Contract(
        version=version,
        operator=operator,
        known_operator=True,
        levels={code: _LEVELS[level] for code, level in levels.items() if level != OFF},
        silent=frozenset(code for code, level in levels.items() if level == OFF),
        until=dict(settings.get("until", {})),
        places=_places(settings.get("provider", {})),
        provider=_provider(settings),
        **settings.get("contract", {}),
    )


def _provider(settings: Mapping[str, Any]) -> dict[str, str]:
    """The element and the value that name the provider at this operator; nothing where they are not set."""
    key = str(settings.get("billing", {}).get("provider_key", "code"))
    value = str(settings.get("provider", {}).get(key, ""))
    return {IDENTITIES[key]: value} if value and key in IDENTITIES else {}


def _places(provider: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    """The CNES of the provider's CNPJ, where it has one."""
    cnpj, cnes = str(provider.get("cnpj", "")), str(provider.get("cnes", ""))
    return {cnpj: frozenset((cnes,))} if cnpj and cnes not in ("", _NO_CNES) else {}


def _term(key: str, value: Any) -> str:
    if key == "hash_encoding":
        return "" if value in ENCODINGS else f"must be one of {', '.join(ENCODINGS)}"
    if key not in _NUMBERS:
        return f"is unknown; there are {', '.join((*_NUMBERS, 'hash_encoding'))}"
    return "" if type(value) is int and value >= 0 else "must be a whole number from 0"


def _level(key: str, value: Any) -> str:
    if key not in rules():
        return "is no code of a TISS rule"
    known = (*_LEVELS, OFF)
    return "" if isinstance(value, str) and value in known else f"must be one of {', '.join(known)}"


def _last(key: str, value: Any) -> str:
    if key not in versions.known():
        return "is no TISS version"
    return "" if _is_day(value) else "must be a day as text: YYYY-MM-DD"


def _is_day(value: Any) -> bool:
    try:
        return isinstance(value, str) and date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False
