"""Fields whose content names itself as that of another field: a pipe too few or too many shifts all that follow.

What stands there is then reported and not read: a person called "HL70069" and a bed called "20260312083000" would be
worse than none. Told are only contents that cannot be what the field's type holds.
"""

from __future__ import annotations

import re

from canonical.codes import V2
from canonical.identifiers import compact
from hl7.er7 import Segment
from mappings.convert.published import holds
from mappings.convert.registry import Context, Value
from mappings.tables.table import codes

_TABLE = re.compile(r"HL7[0-9]{4}\Z")
_DIAGNOSES = re.compile(r"(?:ICD-?|I)[0-9]{1,2}(?:-?[A-Z]{1,3})?\Z")  # coding systems of diagnoses (table 0396)
UNITS = frozenset(("ISO+", "ANS+", "ANSI+", "UCUM"))  # coding systems of units (table 0396)
ROUTES = frozenset(("HL70162", "0162", "HL70163", "0163"))
_BARE_ROUTES = frozenset(("PO", "VO", "EV", "IV", "IM", "SC", "SQ", "SL", "PR", "IH", "ID", "NG", "ORAL"))  # table 0162
PHONES = frozenset(("PH", "CP", "FX", "BP", "MD", "INTERNET", "X.400", "TDD", "TTY", "SAT"))  # table 0202
USES = frozenset(("PRN", "ORN", "WPN", "VHN", "ASN", "EMR", "NET", "BPN", "PRS"))  # table 0201
_STATUSES = frozenset("CDFIOPUVWX")  # table 0085 without the letters that are natures (table 0080), too
_AMOUNT = re.compile(r"[0-9]+[.,][0-9]{1,4}\Z")
DAY = r"(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:[0-2][0-9]|3[01])"
VISITS = frozenset(("VN", "AN"))
_PATIENT_NUMBERS = frozenset((("PID", 3), ("MRG", 1)))
_SOCIAL = ("PID", 19)
_MINUTES = frozenset(("MIN", "MINS", "MINUTE", "MINUTES", "MINUTO", "MINUTOS", "M"))
BARE_DAY = re.compile(DAY + r"\Z")
_ZONE = r"(?:[+-](?:0[0-9]|1[0-4]):?(?:00|15|30|45))?"  # behind minutes: `20261122-0300` may be a number
MOMENT = re.compile(DAY + r"(?:[01][0-9]|2[0-3])[0-5][0-9](?:[0-5][0-9](?:\.[0-9]{1,4})?)?" + _ZONE + r"\Z")
TITLES = frozenset(("MD", "DO", "DR", "DRA", "RN", "NP", "PA", "PHD", "PROF", "MR", "MRS", "MS"))  # table 0360, XCN-6
TITLES |= frozenset(("醫師", "医師", "医生", "의사", "DOTT", "DOTTSSA", "SR", "SRA"))  # the same elsewhere
_NAME_TYPES = TITLES | {"L", "D"}
_HERE = 3  # PV1-3
_TEMPORARY = 11  # PV1-11
_SERVICE = 10  # PV1-10
_NARROWER = (2, 3, 4, 7, 8, 9, 10, 11)  # of a PL: what makes it a place of its own
_SAYS = re.compile(r"[^\W0_]")
_CPF_DIGITS = 11
_CNS_DIGITS = 15
_PRICE = 23  # OBR-23
_TYPE = 8  # SCH-8
_INSTRUCTION = 7  # RXE-7, RXO-7
SERVICES = frozenset(("IP", "OP", "MED", "SUR", "URO", "PUL", "CAR"))  # table 0069, and classes of a visit
_LONG_NUMBER = re.compile(r"[0-9]{4}")
_NUMBERED = re.compile(r"[A-Za-z]{0,5}[0-9]{2,}\Z")  # a professional's number, with letters before it or none
_KINDS = frozenset(
    ("PHONE", "HOME", "WORK", "CELL", "MOBILE", "FAX", "EMAIL", "OFFICE", "BUSINESS", "PRIMARY", "OTHER")
)
_KINDS |= frozenset(("CELULAR", "TELEFONE", "RESIDENCIAL", "COMERCIAL", "FIXO", "RECADO"))  # of telephones, in words
NAMES = re.compile(r"[^\W\d_][^\d_]*\Z")
_DOCTOR = re.compile(r"Dr(?:a\b\.?|\.|(?=\s))\s*[^\W\d_]", re.IGNORECASE)
_PAIR = 2  # number and name
_DOSE = re.compile(r"[0-9]+(?:[.,][0-9]+)? ?(?:mg|mcg|ug|ml|meq|mmol|g|ui|iu)\b[^^&]*\Z", re.IGNORECASE)
_STATE = re.compile(r"[A-Z]{2,3}\Z")
_HOUSE = re.compile(r"(?=.*[0-9])[^\W\d_].* |[0-9]+ [^\W\d_]{2}")  # a street with its number, before it or behind
_ABROAD = re.compile(r"\+[0-9][0-9 ()-]{8,16}\Z")  # a telephone with its country
_POSTAL = re.compile(r"[0-9]{5}(?:-?[0-9]{3,4})?\Z")
URGENCIES = {"STAT": "S", "ASAP": "A", "ROUTINE": "R", "URGENT": "U", "ROTINA": "R", "URGENTE": "U"}  # table 0485
URGENCIES |= {"EMERGÊNCIA": "S", "ELETIVO": "R"}
_OFTEN = re.compile(r"(?:Q[0-9]{1,3}[SMHDWL]|[1-9][0-9]?ID|Q[0-9]{0,2}J[1-7]+)\Z")  # patterns of table 0335


