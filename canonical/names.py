"""How a person is called, read from a HumanName (FHIR R4 §2.24.0.18)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from canonical.identity import fold

_NOT_NAMES = frozenset("de da do dos das e dr dra doutor doutora prof profa enf enfermeiro enfermeira".split())  # noqa: SIM905


def stated(value: Mapping[str, Any], element: str) -> list[str]:
    """The texts of a repeating element; an item with an extension alone is null (R4 §2.6.2.2), no text."""
    return [str(item) for item in value.get(element, ()) if item is not None]


def whole(name: Mapping[str, Any]) -> str:
    """A name as one text: its own, else given names and family name."""
    return str(name.get("text") or " ".join([*stated(name, "given"), name.get("family", "")]).strip())


def first(person: Mapping[str, Any]) -> str:
    """The first name of a person as one text, as a guide shows it; empty when there is none."""
    return whole((person.get("name") or [{}])[0])


def words(name: Mapping[str, Any]) -> frozenset[str]:
    """The words by which a name tells somebody from others, folded: without titles, particles (`de`) and initials."""
    parts = [*stated(name, "given"), str(name.get("family", ""))]
    told = " ".join(parts).strip() or str(name.get("text", ""))
    found = fold(told.replace(".", " ")).split()
    return frozenset(word for word in found if len(word) > 1 and word not in _NOT_NAMES)
