"""Conversions to business keys: what finds a record again (targets `@key`, `@part`), and identifiers equal to them."""

from __future__ import annotations

import re
from typing import Any

from canonical import codes as systems
from canonical import identifiers
from canonical.records import Key
from mappings.convert.misplaced.accounts import as_printed, no_account
from mappings.convert.misplaced.charged import shared_transaction, shifted_charge
from mappings.convert.misplaced.plausible import (
    is_person,
    misplaced_if,
    no_moment,
    one_letter,
    says_no_number,
    visit_for_patient,
    without_digit,
)
from mappings.convert.misplaced.visits import counted_visit, late_visit
from mappings.convert.registry import Context, Value, conversion, place
from mappings.convert.text import listed
from mappings.tables.table import codes

_ACCOUNT = 18  # PID
_MOTHERS_OWN = 21  # PID
_SHORTEST_NUMBER = 4
_MOTHER = "v3-RoleCode|MTH|"
_REGISTRO = re.compile(r"ANS[-. ]?([0-9]{5}-?[0-9])\Z", re.IGNORECASE)
_WORDS = re.compile(r"[^\W\d_]{3}[^\d_]*\Z")
_OF_ONE = frozenset(("RF1", "OBX", "PRB", "GOL", "PTH"))  # segments whose number is of one thing, not of a day
_APPOINTMENTS = frozenset(("SCH", "ARQ"))
_SINGLE_NUMBERS = frozenset((("ORC", 2), ("ORC", 3), ("OBR", 2), ("OBR", 3)))


@conversion("cx-key")
def cx_key(value: Value, context: Context, argument: str) -> Any:
    """CX as key, compared with assigning authority and type, never bare; `argument` is the type when none is sent.

    A number without authority is of the facility that gave it (CX-6): one system sends those of two houses.

    A word that says there is no number ("desconhecido") is none, nor is one digit over and over as social security.
    """
    typed, number = behind_its_type(value)
    if (
        says_no_number(number)
        or is_name(value)
        or visit_for_patient(value)
        or (value.source.field == _ACCOUNT and no_account(value))
    ):
        return None
    authority = value.text(4) or ("" if value.text(4, 2) else value.text(6) or context.sender)
    kind = typed or value.text(5).upper() or argument
    if kind == "SS" and _one_digit(number):
        return None
    system, compact = systems.identifier_system(kind, authority, value.text(4, 2), number)
    return None if of_the_mother(system, compact, value, context) else Key(system, compact)


def behind_its_type(value: Value) -> tuple[str, str]:
    """The number of a CX, and its type where that stands before it: the name of a document in CX-1
    (`codes/document-names.csv`), and in CX-2, the check digit, more than one has (`PP^X1234567`). As key the name would
    make one person of all who have such a document. Or behind it, in CX-2 (`1234567^CC`)."""
    number, behind = value.text(1), value.text(2)
    if not behind or value.text(5):
        return "", number
    if not number.isalpha():
        named = "" if value.text(3) or not behind.isalpha() else codes("document-names").get(behind.upper())
        return named or "", number
    kind = codes("document-names").get(number.upper()) if len(behind) >= _SHORTEST_NUMBER else None
    return (kind, behind) if kind and any(map(str.isdigit, behind)) else ("", number)


@conversion("printed-cpf-key")
def printed_cpf(value: Value, context: Context, argument: str) -> Key | None:
    """The CPF that stands where a licence does (PID-20), a field behind PID-19: with its points and stroke, as no
    licence is written, and right check digits. Not the mother's."""
    number = as_printed(value.raw)
    if not number or of_the_mother(systems.CPF, number, value, context):
        return None
    return Key(systems.CPF, number)


def is_name(value: Value) -> bool:
    """Whether a number of the patient (PID-2 to 4) is the name, a field or more early: words alone, with others where
    the check digit belongs. As key it would make one person of all of that surname. Or whether PV1-5, the number of a
    pre-admission, is a person: a check digit and its method are no surname and given name."""
    if (value.source.segment, value.source.field) == ("PV1", 5):
        return len(value.text(2)) > 1 and all(_WORDS.match(value.text(n)) for n in (2, 3))
    words = _WORDS.match(value.text(1)) and _WORDS.match(value.text(2))
    return bool(words) and value.source.segment == "PID" and not any(value.text(n) for n in range(4, 8))


