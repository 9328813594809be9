"""What a field cannot hold, by the name of its shape (`shapes.csv` gives each field one), and what it surely is for."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from canonical.codes import coding_system
from mappings.convert.misplaced.plausible import SERVICES, UNITS, says_minutes
from mappings.tables.table import codes

_OWN = "urn:ponte:"  # what a coding system that nobody knows is called
_DAY = re.compile(r"(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])(?:[0-9]{4}(?:[0-9]{2})?)?\Z")
_YEAR = re.compile(r"(?:1[89]|20|21)[0-9]{2}")
_BED = re.compile(r"[A-Z]{0,2}[0-9]{1,4}[A-Z]?\Z")
_WORD = re.compile(r"[^\W\d_]{2}[^\d_]*\Z")
_TABLE = re.compile(r"HL7[0-9]{4}\Z")
_LETTERS = frozenset("BCEINOPRU")  # classes of a visit, table 0004
_PATIENTS = frozenset(("IN", "OUT", "INP", "OTP", "ER"))  # types of a patient in a word
_LONGEST_CODE = 5  # digits
_LONGEST_COUNT = 9  # digits
_LONGEST_SUB = 20  # characters
_SEXES = frozenset("AFIMNOU")  # table 0001
_SECTIONS = frozenset(
    ("LAB", "RAD", "HM", "CH", "MB", "MCB", "BLB", "IMM", "SR", "PAT", "CT", "RUS", "NMR")
)  # table 0074
_DIAGNOSIS = re.compile(r"[A-TV-Z][0-9]{2}(?:\.?[0-9])?\Z")
_DIAGNOSES = re.compile(r"(?:ICD-?|I|CID-?)[0-9]{1,2}(?:-?[A-Z]{1,3})?\Z")
_POSTAL = re.compile(r"[0-9]{2}\.?[0-9]{3}-?[0-9]{3}\Z")
_AMOUNT = re.compile(r"[+-]?[0-9][0-9.,]*\Z")

# The tables of codes by which shapes tell; a sender with codes of its own there is none they know.
_TABLES = {
    "name": "hl70063",
    "relationship": "hl70063",
    "address": "hl70063",
    "control": "hl70119",
    "charge": "hl70017",
    "charged": "hl70017",
    "section": "hl70123",
}


def table_of(shape: str) -> str:
    """The table of codes by which a shape tells; empty for none."""
    return shape.partition(":")[2] or _TABLES.get(shape, "")


def is_day(text: str) -> bool:
    """Whether a text is a day or a moment as HL7 writes it."""
    return bool(_DAY.match(text))


def _time(parts: Sequence[str]) -> bool:
    return len(parts) == 1 and bool(_DAY.match(parts[0]))


def _no_sequence(parts: Sequence[str]) -> bool:
    return not parts[0].isdigit()


def _no_number(parts: Sequence[str]) -> bool:
    return _time(parts) or not any(map(str.isdigit, parts[0]))


def _no_time(parts: Sequence[str]) -> bool:
    return bool(parts[0]) and not _YEAR.match(parts[0])


def _of_place(parts: Sequence[str]) -> bool:
    """Whether room or bed stand where a text or a name does: `UTI^101^A`."""
    return len(parts) > 1 and bool(_BED.match(parts[1]))


def _number_of_policy(parts: Sequence[str]) -> bool:
    """Whether a moment, or a number of six digits and more, stands where the code of a kind does."""
    return _time(parts) or (len(parts) == 1 and sum(map(str.isdigit, parts[0])) > _LONGEST_CODE)


def _card(parts: Sequence[str]) -> bool:
    """Whether a moment, or a number as long as a card's, stands where an amount, a count or a code does."""
    return _time(parts) or (len(parts) == 1 and parts[0].isalnum() and sum(map(str.isdigit, parts[0])) > _LONGEST_COUNT)


def _no_class(parts: Sequence[str]) -> bool:
    return _time(parts) or _of_place(parts)