def misplaced(value: Value, context: Context) -> bool:
    """Whether a PL, XCN or XPN holds a code (XCN-3 names a table or ICD), a telephone or a moment; told."""
    raw = value.raw
    coded = ("HL7" in raw and _TABLE.match(value.text(3))) or ("I" in raw and _DIAGNOSES.match(value.text(3)))
    abroad = raw[:1] == "+" and _ABROAD.match(raw)
    if coded or abroad or (len(raw) > 11 and _only_moments(value)) or is_telephone(value):
        context.problems.append(value.problem("field.misplaced"))
        return True
    return False


def no_instant(value: Value, context: Context) -> bool:
    """Whether a coded field without a table of its own is a moment with its time; told."""
    return value.raw[:2] in ("19", "20") and misplaced_if(bool(MOMENT.match(value.raw)), value, context)


def no_place(value: Value, context: Context) -> bool:
    """Whether a PL holds what `misplaced` knows, or a person with a title: number and two names; told.

    A bare day is no earlier or later place, nor is a number with a doctor (`41^Dr. Reis`); the place where a patient is
    (PV1-3) may be called by eight digits, and by the doctor who works there.
    """
    other = value.source.field != _HERE and (_bare_day(value) or _numbered_doctor(value))
    return misplaced(value, context) or misplaced_if(other or is_person(value), value, context)


def _numbered_doctor(value: Value) -> bool:
    """Whether a number with digits and a name behind a doctor's title is all that is said."""
    said = [part for part in value.raw.split(value.delimiters.component) if part]
    return len(said) == _PAIR and any(map(str.isdigit, said[0])) and bool(_DOCTOR.match(value.text(2)))


def no_actor(value: Value, context: Context) -> bool:
    """Whether an XCN holds what `misplaced` knows, an amount with its unit (`650 mg VO`), or an address, also behind
    the number of a practice: no name has the number of a house; told."""
    address = any(_HOUSE.match(value.text(n + 1)) and _is_address(value, behind=n) for n in (0, 1))
    return misplaced(value, context) or misplaced_if(bool(_DOSE.match(value.raw)) or address, value, context)


def no_name(value: Value, context: Context) -> bool:
    """Whether an XPN holds what `misplaced` knows, a bare day, or a number; told. (An XCN may be a number alone.)"""
    number = value.raw.rstrip(value.delimiters.component).isdigit()
    return misplaced(value, context) or misplaced_if(number or _bare_day(value), value, context)


def no_address(value: Value, context: Context) -> bool:
    """Whether an XAD holds a date or a telephone; told."""
    return misplaced_if(is_time(value.raw) or is_telephone(value), value, context)


def no_department(value: Value, context: Context) -> bool:
    """Whether an amount of money or a moment stands where a department's code belongs (FT1-13, OBX-15); told."""
    return misplaced_if(bool(_AMOUNT.match(value.text(1))) or is_time(value.raw), value, context)


def no_moment(value: Value, context: Context) -> bool:
    """Whether a day or a moment stands where a count, a number or a word belongs (IN1-22, RF1-6, SPM-16); told."""
    return misplaced_if(is_time(value.raw), value, context)