def _one_digit(number: str) -> bool:
    """Whether a number is one digit over and over (`000-00-0000`, `999999999`): it is written where nobody knows it.

    As key it would make one person of all of them.
    """
    digits = number.replace("-", "").replace(".", "").replace(" ", "")
    return digits.isdigit() and len(set(digits)) == 1


def of_the_mother(system: str, number: str, value: Value, context: Context) -> bool:
    """Whether a CPF or CNS of the patient is in the same message the mother's (NK1-33), as a newborn is sent that has
    none yet: mother and child would be one person. It is told.
    """
    if value.source.segment != "PID" or value.source.field == _MOTHERS_OWN or system not in (systems.CPF, systems.CNS):
        return False
    if (system, number) not in context.once("numbers of the mother", lambda: _of_mothers(context)):
        return False
    context.problems.append(value.problem("semantic.number-of-mother"))
    return True


def _of_mothers(context: Context) -> frozenset[tuple[str, str]]:
    """The national numbers of the mother of the one patient of a message."""
    if sum(1 for _ in context.message.named("PID")) != 1:
        return frozenset()
    found = set()
    for kin in context.message.named("NK1"):
        said = (listed(context.codes("hl70063"), kin.text(3, part)) for part in (1, 2))
        if not any(_MOTHER in (one or "") for one in said):
            continue
        for raw in kin.repetitions(33):
            one = Value(raw, place("NK1", 33), kin)
            found.add(systems.identifier_system(one.text(5).upper(), one.text(4), one.text(4, 2), one.text(1)))
    return frozenset(found)


@conversion("visit-key")
def visit_key(value: Value, context: Context, argument: str) -> Any:
    """The visit number of PV1-19 (or PV1-50, PID-18) as key; the facility that gave it (CX-6), else the sending one,
    scopes one without authority. Zeros, signs or a word for no number are none: it would be the visit of all.

    A number in PV1-18 that says so (type VN) is it: what stands in PV1-19 then would join the visits of many, as a
    professional there would join all of his patients.
    """
    value = _meant(value)
    number = value.text(1)
    if says_no_number(number) or counted_visit(value) or is_person(value):
        return None
    if value.source.field == _ACCOUNT and no_account(value):
        return None
    authority = value.text(4) or value.text(4, 2) or value.text(6) or context.sender
    return Key(systems.local_system(authority, argument or "VN"), number)


@conversion("visit-number-key")
def visit_number_key(value: Value, context: Context, argument: str) -> Any:
    """PV1-19 as key of a visit. A word without any digit finds none: it is a class or a payer that stands there instead
    of a number, and would make one visit of those of many patients. It stays among the identifiers."""
    key = visit_key(value, context, argument)
    return key if key is not None and any(c.isdigit() for c in key.value) else None


def _meant(value: Value) -> Value:
    """PV1-18 where it is the visit's number one field early, else the value itself."""
    early = value.source.segment == "PV1" and value.source.field == 19 and value.other(18, 5) == "VN"
    return value.sibling(18) if early and not value.text(5) else value


@conversion("visit-identifier")
def visit_identifier(value: Value, context: Context, argument: str) -> Any:
    """The visit number as Identifier (type `argument`, VN by default), in its key's system; one letter is none, nor is
    a class before a number that stands a field late, nor a count of visits, nor a professional."""
    if one_letter(value) or late_visit(value) or counted_visit(value) or is_person(value):
        context.problems.append(value.problem("field.misplaced"))
        return None
    if _meant(value) is not value or (value.source.field == _ACCOUNT and no_account(value)):
        context.problems.append(value.problem("field.misplaced"))
    return _typed(visit_key(value, context, argument), argument or "VN")


@conversion("ei-key")
def ei_key(value: Value, context: Context, argument: str) -> Any:
    """EI (order, appointment or specimen number) as key; `argument` is its 0203 type: PLAC, FILL…"""
    number = value.text(1)
    if value.source.segment in _OF_ONE and no_moment(value, context):  # the number of all of that moment
        return None
    of_many = value.source.segment == "PRB" or (argument == "PGN" and value.source.segment in _APPOINTMENTS)
    if of_many and misplaced_if(without_digit(value), value, context):
        return None
    if _further_number(value):
        context.problems.append(value.problem("structure.repetition-lost", target="@key"))
        return None
    if not number and not value.text(4) and (not value.text(2) or value.source.segment == "TXA"):
        return _unnamed(value, context, argument)
    if not number:
        return None
    if value.text(3).startswith(("http://", "https://", "urn:")):  # a number of ours comes back with its own system
        return Key("".join(value.text(3).split()), number)
    authority = value.text(2) or value.text(3)
    return Key(systems.local_system(authority or context.sender, argument), number, loose=not authority)