def _no_place(parts: Sequence[str]) -> bool:
    return _time(parts) or (len(parts) == 1 and parts[0] in _LETTERS)


def _no_person(parts: Sequence[str]) -> bool:
    code = len(parts) == 1 and (parts[0] in SERVICES or parts[0] in _LETTERS)
    return code or _time(parts) or _of_place(parts) or _timed(parts)


def _no_admitter(parts: Sequence[str]) -> bool:
    """What no person is, and the type of a patient in a word (PV1-18)."""
    return _no_person(parts) or (len(parts) == 1 and parts[0].upper() in _PATIENTS)


def _timed(parts: Sequence[str]) -> bool:
    """Whether a quantity and timing stands there, with its moment in the fourth component."""
    return len(parts) > 3 and bool(_DAY.match(parts[3]))


def _named(parts: Sequence[str]) -> bool:
    """Whether two words stand behind the first component, as a surname and a given name do."""
    return len(parts) > 2 and bool(_WORD.match(parts[1])) and bool(_WORD.match(parts[2]))


def _no_visit(parts: Sequence[str]) -> bool:
    """Whether a person stands there, or a word of letters: a service, a class of a visit, who pays (`SELF`)."""
    return _named(parts) or (len(parts) == 1 and parts[0].isalpha())


def _no_site(parts: Sequence[str]) -> bool:
    """Whether a moment, a service alone, or a number with two words (a person) stands where a place does."""
    person = _named(parts) and any(map(str.isdigit, parts[0]))
    return person or _no_place(parts) or (len(parts) == 1 and parts[0].upper() in SERVICES)


def _no_name(parts: Sequence[str]) -> bool:
    alone = len(parts) == 1
    return _coded(parts) or (alone and (parts[0].isdigit() or len(parts[0]) == 1 or _relationship(parts[0])))


def _coded(parts: Sequence[str]) -> bool:
    """Whether the third component names a coding system: an HL7 table, or a list of the house."""
    return len(parts) > 2 and (parts[2].upper().startswith(("HL7", "99")) or parts[2] == "L")


def _no_relationship(parts: Sequence[str]) -> bool:
    """Whether a street with its number stands there, or a person's name: two words, neither a code nor what it means,
    without a coding system."""
    if len(parts) < 2 or _coded(parts):
        street = " " in parts[0] and any(map(str.isdigit, parts[0]))
        return _time(parts) or street
    words = all(_WORD.match(part) for part in parts[:2])
    return words and len(parts[0]) > 3 and parts[0].casefold() != parts[1].casefold()


def _no_phone(parts: Sequence[str]) -> bool:
    """Whether neither an address nor six digits stand there, or the address of a house with its postal code."""
    said = "".join(parts)
    if len(parts) > 4 and _POSTAL.match(parts[4]) and _WORD.match(parts[2]):
        return True
    return _time(parts) or ("@" not in said and sum(map(str.isdigit, said)) < 6)


def _no_sex(parts: Sequence[str]) -> bool:
    return _time(parts) or len(parts) > 3


def _no_house(parts: Sequence[str]) -> bool:
    """Whether a moment or the letter of a sex stands where the name of an organization does."""
    return _time(parts) or (len(parts) == 1 and parts[0] in _SEXES)


def _no_address(parts: Sequence[str]) -> bool:
    return _time(parts) or (len(parts) == 1 and parts[0] in _SEXES) or (len(parts) < 4 and _relationship(parts[0]))


def _relationship(text: str) -> bool:
    return text.upper() in codes("hl70063") or text.casefold() == "self"


def _person(parts: Sequence[str]) -> bool:
    """Whether a number, a surname and a given name stand there, not a code with its name and system."""
    if len(parts) < 3 or not any(map(str.isdigit, parts[0])) or not all(_WORD.match(part) for part in parts[1:3]):
        return False
    given = parts[2]
    return not given.isupper() or (len(parts) > 6 and len(given) > 2 and coding_system(given).startswith(_OWN))