def no_person(value: Value, context: Context) -> bool:
    """Whether a length before its unit, the unit, times (TQ), or the status of an appointment (table 0278) stand where
    a person belongs (SCH-12, 16, 20); told."""
    length = value.raw.isdigit() and says_minutes(value.other(value.source.field + 1))
    status = value.raw.capitalize() in codes("hl70278") or value.raw.upper() in codes("hl70278")
    return misplaced_if(length or status or says_minutes(value.raw) or says_times(value), value, context)


def says_times(value: Value) -> bool:
    """Whether a TQ stands there: a moment in its fourth component."""
    return bool(MOMENT.match(value.text(4)))


def says_minutes(text: str) -> bool:
    """Whether a text is the word for minutes."""
    return text.strip().upper() in _MINUTES


def is_house(value: Value) -> bool:
    """Whether a place of PV1 is nothing but the house of PV1-3 (PL-4, or the PL-6 of some senders), or a temporary one
    (PV1-11) the ward of PV1-3 again, or a code of table 0069, PV1-10 being empty: the service, a field late."""
    if value.raw in (value.other(3, 4), value.other(3, 6)):
        return True
    alone = value.source.field == _TEMPORARY and not any(map(value.text, _NARROWER))
    service = value.text(1) in SERVICES and not value.other(_SERVICE)
    return alone and value.text(1) != "" and (service or value.text(1) == value.other(3))


def no_religion(value: Value, context: Context) -> bool:
    """Whether PID-17 holds a number (the account, PID-18, a field early; no code of table 0006 has digits), or the
    house that sends (MSH-4); told."""
    other = bool(_LONG_NUMBER.search(value.text(1))) or value.raw == context.message.header.text(4)
    return misplaced_if(other and not value.text(3), value, context)


def no_language(value: Value, context: Context) -> bool:
    """Whether PID-15 is one letter, or a code of another table, of marital status (PID-16, a field early): languages
    have two or three letters; told."""
    named = value.text(3)
    other = bool(_TABLE.match(named)) and named != "HL70296"
    return misplaced_if(other or (len(value.text(1)) == 1 and not value.text(2)), value, context)


def no_licence(value: Value, context: Context) -> bool:
    """Whether PID-20, a licence's number, is a CX with its type (an account, a field late), words, or a number of the
    patient that PID-2, 3, 4 or 19 say, too (PID-19, a field late), there also behind its name (`CURP:`); told."""
    number = value.text(1)
    typed = bool(value.text(4)) and value.text(5).isalpha()
    words = bool(number) and not any(c.isdigit() for c in number)
    return misplaced_if(typed or words or number_in_licence(value), value, context)


def number_in_licence(value: Value) -> bool:
    """Whether PID-20 says again a number of the patient, and that is not of a licence itself."""
    number = value.text(1)
    said = (other for field in (2, 3, 4, 19) for other in value.siblings(field) if other.text(5) != "DL")
    return bool(number) and any(other.text(1).rpartition(":")[2] == number for other in said)


def misplaced_if(wrong: bool, value: Value, context: Context) -> bool:
    """`wrong`; what is wrong is told as the content of another field."""
    if wrong:
        context.problems.append(value.problem("field.misplaced"))
    return wrong


def no_number(value: Value, context: Context) -> bool:
    """Whether an XTN has neither a digit nor an address, or is a person (number, surname, given name); it is told, but
    for the bare kind of a contact that is not there (`^PRN^PH`)."""
    second, third = value.text(2), value.text(3)
    numbered = bool(_NUMBERED.match(value.text(1)) and NAMES.match(second) and NAMES.match(third))
    kinds = {second.upper(), third.upper()} & (USES | PHONES | _KINDS)
    if kinds and kinds >= {second.upper(), third.upper()} - {""} and not any(value.text(n) for n in (1, *range(4, 19))):
        return True
    if is_person(value) or (numbered and not kinds):
        return misplaced_if(True, value, context)
    if value.raw and "@" not in value.raw and "/" not in value.raw and not any(c.isdigit() for c in value.raw):
        context.problems.append(value.problem("field.misplaced"))
        return True
    return False


def says_no_number(text: str) -> bool:
    """Whether what stands for a number only says that there is none: nothing, a word of the table `no-number`, signs or
    zeros alone (`-`, `0`, `00`), or one digit as often as a CPF or a CNS has digits (`99999999999`), which neither can
    be. As a key it would make one record of all that have none.
    """
    if not text or not _SAYS.search(text) or " ".join(text.upper().split()) in codes("no-number"):
        return True
    return text[0] == text[-1] and len(text) >= _CPF_DIGITS and _is_filler(compact(text))