def _further_number(value: Value) -> bool:
    """Whether a number stands behind the first in a field of an order that does not repeat (ORC-2, 3, OBR-2, 3): it is
    a part of the number (`A78~001`), and by itself that of many orders."""
    source = value.source
    if (source.segment, source.field) not in _SINGLE_NUMBERS:
        return False
    return value.raw != next(iter(value.segment.repetitions(source.field)), value.raw).strip(" ")


def _unnamed(value: Value, context: Context, argument: str) -> Key | None:
    """A number alone in the third component (`^^12345`), where an EI has its universal id: some senders' TXA-12, there
    also behind who gave it (`^ARQUIVO^12345`)."""
    number, authority = value.text(3), value.text(2)
    if not number:
        return None
    return Key(systems.local_system(authority or context.sender, argument), number, loose=not authority)


@conversion("ei-identifier")
def ei_identifier(value: Value, context: Context, argument: str) -> Any:
    """EI as Identifier with its type, in the system its key has."""
    return _typed(ei_key(value, context, argument), argument)


@conversion("ei")
def ei(value: Value, context: Context, argument: str) -> Any:
    """EI as plain Identifier (a group number)."""
    key = ei_key(value, context, argument)
    return {"system": key.system, "value": key.value} if key else None


@conversion("transaction-key")
def transaction_key(value: Value, context: Context, argument: str) -> Any:
    """FT1-2, the transaction's number, as key: unique within its sender only.

    One that charges of several services share is a patient's or a bill's, and they would become one charge.
    """
    number = value.text(1)
    if not number or shifted_charge(value.segment):  # a day, which all charges of that day would share
        return None
    if shared_transaction(value, context):
        return None
    return Key(systems.local_system(context.sender, "FT1"), number)


@conversion("transaction-identifier")
def transaction_identifier(value: Value, context: Context, argument: str) -> Any:
    """FT1-2 as Identifier."""
    key = transaction_key(value, context, argument)
    if key is None and not shifted_charge(value.segment) and shared_transaction(value, context):
        context.problems.append(value.problem("field.misplaced"))
    return {"system": key.system, "value": key.value} if key else None


@conversion("part")
def part(value: Value, context: Context, argument: str) -> Any:
    """The field, as sent, as one part of what tells a record from its neighbours."""
    return (value.whole() if value.source.component else value.full()) or None


@conversion("payer-part")
def payer_part(value: Value, context: Context, argument: str) -> Any:
    """A payer's number as one part of what tells a membership from others; a registro ANS without its dash and dots."""
    text = value.whole()
    bare = identifiers.compact(text)
    return bare if identifiers.is_registro_ans(bare) else text or None


def registro_beside(value: Value, system: str) -> tuple[str, str] | None:
    """The registro ANS (system and number) of a payer beside its own number, which is of `system`: in the name of who
    gave that (`ANS326305`, IN1-3.4), or as the number of IN1-4 (XON-3, XON-10); None where it is that itself, or where
    there is none with a right check digit."""
    if value.source.segment != "IN1" or system == systems.ANS:
        return None
    authority = _REGISTRO.match(value.segment.ask(3, 4))
    said = (authority[1] if authority else "", value.segment.ask(4, 10), value.segment.ask(4, 3))
    return next(
        ((systems.ANS, bare) for s in said if identifiers.is_registro_ans(bare := identifiers.compact(s))), None
    )


@conversion("code-part")
def code_part(value: Value, context: Context, argument: str) -> Any:
    """The code of a CE, or its text when it has no code."""
    return value.text(1) or value.text(4) or value.text(2) or None


def _typed(key: Any, kind: str) -> Any:
    if key is None:
        return None
    coding = {"coding": [{"system": systems.V2_0203, "code": kind}]}
    return {"type": coding, "system": key.system, "value": key.value}
