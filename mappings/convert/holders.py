"""Who a card holder is to the patient, and the patient to him (IN1-17): table 0063 names one of the two.

By the standard it is what the holder is to the patient (2.5.1 §6.5.6.17); many senders say what the patient is to the
holder. Where the days of birth (IN1-18, PID-7) are a generation apart, they show which of the two a code means.
"""

from __future__ import annotations

from typing import Any

from mappings.convert.administration import oneself
from mappings.convert.datatypes import concept_or_own
from mappings.convert.misplaced.results import late_holder
from mappings.convert.registry import Context, Value, conversion
from mappings.convert.text import coding_from, listed

_GENERATION = 12  # years
_YOUNGER, _ELDER = "holder-younger", "holder-elder"


@conversion("relationship")
def relationship(value: Value, context: Context, argument: str) -> Any:
    """IN1-17 as what the patient is to the holder, a CodeableConcept of the table `argument`; what means SEL is read
    as it. IN1-18 where it is a field late; that is told.

    A code that speaks of the holder, as the days of birth show, gives the reverse (`MTH` of a mother: child).
    """
    if late_holder(value.segment):
        context.problems.append(value.problem("field.misplaced"))
        value = value.sibling(18)
    if oneself(value):
        value = Value("SEL", value.source, value.segment)
    return _reverse(value, context, of_holder=True) or concept_or_own(value, context, argument)


@conversion("holder-kin")
def holder_kin(value: Value, context: Context, argument: str) -> Any:
    """IN1-17 as what the card holder is to the patient. A word that says what the patient is to the holder (`FILHO`,
    `DEPENDENTE`) gives the reverse by `codes/holder-inverse.csv`, or nothing where that is not known; so does a code
    that speaks of the patient, as the days of birth show (`CHD` of a mother: parent)."""
    inverse = listed(context.codes("holder-inverse"), value.text(2) or value.whole())
    if inverse is None:
        return _reverse(value, context, of_holder=False) or concept_or_own(value, context, argument)
    return {"coding": [coding_from(inverse)]} if inverse else None


def _reverse(value: Value, context: Context, *, of_holder: bool) -> dict[str, Any] | None:
    """The reverse of a relationship that surely is the holder's (`of_holder`) or surely the patient's; else None."""
    elder = _holder_is_elder(value, context)
    if elder is None:
        return None
    names_an_elder = elder if of_holder else not elder  # whose the code is, is what it says: an elder or a younger one
    found = listed(context.codes(_ELDER if names_an_elder else _YOUNGER), value.text(1))
    return {"coding": [coding_from(found)]} if found else None


def _holder_is_elder(value: Value, context: Context) -> bool | None:
    """Whether the holder was born a generation before the patient; False for after, None where neither is sure."""
    patients = list(context.message.named("PID"))
    born = value.other(19 if late_holder(value.segment) else 18)[:4]
    if len(patients) != 1 or not born.isdecimal() or not patients[0].ask(7)[:4].isdecimal():
        return None
    years = int(patients[0].ask(7)[:4]) - int(born)
    return years > 0 if abs(years) >= _GENERATION else None
