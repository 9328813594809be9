"""Documents (R4 §3.3): a Bundle of type document, its Composition first, every entry under the address others use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def document(
    identifier: Mapping[str, str], timestamp: str, entries: Sequence[tuple[str, Mapping[str, Any]]]
) -> dict[str, Any]:
    """The Bundle of `entries` (fullUrl, resource); `identifier` names it for good (bdl-9), `timestamp` is an instant.

    Raises ValueError when the first entry is no Composition (bdl-11).
    """
    if not entries or entries[0][1].get("resourceType") != "Composition":
        raise ValueError("the first entry of a document is its Composition")
    return {
        "resourceType": "Bundle",
        "identifier": dict(identifier),
        "type": "document",
        "timestamp": timestamp,
        "entry": [{"fullUrl": url, "resource": dict(resource)} for url, resource in entries],
    }
