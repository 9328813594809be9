"""Services, specialities and positions that stand where a professional of a visit belongs (2.5.1 §3.4.3.10)."""

from __future__ import annotations

from typing import Any

from canonical.identity import unaccented
from mappings.convert.datatypes import cwe
from mappings.convert.misplaced.plausible import SERVICES, misplaced_if
from mappings.convert.registry import Context, Value, rescue

_TABLE, _SERVICE = "service-words", "service"
_NAMED = ("", "HL70069", "0069")
_LOCAL = "99"


def no_professional(value: Value, context: Context) -> bool:
    """Whether a professional of a visit (PV1-7 to 9, 17) is `IP`, `OP`, or a service, speciality or position alone, a
    field off, or a code of a local system (`99SERV`, table 0396), as no given name is; told."""
    wrong = value.raw in SERVICES or value.text(3).startswith(_LOCAL) or bool(_kinds(value, context))
    return misplaced_if(wrong, value, context)


@rescue("stray-service")
def stray_service(value: Value, context: Context, argument: str) -> Any:
    """PV1-9, who consults, as the service of the visit (PV1-10, empty then), where it is one alone; what reads the
    professional tells it."""
    return cwe(value, context, argument) if _kinds(value, context) == {_SERVICE} else None


def _kinds(value: Value, context: Context) -> set[str]:
    """What code and words of the field mean by `codes/service-words.csv`; empty where they are not all listed, or more
    is said than these and the table they are of."""
    named = value.text(3).upper() in _NAMED or _of_house(value, context)
    if not named or any(value.text(part) for part in range(4, 10)):
        return set()
    listed = context.codes(_TABLE)
    parts = (2,) if _of_house(value, context) else (1, 2)  # a code of the house may be any
    said = [" ".join(unaccented(text.upper()).split()) for part in parts if (text := value.text(part))]
    return {listed[text] for text in said} if said and all(text in listed for text in said) else set()


def _of_house(value: Value, context: Context) -> bool:
    """Whether XCN-3 is a coding system of the house: `L`, `99…` (table 0396), or begins as the sender is called."""
    system, header = value.text(3).upper(), context.message.header
    senders = tuple(name for number in (3, 4) if len(name := header.text(number).upper()) > 1)
    return system == "L" or system.startswith(_LOCAL) or (bool(senders) and system.startswith(senders))
