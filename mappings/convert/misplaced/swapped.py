"""Fields of PID whose content belongs to another one (2.5.1 §3.4.2), which is told.

A religion in PID-16, a marital status in PID-17; the mother's name in PID-21, which is for her number. A letter is a
marital status (table 0002) and was a religion in old editions of table 0006; it is read as the other field's only
beside a religion in PID-16, or where its sender names the table. A word (`DIVORCIADO`) is what it says.
"""

from __future__ import annotations

from typing import Any

from canonical import codes as systems
from canonical.extensions import EXTENSIONS
from mappings.convert.administration import extension_concept
from mappings.convert.datatypes import concept_or_own, cwe, cx
from mappings.convert.misplaced.plausible import number_in_licence
from mappings.convert.people import mother, xpn
from mappings.convert.registry import Context, Value, conversion, rescue
from mappings.convert.text import listed

_MARITAL, _RELIGION = ("HL70002", "0002"), ("HL70006", "0006")
_RELIGIONS = f"{systems.V2}0006"
_STATUS = "v3-MaritalStatus|"
_WORD = 4  # letters: no code of a religion is a word of marital status
_MARITAL_FIELD, _RELIGION_FIELD = 16, 17
_MOTHERS_NAME = 6
_SOCIAL, _LICENCE = 19, 20


@conversion("marital-status")
def marital_status(value: Value, context: Context, argument: str) -> Any:
    """PID-16 as CodeableConcept; none where it is a religion, which is told."""
    if _is_religion(value, context):
        context.problems.append(value.problem("field.misplaced"))
        return None
    return concept_or_own(value, context, argument)


@rescue("stray-marital-status")
def stray_marital_status(value: Value, context: Context, argument: str) -> Any:
    """PID-17, where it is the marital status, as CodeableConcept."""
    return concept_or_own(value, context, argument) if _is_marital_status(value, context) else None


@conversion("religion")
def religion(value: Value, context: Context, argument: str) -> Any:
    """PID-17 as extension; none where it is the marital status, which is told."""
    if _is_marital_status(value, context):
        context.problems.append(value.problem("field.misplaced"))
        return None
    found = extension_concept(value, context, "religion")
    return _of_the_table(found, context) if found else None


def _of_the_table(found: dict[str, Any], context: Context) -> dict[str, Any]:
    """A religion, whose code has the system of table 0006 only where that lists it, or is one letter, as in its old
    editions; a word of a sender has none."""
    for coding in found["valueCodeableConcept"].get("coding", ()):
        code = coding["code"].upper()
        if coding.get("system") == _RELIGIONS and len(code) > 1 and code not in context.codes("religions"):
            del coding["system"]
    return found


@rescue("stray-religion")
def stray_religion(value: Value, context: Context, argument: str) -> Any:
    """PID-16 as extension, where it is the religion and PID-17 says none."""
    beside = value.sibling(_RELIGION_FIELD)
    if not _is_religion(value, context) or (beside.raw and not _is_marital_status(beside, context)):
        return None
    concept = cwe(value, context, "HL70006")
    return {"url": EXTENSIONS["religion"], "valueCodeableConcept": concept} if concept else None


def _is_religion(value: Value, context: Context) -> bool:
    """Whether PID-16 can only be a religion: its sender says so, or it is one of the codes of table 0006 that no house
    would choose for a marital status (`codes/religions.csv`)."""
    code, named = value.text(1).upper(), value.text(3).upper()
    if value.source.field != _MARITAL_FIELD or not code:
        return False
    if named:
        return named in _RELIGION
    return code in context.codes("religions")


def _is_marital_status(value: Value, context: Context) -> bool:
    """Whether PID-17 can only be a marital status: its sender says so, it is a word for one (`DIVORCIADO`), or it is a
    code of table 0002 beside a religion in PID-16, or with PID-16 empty where PID-19 is a field late, too."""
    code, named = value.text(1).upper(), value.text(3).upper()
    if value.source.field != _RELIGION_FIELD or not code:
        return False
    if named:
        return named in _MARITAL
    if len(code) >= _WORD and _STATUS in (listed(context.codes("hl70002"), code) or ""):
        return True
    if code not in context.codes("hl70002"):
        return False
    late = not value.other(_MARITAL_FIELD) and not value.other(_SOCIAL) and number_in_licence(value.sibling(_LICENCE))
    return late or _is_religion(value.sibling(_MARITAL_FIELD), context)


@conversion("mother-part")
def mother_part(value: Value, context: Context, argument: str) -> Any:
    """What makes a record of the mother: PID-21, unless it is the patient's own number or a letter of a field near by,
    and PID-6 does not name her."""
    own = (_own_number(value) or _one_letter(value)) and not _is_name(value) and not value.other(_MOTHERS_NAME)
    context.problems += [value.problem("field.misplaced")] if own else []
    return None if own else argument


@conversion("mother-number")
def mother_number(value: Value, context: Context, argument: str) -> Any:
    """PID-21 as Identifier; none where it is a name, a letter, or made of the patient's own day of birth; told."""
    if not _is_name(value) and not _own_number(value) and not _one_letter(value):
        return cx(value, context, argument)
    context.problems.append(value.problem("field.misplaced"))
    return None


@conversion("stray-mother")
def stray_mother(value: Value, context: Context, argument: str) -> Any:
    """PID-21 as the mother's name in an extension, where it is that and PID-6 says none."""
    return mother(value, context, argument) if _is_name(value) and not value.other(_MOTHERS_NAME) else None


@conversion("stray-mother-name")
def stray_mother_name(value: Value, context: Context, argument: str) -> Any:
    """The same as the name of her record."""
    return xpn(value, context, argument) if _is_name(value) and not value.other(_MOTHERS_NAME) else None


def _own_number(value: Value) -> bool:
    """Whether the mother's number holds the day of birth of the patient (PID-7), as numbers of persons do in many
    countries: then it is the patient's own, and no mother is born on that day."""
    day, number = value.other(7)[:8], value.text(1)
    if len(day) != 8 or not day.isdigit() or len(number) < 9:
        return False
    return day in number or day[2:] in number or day[6:8] + day[4:6] + day[2:4] in number


def _one_letter(value: Value) -> bool:
    """Whether a letter alone stands where the mother's number belongs: a yes or no, or the group (PID-22, 24, 30) one
    field or a few early. Under it all mothers of a sender would be one."""
    number = value.text(1)
    return len(number) == 1 and number.isalpha() and not value.text(4) and not value.text(5)


def _is_name(value: Value) -> bool:
    """Whether words stand where a number belongs: two or more, with no digit, no authority and no type."""
    words = f"{value.text(1)} {value.text(2)}".replace("'", " ").replace(".", " ").split()
    if len(value.text(1)) == 1:  # a code and what it means
        return False
    return len(words) > 1 and all(map(str.isalpha, words)) and not value.text(4) and not value.text(5)
