"""What an element says to the search index: the columns of its entry by parameter type (R4 §3.1.1.4).

A reading gets the element's type and JSON value and gives a tuple of columns for each entry; nothing where the value
says nothing to a search.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from canonical.codes import CURRENCIES, UCUM
from fhir.search import ranges, units
from fhir.search.parameters import BASE, LONGEST, OF_TYPE, TEXT, VERSION, bounded, folded, split_reference

Columns = tuple[Any, ...]
Reading = Callable[[str, Any, ZoneInfo], Sequence[Columns]]
_SILENT = frozenset(("use", "period", "extension", "type", "id"))


def tokens(type_name: str, value: Any, zone: ZoneInfo) -> Sequence[Columns]:
    """System and code of codings, identifiers, contact points and bare codes."""
    if isinstance(value, str):
        return (("", bounded(value)),)
    if isinstance(value, bool):
        return (("", "true" if value else "false"),)
    if not isinstance(value, dict):
        return ()
    codings = value.get("coding", ()) if type_name == "CodeableConcept" else (value,)
    number = "value" if type_name in ("Identifier", "ContactPoint") else "code"
    pairs = [(coding.get("system", ""), coding.get(number, "")) for coding in codings]
    return [(bounded(system), bounded(code)) for system, code in pairs if system or code]


def strings(type_name: str, value: Any, zone: ZoneInfo) -> Sequence[Columns]:
    """Every text within the value: a HumanName or Address is searched by any of its parts."""
    if isinstance(value, str):
        return ((folded(value), bounded(value)),)
    found: list[Columns] = []
    if isinstance(value, list):
        for item in value:
            found += strings(type_name, item, zone)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key not in _SILENT and key[0] != "_":
                found += strings(type_name, item, zone)
    return found


def dates(type_name: str, value: Any, zone: ZoneInfo) -> Sequence[Columns]:
    """The span a date, time, Period or Timing covers."""
    if isinstance(value, str):
        span = ranges.date_range(value, zone)
        return (span,) if span else ()
    if isinstance(value, dict) and type_name == "Period":
        low, high = (ranges.date_range(text, zone) if isinstance(text, str) else None
                     for text in (value.get("start"), value.get("end")))  # fmt: skip
        return ((low[0] if low else ranges.EARLIEST, high[1] if high else ranges.LATEST),) if low or high else ()
    if isinstance(value, dict) and type_name == "Timing":
        moments = [span for event in value.get("event", ()) if (span := ranges.date_range(str(event), zone))]
        bounds = value.get("repeat", {}).get("boundsPeriod")
        if moments:
            return ((min(span[0] for span in moments), max(span[1] for span in moments)),)
        return dates("Period", bounds, zone) if bounds else ()
    return ()


def references(type_name: str, value: Any, zone: ZoneInfo) -> Sequence[Columns]:
    """Literal references as type and id; canonical and absolute ones as written, under no type."""
    if isinstance(value, dict) and "resourceType" in value:  # Bundle.composition: the resource itself stands there
        return ((value["resourceType"], bounded(value["id"])),) if isinstance(value.get("id"), str) else ()
    literal = value if isinstance(value, str) else value.get("reference") if isinstance(value, dict) else None
    if isinstance(literal, str) and not literal.startswith("#"):
        return (split_reference(literal),)
    return ()


def uris(type_name: str, value: Any, zone: ZoneInfo) -> Sequence[Columns]:
    """A URI; a canonical without its version."""
    if not isinstance(value, str):
        return ()
    return ((bounded(value.partition("|")[0] if type_name == "canonical" else value),),)


def numbers(type_name: str, value: Any, zone: ZoneInfo) -> Sequence[Columns]:
    """A number as the point it is (R4 §3.1.1.4.6: precision counts on the side of the search)."""
    if type_name == "Range" and isinstance(value, dict):
        return (_ends(value),)
    if not isinstance(value, (bool, str, dict)) and (point := ranges.point(str(value))) is not None:
        return ((point, point),)
    return ()


def quantities(type_name: str, value: Any, zone: ZoneInfo) -> Sequence[Columns]:
    """A quantity or range under its coded unit, and under the printed one where it differs."""
    if not isinstance(value, dict):
        return ()
    if type_name == "Range":
        units, (low, high) = _units(value.get("low") or value.get("high") or {}), _ends(value)
    else:
        point = ranges.point(str(value.get("value")))
        if point is None:
            return ()
        units, (low, high) = _units(value), _compared(point, value.get("comparator", ""))
    return [(low, high, system, unit) for system, unit in units]


def _ends(value: dict[str, Any]) -> tuple[float, float]:
    low = ranges.point(str(value.get("low", {}).get("value")))
    high = ranges.point(str(value.get("high", {}).get("value")))
    return float("-inf") if low is None else low, float("inf") if high is None else high


def _units(value: dict[str, Any]) -> Sequence[tuple[str, str]]:
    """The coded unit, and the printed one where it differs: `5||mg` may mean either."""
    if currency := value.get("currency"):  # the system of Money's codes is implied by their value set
        return ((CURRENCIES, bounded(currency)),)
    code, unit = value.get("code") or "", value.get("unit") or ""
    coded = (bounded(value.get("system", "")), bounded(code or unit))
    printed = ("", bounded(unit))
    return (coded, printed) if code and unit and unit != code and printed != coded else (coded,)


def _compared(point: float, comparator: str) -> tuple[float, float]:
    if comparator in ("<", "<="):
        return float("-inf"), point
    return (point, float("inf")) if comparator in (">", ">=") else (point, point)


def words(type_name: str, value: Any, zone: ZoneInfo) -> Sequence[Columns]:
    """What `:text` of a token looks at: the text of a concept, its displays, the text of an identifier's type."""
    if type_name == "Identifier":
        value = value.get("type")
    if not isinstance(value, dict):
        return ()
    texts = [value.get("text"), value.get("display"), *(coding.get("display") for coding in value.get("coding", ()))]
    return [(folded(text), text[:LONGEST]) for text in dict.fromkeys(texts) if text]


