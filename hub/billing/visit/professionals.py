"""Who performed, attended or requested, as a guide names a professional: council, number, state, name, CBO."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from canonical.codes import CPF, aliases
from canonical.names import first
from hub.records.projections import target
from mappings.tables.table import codes

UNKNOWN_CBO = "999999"  # table 24: the requester's occupation is unknown or not told
_COUNCIL = re.compile(r"/sid/([a-z]+)(?:-([a-z]{2}))?\Z")
_LOCAL = re.compile(r"urn:ponte:([a-z]+):[a-z0-9-]+\Z")
_STATED = re.compile(r"([A-Za-z]{2})[-/ ]?(\d+)\Z|(\d+)[-/ ]?([A-Za-z]{2})\Z")
_CBO = re.compile(r"(cbo|brocupacao)", re.I)


def professional(
    reference: Any, known: Mapping[str, Mapping[str, Any]], state: str, code_system: str = ""
) -> dict[str, str]:
    """The professional a reference means; `state` stands in where the council's state is not told. Empty if unknown.

    `code_system` is the system of codes at one payer: the professional's own code there is told too.
    """
    if not isinstance(reference, Mapping):
        return {}
    body = known.get(target(reference, "Practitioner") or "", {})
    identifiers = [*body.get("identifier", ()), reference.get("identifier") or {}]
    found = _council(identifiers, state)
    for system, place in ((CPF, "cpf"), (code_system, "code")):
        number = next((i.get("value") for i in identifiers if system and i.get("system") in aliases(system)), None)
        if number:
            found[place] = str(number)
    name = reference.get("display") or first(body)
    if name:
        found["name"] = name
    if cbo := _cbo(body.get("qualification", ())):
        found["cbo"] = cbo
    return found


def leading(participants: Iterable[Mapping[str, Any]]) -> Any:
    """The reference of who is in charge of a visit: the attending professional, else the first one named."""
    named = [found for found in participants if found.get("individual")]
    for role in ("ATND", "PPRF", ""):
        for found in named:
            roles = [coding.get("code") for kind in found.get("type", ()) for coding in kind.get("coding", ())]
            if not role or role in roles:
                return found["individual"]
    return None


def occupation(performer: Any) -> str:
    """The CBO a ChargeItem performer states in its function; empty when it does not."""
    function = performer.get("function", {}) if isinstance(performer, Mapping) else {}
    return _cbo([{"code": function}])


def _council(identifiers: Iterable[Mapping[str, Any]], state: str) -> dict[str, str]:
    local: dict[str, str] = {}
    for identifier in identifiers:
        system, value = str(identifier.get("system", "")), str(identifier.get("value", ""))
        if not value:
            continue
        if (match := _COUNCIL.search(system)) and match[1] in codes("tiss-conselho"):
            number, told = _number(value)
            place = (match[2] or told or state).upper()
            return {"council": match[1], "number": number, **({"state": place} if place else {})}
        if (match := _LOCAL.match(system)) and not local:
            number, told = _number(value)
            local = {"council": match[1], "state": told or state, "number": number}
    return {name: text for name, text in local.items() if text}


def _number(value: str) -> tuple[str, str]:
    """The digits of a council number, and the state written into it (`123456/SP`), if any."""
    match = _STATED.match(value.strip())
    if match is None:
        return value.strip(), ""
    return (match[2], match[1].upper()) if match[1] else (match[3], match[4].upper())


def _cbo(qualifications: Iterable[Mapping[str, Any]]) -> str:
    for qualification in qualifications:
        for coding in qualification.get("code", {}).get("coding", ()):
            code = str(coding.get("code", ""))
            if _CBO.search(str(coding.get("system", ""))) and len(code) == 6 and code.isdigit():
                return code
    return ""
