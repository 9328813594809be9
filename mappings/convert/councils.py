"""Numbers of professionals as keys, wherever a message has them: councils with their state, or who gave a local one."""

from __future__ import annotations

import re
from typing import Any

from canonical import identifiers
from canonical.codes import (
    CBO,
    CNS,
    CPF,
    LOCAL,
    SID,
    council_of,
    is_wrong,
    local_codes,
    local_system,
    professional_system,
)
from canonical.councils import is_council, lacks_council, printed
from canonical.records import Key
from mappings.convert.published import coding_of
from mappings.convert.registry import Context, Value
from mappings.convert.titles import TITLES

STATES = "council-state"
CATEGORIES = "council-category"
_ANY, _UNNAMED = "*", "?"
_NUMBER, _AUTHORITY, _KIND, _FACILITY, _STATE = 1, 9, 13, 14, 22  # of an XCN
_OCCUPATION = re.compile(r"(?:22[0-9]{2}|251[56]|32[24][0-9]|515[0-9])[0-9]{2}\Z")  # CBO families of health
_CBO = frozenset(("CBO", "CBO2002", "CBO-2002"))
_DEGREE = 7
_ASTRAY = (8, 7)  # source table and degree, where senders put the council too


def professional_key(context: Context, number: str, kind: str, told_by: tuple[str, str, str], default: str) -> Key:
    """The key of a professional's number of type `kind`, told by these: its authority, facility and state.

    Where nobody is named who gave it, or a CPF or CNS is wrong by its check digits, the number is the facility's
    (XCN-14), else the sender's own, of type `default`.
    A council without its state has the one that `codes/council-state.csv` gives it, in which an overlay says its
    sender's: a state (`SP`), or the register with it (`CRM-SP`); `*` stands for any council. `?` names the council of
    numbers that come with a state alone (`123456/SP`), which is nobody's word otherwise.
    """
    authority, facility, state = told_by
    system, compact = professional_system(kind, authority, state, number)
    if system.startswith(LOCAL) and lacks_council(number) and (usual := context.codes(STATES).get(_UNNAMED)):
        system, compact = professional_system(usual, "", "", number)
    if system.startswith(f"{LOCAL}:local:") or is_wrong(system, compact):
        return Key(local_system(facility or context.sender, kind or default), compact)
    council = council_of(system)
    if council is not None and not council[1]:
        states = context.codes(STATES)
        if usual := states.get(council[0].upper(), states.get(_ANY, "")):
            system = f"{SID}/{usual.lower()}" if "-" in usual else f"{system}-{usual.lower()}"
    return Key(system, compact)


def numbered(value: Value, context: Context) -> Key | None:
    """The key of an XCN: its number, by the council that XCN-9, 13, or in their place XCN-7 or 8 name; else None.

    A council with the number (`CRM-SP 123456`) in XCN-9, 8 or 7 is the number where XCN-1 has none. An occupation (CBO)
    in XCN-9 gave nobody a number, and in XCN-1 is none; it is told.
    """
    number, authority, kind = (value.text(part) for part in (_NUMBER, _AUTHORITY, _KIND))
    authority = authority or value.text(_AUTHORITY, 2)  # an OID or a domain alone
    if place := occupation_place(value):
        lost = place == _NUMBER and not _numbered_council(value)  # nobody's record without a number
        context.problems.append(value.problem("field.misplaced" if lost else "field.occupation-place", place))
        number, authority = ("", "") if place == _NUMBER else (number, "")
    if not number:
        number, authority = _numbered_council(value), ""
        if not number:
            return None
    if beside := _behind(value):
        number, authority, kind = beside[1], beside[0], ""
    if not any(map(is_council, (authority, kind))):
        kind = next((text for part in _ASTRAY if is_council(text := value.text(part))), kind)
    return professional_key(context, number, kind.upper(), (authority, value.text(_FACILITY), value.text(_STATE)), "DN")


