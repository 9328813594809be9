"""Keys that join the rows of views (SQL on FHIR v2): of a resource its id, of a reference the id it names."""

from __future__ import annotations

from fhir.definitions.table import resource_types
from fhir.fhirpath.items import Item, of


def resource_key(focus: list[Item]) -> list[Item]:
    """The keys of the resources among `focus`."""
    found = (item.value.get("id") for item in focus if isinstance(item.value, dict) and item.type in resource_types())
    return [of("String", key) for key in found if isinstance(key, str)]


def reference_key(focus: list[Item], wanted: str = "") -> list[Item]:
    """The keys that relative and absolute references of `focus` name; with `wanted` only those to that type."""
    keys = []
    for item in focus:
        literal = item.value.get("reference") if isinstance(item.value, dict) else None
        kind, _, key = "/".join(str(literal or "").partition("/_history/")[0].split("/")[-2:]).partition("/")
        if key and kind in resource_types() and wanted in ("", kind):
            keys.append(of("String", key))
    return keys
