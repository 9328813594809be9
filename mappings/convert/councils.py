"""Numbers of professionals as keys, wherever a message has them: councils with their state, or who gave a local one."""

from __future__ import annotations

from canonical.codes import CNS, CPF, LOCAL, SID, council_of, is_wrong, local_system, professional_system
from canonical.records import Key
from mappings.convert.registry import Context, Value

STATES = "council-state"
_ANY = "*"


def professional_key(context: Context, number: str, kind: str, told_by: tuple[str, str, str], default: str) -> Key:
    """The key of a professional's number of type `kind`, told by these: its authority, facility and state.

    Where nobody is named who gave it, or a CPF or CNS is wrong by its check digits, the number is the facility's
    (XCN-14), else the sender's own, of type `default`.
    A council without its state has the one that `codes/council-state.csv` gives it, in which an overlay says its
    sender's: a state (`SP`), or the register with it (`CRM-SP`); `*` stands for any council.
    """
    authority, facility, state = told_by
    system, compact = professional_system(kind, authority, state, number)
    if system.startswith(f"{LOCAL}:local:") or is_wrong(system, compact):
        return Key(local_system(facility or context.sender, kind or default), compact)
    council = council_of(system)
    if council is not None and not council[1]:
        states = context.codes(STATES)
        if usual := states.get(council[0].upper(), states.get(_ANY, "")):
            system = f"{SID}/{usual.lower()}" if "-" in usual else f"{system}-{usual.lower()}"
    return Key(system, compact)


def tell_wrong(value: Value, context: Context, key: Key) -> None:
    """Tell of a professional's CPF or CNS with wrong check digits, which is then a number of the sender's own."""
    kinds = {value.text(13).upper(), value.text(9).upper()}
    for name, register in (("CPF", CPF), ("CNS", CNS)):
        if name in kinds and is_wrong(register, key.value):
            context.problems.append(value.problem(f"identifier.{name.lower()}"))
