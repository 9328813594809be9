"""Places of HL7 (PL, 2.5.1 §2.A.53) as one label: which of its parts is the ward, the room, the bed.

A label joins the parts that were sent, and most read one way: bed, room and ward by what kind of place it is, behind
the facility where it gives the numbers. Where one reads otherwise, its record says which parts these are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from canonical.codes import LOCAL, local_system
from canonical.extensions import EXTENSIONS

FACILITY, WARD, ROOM, BED = 4, 1, 2, 3
ORDER = (FACILITY, 7, 8, WARD, ROOM, BED)
"""The parts of a label: facility, building, floor, point of care, room, bed."""
_MARK = " / "
_USUAL = {"wa": (WARD,), "ro": (WARD, ROOM), "bd": (WARD, ROOM, BED)}


def label(parts: Mapping[int, str]) -> str:
    """The parts as one text; empty without any."""
    return _MARK.join(parts[number] for number in ORDER if parts.get(number))


def read(text: str, kind: str, system: str) -> dict[int, str]:
    """The parts of a label as they usually are, by its kind of place and the system of its numbers; none if unsure."""
    texts = text.split(_MARK)
    found = {FACILITY: texts.pop(0)} if len(texts) > 1 and local_system(texts[0], "PL") == system else {}
    numbers = _USUAL.get(kind, ())
    return found | dict(zip(numbers, texts, strict=True)) if len(texts) == len(numbers) else {}


def unusual(parts: Mapping[int, str], kind: str, system: str) -> dict[str, Any] | None:
    """The extension of a place whose label does not read as what its parts are; None for all others."""
    told = {number: parts[number] for number in ORDER if parts.get(number)}
    if not told or read(label(told), kind, system) == told:
        return None
    apart = label(told).split(_MARK) == list(told.values())  # a text of its own may look like several
    return {"url": EXTENSIONS["place-parts"], "valueString": " ".join(map(str, told)) if apart else "-"}


def parts_of(place: Mapping[str, Any]) -> dict[int, str]:
    """The parts of PL of a Location that came by HL7; none of another."""
    first: Mapping[str, Any] = next(iter(place.get("identifier", ())), {})
    system, text = str(first.get("system", "")), str(first.get("value", ""))
    if not text or not (system.startswith(f"{LOCAL}:") and system.endswith(":pl")):
        return {}
    said = (
        one.get("valueString", "") for one in place.get("extension", ()) if one.get("url") == EXTENSIONS["place-parts"]
    )
    numbers = next(said, "").split()
    if not numbers:
        return read(text, _kind(place), system)
    texts: Sequence[str] = text.split(_MARK)
    sure = len(texts) == len(numbers) and all(number.isdigit() for number in numbers)
    return dict(zip(map(int, numbers), texts, strict=True)) if sure else {}


def _kind(place: Mapping[str, Any]) -> str:
    coding = place.get("physicalType", {}).get("coding", ())
    return str(coding[0].get("code", "")) if coding else ""
