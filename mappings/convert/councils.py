"""Numbers of professionals as keys, wherever a message has them: councils with their state, or who gave a local one."""

from __future__ import annotations

import re

from canonical.codes import CNS, CPF, LOCAL, SID, council_of, is_wrong, local_system, professional_system
from canonical.councils import is_council, lacks_council, printed
from canonical.records import Key
from mappings.convert.registry import Context, Value

STATES = "council-state"
_ANY, _UNNAMED = "*", "?"
_NUMBER, _AUTHORITY, _KIND, _FACILITY, _STATE = 1, 9, 13, 14, 22  # of an XCN
_OCCUPATION = re.compile(r"(?:22[0-9]{2}|251[56]|32[24][0-9]|515[0-9])[0-9]{2}\Z")  # CBO families of health
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
    in XCN-9 gave nobody a number; it is told.
    """
    number, authority, kind = (value.text(part) for part in (_NUMBER, _AUTHORITY, _KIND))
    if _OCCUPATION.match(authority):
        context.problems.append(value.problem("field.misplaced", _AUTHORITY))
        authority = ""
    if not number:
        whole = (t for n in (_AUTHORITY, *_ASTRAY) if of_council(t := value.text(n)) and not is_council(t))
        number, authority = next(whole, ""), ""
        if not number:
            return None
    if not any(map(is_council, (authority, kind))):
        kind = next((text for part in _ASTRAY if is_council(text := value.text(part))), kind)
    return professional_key(context, number, kind.upper(), (authority, value.text(_FACILITY), value.text(_STATE)), "DN")


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
