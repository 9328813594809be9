"""Numbers of professionals' councils as senders print them: `CRM/SP 123.456`, `1234 CRO-PR`, `COREN-SP 123.456-ENF`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

STATES = frozenset(
    "AC AL AM AP BA CE DF ES GO MA MG MS MT PA PB PE PI PR RJ RN RO RR RS SC SE SP TO".split()  # noqa: SIM905
)
# Councils of health professions; each register is one of council and state (BR Core). Some of medicine go by a name of
# their own: `codes/council-state.csv` says whose they are.
OF_MEDICINE = "CREMESP|CREMERJ|CREMERS|CREMEB|CREMEC|CREMEPE|CREMEGO|CREMEPA|CREMAL|CREMESE"
COUNCILS = f"CRM|{OF_MEDICINE}|COREN|CRO|CRFA|CRF|CREFITO|CREFONO|CREF|CRESS|CRP|CRN|CRBM|CRBIO|CRTR|CRV|CRMV"
_REGIONAL = "CREFITO|CREFONO|CRFA|CRN|CRBM|CRBIO|CRTR|CREF|CRESS"  # of a region, which has a number
_CATEGORIES = "ENF|ENFA|OBST|OBS|TEC|AUX|PROV|[A-Z]{1,2}"  # of COREN, CREFITO and others, behind the number
NAMED = re.compile(rf"({COUNCILS})[-/ .]?(?:([A-Z]{{2}})|([0-9]{{1,2}}))?\Z")
_GAP = r"[-/ .:]{0,3}"
_DIGITS = r"[0-9][0-9.]*(?:-[0-9]{1,6}){0,2}"
_TAIL = rf"(?:[-/ .]{{0,3}}(?P<category>{_CATEGORIES}))?(?:[-/ ]{{0,3}}(?P<behind>[A-Z]{{2}}))?\Z"
_FORMS = tuple(
    re.compile(form)
    for form in (
        rf"(?P<council>CRP){_GAP}(?P<before>[A-Z]{{2}})?{_GAP}(?P<number>[0-9]{{1,2}}/[0-9][0-9.-]+)\Z",
        rf"(?P<council>{_REGIONAL})[-/ .]{{0,2}}(?P<region>[0-9]{{1,2}})[ªAº]?[-/ ]{{1,3}}"
        rf"(?P<number>[0-9][0-9.]{{2,}})(?:[-/ .]{{0,3}}(?P<category>{_CATEGORIES}))?\Z",
        rf"(?:(?P<council>{COUNCILS}){_GAP})?(?P<before>[A-Z]{{2}})?[-/ :]{{0,3}}(?P<number>{_DIGITS}){_TAIL}",
        rf"(?P<number>[0-9][0-9.]{{0,9}}){_GAP}(?P<council>{COUNCILS}){_GAP}(?P<before>[A-Z]{{2}})?\Z",
    )
)
_NO_COUNCIL = re.compile(r"(?:([A-Z]{2})[-/ ]?)?[0-9][0-9.]{2,7}(?:-[0-9])?(?:[-/ ]([A-Z]{2}))?\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Printed:
    """A number as it was printed: the council's name and its state or region, each empty where none is there."""

    council: str
    place: str
    number: str
    marked: bool  # whether more than the digits is there
    category: str  # the letters of a category of the council (`ENF`), empty where none is there


@lru_cache(maxsize=1024)
def printed(text: str) -> Printed | None:
    """What a number says of its council; None where it has none of the known forms."""
    for form in _FORMS:
        if match := form.match(text.upper().strip()):
            parts = match.groupdict()
            letters = [parts.get(name) or "" for name in ("before", "behind", "category")]
            place = parts.get("region") or next((one for one in letters if one in STATES), "")
            council, category = parts["council"] or "", letters[-1] if letters[-1] != place else ""
            marked = bool(council or any(letters))
            return Printed(council=council, place=place, number=parts["number"], marked=marked, category=category)
    return None


def is_council(text: str) -> bool:
    """Whether a text names a council, with or without its state or region (`CRM-SP`, `CREFITO 3`)."""
    return NAMED.match(text.upper().strip()) is not None


def lacks_council(text: str) -> bool:
    """Whether a number has a state and no council (`123456/SP`, `SP 123456`): one of a council that is not named."""
    match = _NO_COUNCIL.match(text.upper().strip())
    return match is not None and (match[1] in STATES) != (match[2] in STATES)