def _behind(value: Value) -> tuple[str, str] | None:
    """A council and its number in XCN-12 and 13 (`50121^Moura^Ines^^^^^^^^^CRMSP^112233`); None where none is there."""
    council, number = value.text(_KIND - 1), value.text(_KIND)
    return (council, number) if number.isdigit() and is_council(council) else None


def further(value: Value, context: Context) -> Key | None:
    """The number in XCN-1 of the house's own, where that of the council stands behind the name (XCN-12, 13)."""
    number = value.text(_NUMBER)
    if not number or _behind(value) is None:
        return None
    return professional_key(context, number, "", (value.text(_AUTHORITY), value.text(_FACILITY), ""), "DN")


def _numbered_council(value: Value) -> str:
    """A council with the number in XCN-9, 8 or 7; empty where none is there."""
    return next((t for n in (_AUTHORITY, *_ASTRAY) if of_council(t := value.text(n)) and not is_council(t)), "")


def occupation_place(value: Value) -> int:
    """The component in which an occupation (CBO) stands for the number (XCN-1) or for who gave it (XCN-9); 0 if none.

    Six digits alone may be a council's number. They are an occupation where XCN-9 or 13 says CBO, or the number of the
    council stands whole in another component.
    """
    if _OCCUPATION.match(value.text(_AUTHORITY)):
        return _AUTHORITY
    number, named = value.text(_NUMBER), {value.text(_AUTHORITY).upper(), value.text(_KIND).upper()}
    if identifiers.is_cbo(number) and not named.isdisjoint(_CBO):
        return _NUMBER
    return _NUMBER if _OCCUPATION.match(number) and _numbered_council(value) else 0


def qualifications(value: Value, context: Context, key: Key) -> list[dict[str, Any]]:
    """What an XCN says a professional is: the occupation (CBO), a degree (table 0360), the category that a council's
    number has behind it (`123.456-ENF`), by `codes/council-category.csv`."""
    found: list[dict[str, Any]] = []
    degree, place = value.text(_DEGREE), occupation_place(value)
    occupations = [text for text in (degree, value.text(place) if place else "") if identifiers.is_cbo(text)]
    found += [{"coding": [{"system": CBO, "code": text}]} for text in dict.fromkeys(occupations)]
    if degree and not (occupations[:1] == [degree] or degree.upper().rstrip(".") in context.codes(TITLES)):
        found += [] if of_council(degree) else [{"coding": [coding_of("0360", degree)]}]
    if category := _category(value, context, key):
        found.append(category)
    return [{"code": concept} for concept in found]


def _category(value: Value, context: Context, key: Key) -> dict[str, Any] | None:
    """The category of a council's number as a concept, with its name where the table has it."""
    council = council_of(key.system)
    inside = printed(value.text(_NUMBER) or _numbered_council(value)) if council else None
    if council is None or inside is None or not inside.category:
        return None
    register = council[0].upper()
    name = context.codes(CATEGORIES).get(f"{register}:{inside.category}", "")
    coding = {"system": local_codes(register), "code": inside.category, **({"display": name} if name else {})}
    return {"coding": [coding], **({"text": name} if name else {})}


def of_council(text: str) -> bool:
    """Whether a text is a council, or a council's number, and so no degree."""
    return is_council(text) or ((found := printed(text)) is not None and bool(found.council))


def tell_wrong(value: Value, context: Context, key: Key) -> None:
    """Tell of a professional's CPF or CNS with wrong check digits, and of a number with its state and no council
    (`123456/SP`): each is then a number of the sender's own."""
    if key.system.startswith(LOCAL) and lacks_council(value.text(_NUMBER)):
        context.problems.append(value.problem("semantic.number-without-council"))
    kinds = {value.text(13).upper(), value.text(9).upper()}
    for name, register in (("CPF", CPF), ("CNS", CNS)):
        if name in kinds and is_wrong(register, key.value):
            context.problems.append(value.problem(f"identifier.{name.lower()}"))
