"""A stay of an inpatient as the tables of the resumo de internação read it: days, kind, end, diagnoses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from canonical.codes import CID10, TUSS
from hub.records.projections import target
from mappings.table import codes

_ENDINGS = f"{TUSS}39"
_MOST_DIAGNOSES = 4
_SURGICAL = "3"
_WHOLE = "4"  # tipoFaturamento: the whole stay, billed once


def is_inpatient(encounter_class: str) -> bool:
    """Whether the charges of a visit of this class go on a resumo de internação."""
    return encounter_class in codes("tiss-internacao")


def stay(
    encounter: Mapping[str, Any], conditions: Mapping[str, Mapping[str, Any]], billed: Sequence[str]
) -> dict[str, Any]:
    """The record of a stay; `billed` are the procedure codes, of which the first surgical one leads."""
    period = encounter.get("period", {})
    start, end = str(period.get("start", "")), str(period.get("end", ""))
    leading = next((code for code in billed if code.startswith(_SURGICAL)), next(iter(billed), ""))
    return {
        "from_date": start[:10],
        "from_time": start[11:19],
        "until_date": end[:10],
        "until_time": end[11:19],
        "leading_code": leading,
        "ending": ending_of(encounter.get("hospitalization", {}).get("dischargeDisposition", {})),
        "diagnoses": diagnoses_of(encounter, conditions),
        "billing": _WHOLE,
    }


def ending_of(disposition: Mapping[str, Any]) -> str:
    """motivoEncerramento: the code of table 39 where that was sent, else through the table of dispositions."""
    known = codes("tiss-motivo-encerramento")
    for coding in disposition.get("coding", ()):
        code = str(coding.get("code", ""))
        if coding.get("system") == _ENDINGS:
            return code
        if code in known:
            return known[code]
    return ""


def diagnoses_of(encounter: Mapping[str, Any], conditions: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """CID-10 without dot (the form the guide wants), in the order of the visit's diagnoses."""
    found: dict[str, None] = {}
    for named in encounter.get("diagnosis", ()):
        body = conditions.get(target(named.get("condition"), "Condition") or "", {})
        for coding in body.get("code", {}).get("coding", ()):
            if coding.get("system") == CID10 and coding.get("code"):
                found[str(coding["code"]).replace(".", "")] = None
    return list(found)[:_MOST_DIAGNOSES]


def conditions_of(encounter: Mapping[str, Any]) -> list[str]:
    """The ids of the conditions a visit names."""
    return [i for named in encounter.get("diagnosis", ()) if (i := target(named.get("condition"), "Condition"))]