def _is_filler(number: str) -> bool:
    return len(number) in (_CPF_DIGITS, _CNS_DIGITS) and number.isdigit() and len(set(number)) == 1


def without_digit(value: Value) -> bool:
    """Whether words without any digit stand where the number of a problem belongs (PRB-4: `estenose aórtica`): as key
    they would make one record of that problem of all patients."""
    return bool(value.text(1)) and not any(c.isdigit() for c in value.text(1))


def no_code(value: Value, context: Context) -> bool:
    """Whether a coded field of an HL7 table holds a date or a moment, a telephone with its country, a person or an
    address; it is told."""
    if is_time(value.raw) or _ABROAD.match(value.raw):
        return misplaced_if(True, value, context)
    if value.raw.count(value.delimiters.component) < 4:  # cheap: most codes have at most two
        return False
    return misplaced_if(is_person(value) or _is_address(value), value, context)


def is_time(raw: str) -> bool:
    """Whether a field is a date or a moment."""
    return bool(BARE_DAY.match(raw) or MOMENT.match(raw))


def _bare_day(value: Value) -> bool:
    """Whether all that is said is one day."""
    raw = value.raw
    return raw[:2] in ("19", "20") and bool(BARE_DAY.match(raw.strip(value.delimiters.component)))


def is_person(value: Value) -> bool:
    """Whether an XCN stands there: a number, two names without a digit, a title in XCN-6 (or 5), a degree in XCN-7 or a
    type of its number in XCN-13, or nothing else but a title or a type of name (table 0200) about XCN-10; with a degree
    the number may be letters. A Chinese name may be in one part."""
    if value.raw.count(value.delimiters.component) < 4:
        return False
    if not any(c.isdigit() for c in value.text(1)) and value.text(7).upper().rstrip(".") not in TITLES:
        return False
    typed = value.text(13).isalpha() and holds(f"{V2}0203", value.text(13)) is True
    titled = typed or any(value.text(n).upper().replace(".", "") in TITLES for n in (5, 6, 7))
    if not titled and not any(value.text(n) for n in (4, 5, 6, 7, 9)):
        titled = any(value.text(n).upper() in _NAME_TYPES for n in (8, 10, 11))
    whole = not value.text(3) and not value.text(2).isascii()
    return titled and all(NAMES.match(value.text(n)) for n in ((2,) if whole else (2, 3)))


def _is_address(value: Value, behind: int = 0) -> bool:
    """Whether an XAD stands there, `behind` so many components: a state in XAD-4 and a postal code in XAD-5."""
    return bool(_STATE.match(value.text(4 + behind)) and _POSTAL.match(value.text(5 + behind)))


def are_of_timing(quantity: str, pattern: str, start: str) -> bool:
    """Whether the first, second and fourth component of a field are those of a TQ: a start, or how often (table 0335)
    behind a number or nothing. One letter (`C`) may be any code."""
    if MOMENT.match(start) or (BARE_DAY.match(start) and not quantity and not pattern):
        return True
    often = pattern.strip().upper()
    known = len(often) > 1 and (often in codes("hl70335") or bool(_OFTEN.match(often)))
    return known and (not quantity or quantity.replace(".", "", 1).isdigit())


def is_route(value: Value) -> bool:
    """Whether a code is a route, named by its table, or alone, where a form or an instruction belongs (RXE-6, 7,
    RXO-5 to 7); a ward (RXO-8) may be called `IV`."""
    alone = value.source.field <= _INSTRUCTION and value.raw.upper() in _BARE_ROUTES
    return alone or value.text(3).upper() in ROUTES


def is_timing(value: Value) -> bool:
    """Whether a TQ, how much and how often, stands where an instruction belongs (RXO-7)."""
    return are_of_timing(value.text(1), value.text(2), value.text(4))


def urgency_for_number(order: Segment, field: int) -> bool:
    """Whether a number (ORC-8, OBR-29) is the order's urgency, a letter of table 0485 or its word: all orders of that
    urgency would have one parent."""
    said = [text.strip().upper() for part in (1, 2) if (text := order.ask(field, part))]
    return bool(said) and all(text in URGENCIES or text in codes("hl70485") for text in said)


