"""What stands where the number of an account does (PID-18) and cannot be one: it would be the key of visits."""

from __future__ import annotations

import re

from canonical import identifiers
from mappings.convert.misplaced.plausible import VISITS
from mappings.convert.registry import Value
from mappings.tables.table import codes

_OF_PERSONS = frozenset(("SS", "CPF", "CNS"))
_PRINTED_CPF = re.compile(r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}\Z")


def as_printed(text: str) -> str:
    """The digits of a CPF with its points and stroke and right check digits; empty for any other text."""
    number = identifiers.compact(text) if _PRINTED_CPF.match(text) else ""
    return number if identifiers.is_cpf(number) else ""


def no_account(value: Value) -> bool:
    """Whether PID-18 holds a social security number, CPF or CNS (PID-19, a field early), one of those in PID-3 or, with
    its type or without type and authority, any number of the patient, or a CPF as it is printed: one account of a whole
    life; or one letter, a marital status (PID-16); or that letter stands in PID-15, PID-16 and 19 are empty, and a bare
    number here may be the one of PID-19, all a field early.

    A visit's or account's number among the patient's (PID-3 `AN`) is not his.
    """
    if value.source.segment != "PID":
        return False
    if _bare_number_of_the_patient(value) or _all_early(value) or as_printed(value.text(1)):
        return True
    letter = len(value.text(1)) == 1 and value.text(1).isalpha()
    named = [value.text(n) for n in (1, 4, 5)]
    others = [other for other in value.siblings(3) if other.text(5) not in VISITS]
    own = any(
        other.text(1) == named[0]
        and (
            bool({other.text(4), other.text(5)} & _OF_PERSONS)
            or (named[2] and [other.text(4), other.text(5)] == named[1:])
        )
        for other in others or value.siblings(3)
    )
    return bool({value.text(4), value.text(5)} & _OF_PERSONS) or letter or bool(own)


def _all_early(value: Value) -> bool:
    """Whether PID-18 is bare, and PID-15, a language, the letter of a marital status, with nothing in PID-16 and 19."""
    letter = value.other(15) in codes("hl70002") and len(value.other(15)) == 1
    return letter and not value.other(16) and not value.other(19) and not (value.text(4) or value.text(5))


def _bare_number_of_the_patient(value: Value) -> bool:
    """Whether PID-18, of no authority, type or house, is a number of PID-2, 3, 4 or 19: all visits would be one."""
    number = value.text(1)
    if not number or any((value.text(4), value.text(4, 2), value.text(5), value.text(6))):
        return False
    return any(number == other.text(1) for field in (2, 3, 4, 19) for other in value.siblings(field))