def _no_text(parts: Sequence[str]) -> bool:
    """Whether a moment or a person stands there."""
    return _time(parts) or _person(parts)


def _no_reason(parts: Sequence[str]) -> bool:
    """Whether a moment, a person or a number of minutes stands there, alone or with its unit."""
    minutes = parts[0].isdigit() and len(parts[0]) < 4 and (len(parts) == 1 or says_minutes(parts[1]))
    return _no_text(parts) or minutes


def _no_parent(parts: Sequence[str]) -> bool:
    """Whether a timing, with the moment in its fourth component, or a person stands there."""
    return _no_text(parts) or _timed(parts)


def _no_order_status(parts: Sequence[str]) -> bool:
    return _no_text(parts) or parts[0].isdigit()


def _no_letter(parts: Sequence[str]) -> bool:
    """Whether anything but one letter, or a word of letters, stands there."""
    return len(parts) > 1 or not parts[0].isalpha()


def _no_status(parts: Sequence[str]) -> bool:
    return _no_letter(parts) or parts[0] in _SECTIONS


def _no_section(parts: Sequence[str]) -> bool:
    return _no_text(parts) or (len(parts) == 1 and parts[0] in codes("hl70123"))


def _no_priority(parts: Sequence[str]) -> bool:
    return _no_text(parts) or _coded(parts)


def _no_control(parts: Sequence[str]) -> bool:
    return parts[0].upper() not in codes("hl70119")


def _no_charge_kind(parts: Sequence[str]) -> bool:
    return parts[0].upper() not in codes("hl70017")


def _no_charged_code(parts: Sequence[str]) -> bool:
    return _time(parts) or (len(parts) == 1 and parts[0].upper() in codes("hl70017"))


def _no_amount(parts: Sequence[str]) -> bool:
    """Whether no number stands first (a price may have its currency behind it)."""
    return _time(parts) or not _AMOUNT.match(parts[0].partition("&")[0])


def _no_words(parts: Sequence[str]) -> bool:
    return _time(parts) or not any(map(str.isalpha, "".join(parts)))


def _no_unit(parts: Sequence[str]) -> bool:
    return _no_words(parts) or _person(parts)


def _no_timing(parts: Sequence[str]) -> bool:
    return _person(parts) or (len(parts) == 1 and bool(parts[0]) and not _DAY.match(parts[0]) and parts[0].isalpha())


def _no_occasion(parts: Sequence[str]) -> bool:
    """Whether a person stands there, or one word or number that is no moment."""
    return _person(parts) or (len(parts) == 1 and not _time(parts))


def _no_staff(parts: Sequence[str]) -> bool:
    """What no person is, and a number of minutes or a place in a row (three digits or fewer)."""
    return _no_person(parts) or (len(parts) == 1 and parts[0].isdigit() and len(parts[0]) < 4)


def _of_unit(parts: Sequence[str]) -> bool:
    """Whether a moment stands there, the word for minutes, or a unit, as its coding system says."""
    return _time(parts) or says_minutes(parts[0]) or (len(parts) > 2 and parts[2].upper() in UNITS)


def _no_description(parts: Sequence[str]) -> bool:
    """Whether a moment, a person, or a diagnosis' code (alone, or named by its coding system) stands there."""
    coded = len(parts) > 2 and bool(_DIAGNOSES.match(parts[2].upper()))
    return _no_text(parts) or coded or (len(parts) == 1 and bool(_DIAGNOSIS.match(parts[0])))


def _no_modifier(parts: Sequence[str]) -> bool:
    """Whether a moment, or a diagnosis by its coding system, stands where the modifier of a procedure does."""
    return _time(parts) or any(_DIAGNOSES.match(part.upper()) for part in parts[2:3])


def _listed(text: str, table: str) -> bool:
    return text in codes(table) or text.upper() in codes(table)


def _of_other_table(parts: Sequence[str], table: str) -> bool:
    """Whether the third component names another table of HL7 than the field's."""
    return len(parts) > 2 and bool(_TABLE.match(parts[2].upper())) and parts[2].upper() != table.upper()


