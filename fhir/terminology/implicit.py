"""Value sets that an address stands for without being stored: `?fhir_vs` of any system, SNOMED CT's, LOINC's `/vs`."""

from __future__ import annotations

import re
from urllib.parse import unquote

from fhir.terminology.stated import Set, of_body

ALL_CODES = "?fhir_vs"
SNOMED = "http://snomed.info/sct"
_LOINC = re.compile(r"https?://loinc\.org/vs(?:/([A-Z]{2,3}[\d-]+))?\Z", re.IGNORECASE)
_EDITION = re.compile(r"(http://snomed\.info/sct)/\d+(?:/version/\d+)?\Z")
_REFSETS = "900000000000455006"


def named(address: str) -> tuple[str, str]:
    """An address and the version behind its `|`; an expression (`ecl/…`) may hold such marks itself."""
    if f"{ALL_CODES}=ecl/" in address:
        return address, ""
    name, _, version = address.partition("|")
    return name, version


def system_of(place: str) -> tuple[str, str]:
    """The code system of the part of an address before its mark, and the SNOMED CT edition or version it names."""
    match = _EDITION.match(place)
    return (match[1], place) if match is not None else (place, "")


def fits(wanted: str, version: str) -> bool:
    """Whether a version is the one wanted; of SNOMED CT an edition without date is any version of it."""
    return wanted in ("", "*", version) or (wanted.startswith(SNOMED) and version.startswith(f"{wanted}/"))


def value_set(address: str) -> Set | None:
    """The value set an address stands for; None for one that stands for none. Expressions are read when it is asked."""
    if (match := _LOINC.match(address)) is not None:
        return _made(address, "http://loinc.org", "", _of_loinc((match[1] or "").upper()))
    place, mark, query = address.partition(ALL_CODES)
    if not mark:
        return None
    system, version = system_of(place)
    stated = _query(query)
    return _made(address, system, version, stated) if stated is not None else None


def _made(address: str, system: str, version: str, stated: list[dict[str, str]]) -> Set:
    include = {"system": system, **({"version": version} if version else {}), **({"filter": stated} if stated else {})}
    return of_body({"url": address, "compose": {"include": [include]}})


def _of_loinc(code: str) -> list[dict[str, str]]:
    if not code:
        return []
    kind = "in" if code.startswith("LL") else "descendent-of"
    return [{"property": "concept", "op": kind, "value": code}]


def _query(query: str) -> list[dict[str, str]] | None:
    """The filters of what follows `?fhir_vs`; None when it is not understood."""
    if not query:
        return []
    if query == "=refset":
        return [{"property": "concept", "op": "descendent-of", "value": _REFSETS}]
    kind, mark, value = query.removeprefix("=").partition("/")
    value = unquote(value).strip()
    if not (mark and value and query.startswith("=")):
        return None
    match kind:
        case "isa":
            return [{"property": "concept", "op": "is-a", "value": value}]
        case "refset":
            return [{"property": "concept", "op": "in", "value": value}]
        case "ecl":
            return [{"property": "constraint", "op": "=", "value": value}]
    return None
