"""JSON Merge Patch (RFC 7396) on a parsed resource: what is named is replaced, null takes away, the rest stays."""

from __future__ import annotations

from typing import Any

from fhir.jsontext import copied


def apply(document: Any, changes: Any) -> Any:
    """`document` with `changes` merged into it; both are left alone. Lists are replaced as a whole (§2)."""
    if not isinstance(changes, dict):
        return copied(changes)
    found = dict(document) if isinstance(document, dict) else {}
    for key, value in changes.items():
        if value is None:
            found.pop(key, None)
        else:
            found[key] = apply(found.get(key), value)
    return found