def _no_short(parts: Sequence[str]) -> bool:
    """Whether words stand there, longer than a sub-identifier is (ST of 20)."""
    said = " ".join(parts)
    return len(said) > _LONGEST_SUB and " " in said


def _no_social_number(parts: Sequence[str]) -> bool:
    """Whether a moment, or a word with its number, stands where the number of a social security does."""
    return _time(parts) or sum(map(str.isalpha, parts[0])) > _LONGEST_CODE


def _by_table(shape: str) -> Callable[[Sequence[str]], bool] | None:
    """What a field of the codes of a table cannot hold (`of:hl70271`), or one that a code of it shows to be another's
    (`not:hl70127`), or one whose codes are of a table where they name one (`in:hl70002`)."""
    kind, _, table = shape.partition(":")
    if kind == "of" and table:
        return lambda parts: not _listed(parts[0], table)
    if kind == "in" and table:
        return lambda parts: _time(parts) or _of_other_table(parts, table)
    if kind == "not" and table:
        return lambda parts: (
            _time(parts) or (_listed(parts[0], table) and (len(parts) == 1 or parts[2:3] == [table.upper()]))
        )
    return None


_CANNOT: dict[str, Callable[[Sequence[str]], bool]] = {
    "any": lambda parts: False,
    "value": lambda parts: False,  # by its type only
    "sequence": _no_sequence,
    "moment": _no_time,
    "start": _no_time,
    "end": _no_time,
    "number": _no_number,
    "no-time": _time,
    "code": _no_class,
    "place": _no_place,
    "site": _no_site,
    "person": _no_person,
    "admitter": _no_admitter,
    "social": _no_social_number,
    "staff": _no_staff,
    "kind": _number_of_policy,
    "no-card": _card,
    "visit": _no_visit,
    "name": _no_name,
    "phone": _no_phone,
    "relationship": _no_relationship,
    "sex": _no_sex,
    "address": _no_address,
    "house": _no_house,
    "text": _no_text,
    "description": _no_description,
    "modifier": _no_modifier,
    "reason": _no_reason,
    "parent": _no_parent,
    "order-status": _no_order_status,
    "letter": _no_letter,
    "status": _no_status,
    "section": _no_section,
    "priority": _no_priority,
    "control": _no_control,
    "charge": _no_charge_kind,
    "charged": _no_charged_code,
    "amount": _no_amount,
    "no-amount": lambda parts: len(parts) == 1 and bool(_AMOUNT.match(parts[0])),
    "no-digit": lambda parts: any(map(str.isdigit, parts[0])),
    "short": _no_short,
    "unit": _no_unit,
    "no-unit": _of_unit,
    "words": _no_words,
    "timing": _no_timing,
    "occasion": _no_occasion,
}


# What a field is surely for, by the name of its shape.
SURE: dict[str, tuple[Callable[[Sequence[str]], bool], ...]] = {
    "moment": (_time,),
    "start": (_time,),
    "end": (_time,),
    "person": (_person,),
    "admitter": (_person,),
    "place": (_of_place,),
    "name": (lambda parts: len(parts) > 1 and all(_WORD.match(part) for part in parts[:2]),),
    "sex": (lambda parts: len(parts) == 1 and parts[0] in _SEXES,),
    "relationship": (lambda parts: _relationship(parts[0]),),
    "status": (lambda parts: len(parts) == 1 and parts[0] in codes("hl70123"),),
    "section": (lambda parts: len(parts) == 1 and parts[0] in _SECTIONS,),
    "charge": (lambda parts: not _no_charge_kind(parts),),
    "unit": (lambda parts: says_minutes(parts[0]),),
    "timing": (_timed,),
    "occasion": (_timed,),
}


def cannot(shape: str) -> Callable[[Sequence[str]], bool] | None:
    """What tells that a field of this shape cannot hold its components; None for a shape that there is not."""
    return _CANNOT.get(shape) or _by_table(shape)
