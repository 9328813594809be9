"""Conversions of master files (2.5.1 chapter 8): staff, their licences, and the codes of catalogues."""

from __future__ import annotations

from typing import Any

from canonical import codes as systems
from canonical.records import Key
from mappings.convert.councils import professional_key
from mappings.convert.datatypes import cwe
from mappings.convert.misplaced.plausible import is_person, misplaced_if, without_digit
from mappings.convert.people import human_name, xpn
from mappings.convert.periods import period
from mappings.convert.registry import Context, Value, conversion

_LONGEST_NAME = 255


@conversion("staff-key")
def staff_key(value: Value, context: Context, argument: str) -> Any:
    """CX of STF-2 as the key a professional has elsewhere too (XCN): CPF, CNS, council and state, or local."""
    number = value.text(1)
    if not number:
        return None
    return professional_key(context, number, value.text(5).upper(), (value.text(4), value.text(6), ""), "DN")


@conversion("staff-identifier")
def staff_identifier(value: Value, context: Context, argument: str) -> Any:
    """The same as Identifier."""
    return _identifier(staff_key(value, context, argument))


@conversion("specialty")
def specialty(value: Value, context: Context, argument: str) -> Any:
    """PRA-5 as CodeableConcept. As SPD (2.5.1 §2.A.73: name, board, certified or eligible, date) its name is words; a
    code with text and system, as other senders write it, is one of table `argument`."""
    if value.text(3) in ("C", "E"):
        return {"text": value.text(1)} if value.text(1) else None
    return cwe(value, context, argument)


@conversion("license-key")
def license_key(value: Value, context: Context, argument: str) -> Any:
    """PLN of PRA-6: number, register (CRM, COREN…) and state. A word without a digit (a speciality, a field late) is
    none: all of that speciality would be one professional; told."""
    number = value.text(1)
    if not number or misplaced_if(without_digit(value), value, context):
        return None
    kind, state = value.text(2).upper(), value.text(3)
    return professional_key(context, number, kind, ("", state, state), "LN")


@conversion("license-identifier")
def license_identifier(value: Value, context: Context, argument: str) -> Any:
    """The same as Identifier, with the day it holds to (PLN-4); a word there, as the kind in a CX, is told."""
    found = _identifier(license_key(value, context, argument))
    no_day = misplaced_if(value.text(4).isalpha(), value, context)
    span = period(value, context, "", value.text(4)) if found and not no_day else {}
    return {**found, "period": span} if found and span else found


@conversion("primary-key")
def primary_key(value: Value, context: Context, argument: str) -> Any:
    """The primary key of a master file (CWE), in the namespace of its system or sender; `argument` is the kind.

    A person there (STF-1, MFE-4: number, surname, given name) has a given name where the system belongs.
    """
    code, named = value.text(1), "" if is_person(value) else value.text(3)
    return Key(systems.local_system(named or context.sender, argument), code) if code else None


@conversion("staff-name")
def staff_name(value: Value, context: Context, argument: str) -> Any:
    """STF-3 as HumanName. Where STF-1 holds the person, a single word here is a field near by (a department): it is
    told, and the name is that of STF-1."""
    other = not value.text(2) and is_person(value.sibling(1))
    return None if misplaced_if(other, value, context) else xpn(value, context, argument)


@conversion("person-name")
def person_name(value: Value, context: Context, argument: str) -> Any:
    """STF-1 as HumanName, where a person stands there."""
    return human_name(value, context) if is_person(value) else None


@conversion("computable-name")
def computable_name(value: Value, context: Context, argument: str) -> Any:
    """A code as the name programs use (R4 adf-0, cid-0: letters, digits and `_`), with `argument` before it."""
    kept = "".join(c if c.isascii() and c.isalnum() else "_" for c in value.text(1))
    return f"{argument}_{kept}"[:_LONGEST_NAME] if kept.strip("_") else None


@conversion("primary-identifier")
def primary_identifier(value: Value, context: Context, argument: str) -> Any:
    """The same as Identifier; none of STF-1 that STF-2 has among the numbers of the professional."""
    if value.source.segment == "STF" and value.text(1) in [one.text(1) for one in value.siblings(2)]:
        return None
    return _identifier(primary_key(value, context, argument))


@conversion("catalogue-key")
def catalogue_key(value: Value, context: Context, argument: str) -> Any:
    """A code of a catalogue as key: in the namespace of the sender, whose catalogue it is."""
    code = value.text(1)
    return Key(systems.local_system(context.sender, argument), code) if code else None


@conversion("catalogue-identifier")
def catalogue_identifier(value: Value, context: Context, argument: str) -> Any:
    """The same as Identifier."""
    return _identifier(catalogue_key(value, context, argument))


@conversion("catalogue-url")
def catalogue_url(value: Value, context: Context, argument: str) -> Any:
    """A canonical address made of the same: R4 asks every ChargeItemDefinition for one."""
    key = catalogue_key(value, context, argument)
    return f"{key.system}:{systems.local_system(key.value, 'x').split(':')[2]}" if key else None


@conversion("boolean-code")
def boolean_code(value: Value, context: Context, argument: str) -> Any:
    """A code through a table of `true` and `false`; a code it lacks is a finding."""
    text = value.whole()
    found = context.codes(argument).get(text)
    if found is None and text:
        context.problems.append(value.problem("code.unmapped", table=argument, code=text[:20]))
    return {"true": True, "false": False}.get(found or "")


@conversion("email")
def email(value: Value, context: Context, argument: str) -> Any:
    """A text as e-mail address; one without `@` is that of another field (STF-15: `A^Active`); told."""
    text = value.text(1)
    if not text or misplaced_if("@" not in text, value, context):
        return None
    return {"system": "email", "value": text}


def _identifier(key: Key | None) -> dict[str, str] | None:
    return {"system": key.system, "value": key.value} if key is not None else None
