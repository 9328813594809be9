"""How a person is called, read from a HumanName (FHIR R4 §2.24.0.18)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def stated(value: Mapping[str, Any], element: str) -> list[str]:
    """The texts of a repeating element; an item with an extension alone is null (R4 §2.6.2.2), no text."""
    return [str(item) for item in value.get(element, ()) if item is not None]


def whole(name: Mapping[str, Any]) -> str:
    """A name as one text: its own, else given names and family name."""
    return str(name.get("text") or " ".join([*stated(name, "given"), name.get("family", "")]).strip())


def first(person: Mapping[str, Any]) -> str:
    """The first name of a person as one text, as a guide shows it; empty when there is none."""
    return whole((person.get("name") or [{}])[0])
