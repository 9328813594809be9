"""The closed list of conversions to elements of FHIR records: money, decimals, references, code systems.

Each takes a value and an argument and returns a JSON value; what has no form in R4 raises Unmapped.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from functools import cache, lru_cache
from typing import Any

from canonical import codes as systems
from canonical.billing import money as money_text
from fhir import jsontext
from mappings.billing.guide_values import Unmapped
from mappings.tables.table import codes

RecordConversion = Callable[[Any, str], Any]
RECORD_CONVERSIONS: dict[str, RecordConversion] = {}
ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
_CURRENCY = "BRL"
_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_LARGEST = 2**31 - 1


def record_conversion(name: str) -> Callable[[RecordConversion], RecordConversion]:
    """Register a function under the name tables use."""

    def register(function: RecordConversion) -> RecordConversion:
        RECORD_CONVERSIONS[name] = function
        return function

    return register


@record_conversion("text")
def text(value: Any, argument: str) -> str:
    """The text without characters JSON text cannot show, single blanks; an empty one has no form."""
    found = " ".join(_CONTROL.sub(" ", str(value)).split())
    if not found:
        raise Unmapped("guide.number")
    return found


@record_conversion("same")
def same(value: Any, argument: str) -> Any:
    """The element of another record as it stands there."""
    return value


@record_conversion("constant")
def constant(value: Any, argument: str) -> str:
    """`argument`, because the source is there."""
    return argument


@record_conversion("count")
def count(value: Any, argument: str) -> int:
    """`argument` as a number, or the value itself as a positive one (sequences)."""
    try:
        found = int(argument or str(value))
    except ValueError:
        raise Unmapped("guide.number") from None
    if not 1 <= found <= _LARGEST:
        raise Unmapped("guide.number")
    return found


@record_conversion("integer")
def integer(value: Any, argument: str) -> int:
    """A whole number of 32 bits."""
    try:
        found = int(str(value))
    except ValueError:
        raise Unmapped("guide.number") from None
    if abs(found) > _LARGEST:
        raise Unmapped("guide.number")
    return found


@record_conversion("flag")
def flag(value: Any, argument: str) -> bool:
    """True for `S` (dm_simNao) or `true`."""
    return str(value) in ("S", "true", "True", "1")


@record_conversion("date")
def date(value: Any, argument: str) -> str:
    """AAAA-MM-DD of a date or a text that begins with one."""
    try:
        return datetime.date.fromisoformat(str(value)[:10]).isoformat()
    except ValueError:
        raise Unmapped("guide.date") from None


@record_conversion("moment")
def moment(value: Any, argument: str) -> str:
    """A moment with its zone to the second, or a date."""
    if isinstance(value, datetime.datetime):
        utc: datetime.datetime = value.astimezone(datetime.UTC)
        return f"{utc:%Y-%m-%dT%H:%M:%SZ}"
    found: str = date(value, argument)
    return found


@record_conversion("time")
def time(value: Any, argument: str) -> str:
    """HH:MM:SS."""
    found = _TIME.match(str(value))
    if found is None:
        raise Unmapped("guide.date")
    return found[0]


@record_conversion("decimal")
def decimal(value: Any, argument: str) -> Any:
    """A decimal text as the JSON number of the same digits."""
    return _number(str(value))


@lru_cache(maxsize=16_384)
def _number(text: str) -> Any:
    try:
        exact = Decimal(text)
    except InvalidOperation:
        raise Unmapped("guide.number") from None
    if not exact.is_finite() or abs(exact) >= 10**18:
        raise Unmapped("guide.number")
    return jsontext.parse(f"{exact:f}".encode())


@record_conversion("money")
def money(value: Any, argument: str) -> dict[str, Any]:
    """A decimal text of TISS (`25.40`), or whole cents, as Money."""
    shown = money_text(value) if isinstance(value, int) else str(value)
    return {"value": decimal(shown, ""), "currency": _CURRENCY}


@record_conversion("code")
def code(value: Any, argument: str) -> str:
    """A code through `codes/<argument>.csv`."""
    found = codes(argument).get(str(value))
    if not found:
        raise Unmapped("guide.code")
    return found


@record_conversion("literal")
def literal(value: Any, argument: str) -> str:
    """A literal reference to a record of type `argument`."""
    return f"{argument}/{value}"


@record_conversion("reference")
def reference(value: Any, argument: str) -> dict[str, str]:
    """The same as a whole Reference."""
    return {"reference": literal(value, argument)}


@record_conversion("absent")
def absent(value: Any, argument: str) -> dict[str, Any]:
    """An element nobody told, with the reason (`unknown`)."""
    return {"extension": [{"url": ABSENT, "valueCode": str(value)}]}


@record_conversion("system")
def system(value: Any, argument: str) -> str:
    """The system of numbers that provider and one payer (`value`, its registro ANS) agree on, by their kind."""
    return systems.local_system(str(value), argument)


@record_conversion("council")
def council(value: Any, argument: str) -> str:
    """The register of the council `argument` in a state (`value`, dm_UF)."""
    state = _backwards("tiss-uf").get(str(value), "")
    return f"{systems.SID}/{argument}-{state.lower()}" if state else f"{systems.SID}/{argument}"


@record_conversion("tuss")
def tuss(value: Any, argument: str) -> str:
    """The code system of a table (dm_tabela): those of the TUSS, and own ones (00, 90, 98)."""
    table = text(value, "")
    if not table.isalnum():
        raise Unmapped("guide.code")
    return f"{systems.TUSS}{table}" if table in systems.TUSS_TABLES else f"{systems.LOCAL}:codes:tabela-{table}"


@record_conversion("professional")
def professional(value: Any, argument: str) -> dict[str, Any]:
    """ct_contratadoProfissionalDados and its kin: council, state and number as logical reference, with the name.

    A professional nobody told of is an absent one: guides that wait for a repair are records as well.
    """
    if not isinstance(value, Mapping):
        raise Unmapped("guide.code")
    found: dict[str, Any] = {"type": "Practitioner"}
    council = _backwards("tiss-conselho").get(str(value.get("conselhoProfissional", "")), "")
    state = _backwards("tiss-uf").get(str(value.get("UF", "")), "")
    number = str(value.get("numeroConselhoProfissional", "")).strip()
    if number and council:
        place = f"{systems.professional_system(council, '', state, number)[0]}"
        found["identifier"] = {"system": place, "value": number}
    if name := " ".join(str(value.get("nomeProfissional") or value.get("nomeProf") or "").split()):
        found["display"] = name
    return found if len(found) > 1 else absent("unknown", "")


@cache
def _backwards(table: str) -> dict[str, str]:
    """A code table from its TISS code back to the first name it has."""
    found: dict[str, str] = {}
    for name, mapped in codes(table).items():
        found.setdefault(mapped, name)
    return found