def state_for_group(value: Value) -> bool:
    """Whether ORC-4, the number of a group of orders, is the state (table 0038) for which ORC-5 is empty, or the
    urgency: all orders of that state or urgency would be one group."""
    return (value.raw in codes("hl70038") and not value.other(5)) or urgency_for_number(value.segment, 4)


def one_letter(value: Value) -> bool:
    """Whether a number is one letter, a code of a field beside it: all who say the same would share it."""
    return len(value.text(1)) == 1 and value.text(1).isalpha()


def no_reason(value: Value, context: Context) -> bool:
    """Whether the reason of an appointment (SCH-6, 7) is its time, or its length before the unit in SCH-8; told."""
    length = value.source.field + 1 == _TYPE and value.raw.isdigit() and says_minutes(value.other(_TYPE))
    return misplaced_if(length or is_time(value.raw), value, context)


def early_result(value: Value) -> bool:
    """Whether OBR-24 is the status (table 0123) for which OBR-25 is empty: OBR-21 has the time of OBR-22, empty too.

    A letter alone may be a section of the house (C for chemistry), and says no status then. OBR-23, a price, is it two
    fields early: none is a letter.
    """
    if value.raw not in codes("hl70123") or value.other(25) or value.other(22):
        return False
    return not value.other(24) if value.source.field == _PRICE else bool(MOMENT.match(value.other(21)))


def stray_completion(value: Value, context: Context) -> bool:
    """Whether RXA-19, the indication, is a bare completion status (table 0322), and RXA-20 says none; it is told."""
    known = context.codes("hl70322")
    if value.raw not in known or value.other(20) in known:
        return False
    context.problems.append(value.problem("field.misplaced"))
    return True


def stray_status(value: Value) -> bool:
    """Whether OBX-10, a nature (table 0080), OBX-12, a day, or OBX-13, an access check, is the status for which OBX-11
    is empty."""
    return value.text(1) in _STATUSES and not value.other(11)


def stray_interpretation(value: Value) -> bool:
    """Whether OBX-10 is the interpretation for which OBX-8 is empty: two fields late, as the status in OBX-13 shows."""
    return bool(value.text(1)) and not value.other(8) and stray_status(value.sibling(13))


def times_for_numbers(value: Value) -> bool:
    """Whether SCH-2 and SCH-3, the numbers of an appointment, are moments: its start and end, which others share."""
    return bool(MOMENT.match(value.raw)) and bool(MOMENT.match(value.other(3)))


def counts_only(value: Value) -> bool:
    """Whether SCH-1 is a segment's count put where the appointment's number belongs."""
    return value.raw == "1" or (len(value.raw) <= 2 and value.raw.isdigit() and bool(value.other(2)))


def visit_for_patient(value: Value) -> bool:
    """Whether a number among the patient's (PID-3, MRG-1) is a visit's or an account's, and another is the patient's;
    or one in PID-19, the social security's, is (an account, a field late).

    Its authority may be the same, and another patient's number the same digits.
    """
    place = (value.source.segment, value.source.field)
    if value.text(5) not in VISITS or place not in _PATIENT_NUMBERS:
        return place == _SOCIAL and value.text(5) in VISITS
    return any(other.text(1) and other.text(5) not in VISITS for other in value.siblings(value.source.field))


def is_telephone(value: Value) -> bool:
    """Whether an XTN stands there: a use of table 0201 or nothing before it, then an equipment of table 0202."""
    return value.text(3) in PHONES and (value.text(2) in USES or not (value.text(1) or value.text(2)))


def length_for_type(value: Value, context: Context) -> bool:
    """Whether SCH-8, the type of an appointment, is its length, the unit beside it or in SCH-9, or the unit; told."""
    length = value.text(1).isdigit() and (says_minutes(value.text(2)) or says_minutes(value.other(9)))
    if length or (says_minutes(value.raw) and value.other(7).isdigit()):
        context.problems.append(value.problem("field.misplaced"))
        return True
    return False


def no_service(value: Value, context: Context) -> bool:
    """Whether an amount or a moment stands where the code of what is charged belongs (FT1-7); it is told."""
    code = value.text(1)
    return misplaced_if(not value.text(3) and bool(_AMOUNT.match(code) or MOMENT.match(code)), value, context)


def _only_moments(value: Value) -> bool:
    """Whether all that is said are moments with a time."""
    said = [part.strip() for part in value.raw.split(value.delimiters.component) if part]
    return bool(said) and all(MOMENT.match(part) for part in said)