def typed_identifiers(type_name: str, value: Any, zone: ZoneInfo) -> Sequence[Columns]:
    """What `:of-type` looks at: the codings of an identifier's type, with its value."""
    number, kind = value.get("value"), value.get("type")
    if not number or not isinstance(kind, dict):
        return ()
    codings = [coding for coding in kind.get("coding", ()) if coding.get("code")]
    return [(bounded(f"{coding.get('system', '')}|{coding['code']}"), bounded(number)) for coding in codings]


def versioned(type_name: str, value: Any, zone: ZoneInfo) -> Sequence[Columns]:
    """A canonical with the version it names, as a URI."""
    return ((bounded(value),),) if isinstance(value, str) and "|" in value else ()


def versioned_references(type_name: str, value: Any, zone: ZoneInfo) -> Sequence[Columns]:
    """The same, as a reference."""
    return [("", *columns) for columns in versioned(type_name, value, zone)]


def based(type_name: str, value: Any, zone: ZoneInfo) -> Sequence[Columns]:
    """A quantity of a known UCUM unit in its base unit."""
    known = units.known(value.get("code", "")) if value.get("system") == UCUM else None
    point = ranges.point(str(value.get("value"))) if known is not None else None
    if known is None or point is None or not math.isfinite(known.of(point)):
        return ()
    low, high = _compared(point, value.get("comparator", ""))
    ends = sorted((known.of(low), known.of(high)))
    return ((ends[0], ends[1], "", known.base),)


# What else an element says, to modifiers and to other units: by parameter and element type, under which suffix of the
# parameter's code and in which index.
BESIDE: dict[tuple[str, str], tuple[tuple[str, str, Reading], ...]] = {
    ("token", "CodeableConcept"): ((TEXT, "string", words),),
    ("uri", "canonical"): ((VERSION, "uri", versioned),),
    ("reference", "canonical"): ((VERSION, "reference", versioned_references),),
    ("token", "Coding"): ((TEXT, "string", words),),
    ("token", "Identifier"): ((TEXT, "string", words), (OF_TYPE, "token", typed_identifiers)),
    **{
        ("quantity", name): ((BASE, "quantity", based),)
        for name in ("Quantity", "SimpleQuantity", "Age", "Count", "Distance", "Duration")
    },
}
READINGS: dict[str, Reading] = {
    "token": tokens,
    "string": strings,
    "date": dates,
    "reference": references,
    "uri": uris,
    "number": numbers,
    "quantity": quantities,
}
