"""How a patient was admitted, which says whether a visit was elective or urgent (ANS table 23)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from canonical.codes import V2
from mappings.tables.table import codes

_TYPES = f"{V2}0007"  # admission type, PV1-4
_EMERGENCY = "EMER"
_TABLE = "tiss-admissao"


def character(encounter: Mapping[str, Any]) -> str:
    """The character of a visit (ANS table 23) by its type of admission (table 0007), urgent where it is or began as an
    emergency, whatever its type; empty where neither says it."""
    classes = [encounter.get("class", {}), *(one.get("class", {}) for one in encounter.get("classHistory", ()))]
    if any(one.get("code") == _EMERGENCY for one in classes):
        return codes(_TABLE)[_EMERGENCY]
    codings = (coding for concept in encounter.get("type", ()) for coding in concept.get("coding", ()))
    told = (codes(_TABLE).get(str(c.get("code", "")), "") for c in codings if c.get("system") == _TYPES)
    return next((one for one in told if one), "")
