"""Services, specialities and positions that stand where a professional of a visit belongs (2.5.1 §3.4.3.10)."""

from __future__ import annotations

from typing import Any

from canonical.identity import unaccented
from mappings.convert.datatypes import cwe
from mappings.convert.misplaced.plausible import SERVICES, misplaced_if
from mappings.convert.registry import Context, Value, rescue

_TABLE, _SERVICE = "service-words", "service"
_NAMED = ("", "HL70069", "0069")


def no_professional(value: Value, context: Context) -> bool:
    """Whether a professional of a visit (PV1-7 to 9, 17) is `IP`, `OP`, or a service, speciality or position alone, a
    field off; told."""
    return misplaced_if(value.raw in SERVICES or bool(_kinds(value, context)), value, context)


@rescue("stray-service")
def stray_service(value: Value, context: Context, argument: str) -> Any:
    """PV1-9, who consults, as the service of the visit (PV1-10, empty then), where it is one alone; what reads the
    professional tells it."""
    return cwe(value, context, argument) if _kinds(value, context) == {_SERVICE} else None


def _kinds(value: Value, context: Context) -> set[str]:
    """What code and words of the field mean by `codes/service-words.csv`; empty where they are not all listed, or more
    is said than these and the table they are of."""
    if value.text(3).upper() not in _NAMED or any(value.text(part) for part in range(4, 10)):
        return set()
    listed = context.codes(_TABLE)
    said = [" ".join(unaccented(text.upper()).split()) for part in (1, 2) if (text := value.text(part))]
    return {listed[text] for text in said} if said and all(text in listed for text in said) else set()
