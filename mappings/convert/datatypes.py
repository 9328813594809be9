"""Conversions of HL7 data types to FHIR data types: CX, XAD, XTN, CWE."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from canonical import codes as systems
from canonical import identifiers
from hl7.er7 import Delimiters, Segment
from mappings.convert.addresses import (
    address_for_number,
    behind_a_house,
    is_abroad,
    is_cep,
    kin_for_address,
    municipality,
    of_birth,
    postal_code,
    righted,
    shifted,
    without_postal_state,
)
from mappings.convert.keys import behind_its_type, cx_key, is_name
from mappings.convert.misplaced.nothing import in_one_part, no_contact, somebodys, without_nothing
from mappings.convert.misplaced.plausible import (
    misplaced_if,
    no_address,
    no_code,
    no_instant,
    no_number,
    visit_for_patient,
)
from mappings.convert.periods import period
from mappings.convert.published import (
    Claims,
    alone,
    by_number,
    claims,
    coding_of,
    doubtful,
    of_the_house,
    placed,
    tell_claims,
    tell_own,
)
from mappings.convert.registry import Context, Value, conversion
from mappings.convert.text import coding_from, component_code, listed, meant, words_in
from mappings.tables.table import Source

_DIALLED = re.compile(r"\+?[0-9 ()./-]{5,}\Z")
_CID_AND_NAME = re.compile(r"([A-Za-z][0-9]{2}\.?[0-9]?)\s*(?:[-–:]\s*|\s)([^\W\d_][^^]{3,}?)\s*(?=\^|\Z)")
_COMMA = re.compile(r"[A-Za-z][0-9]{2},[0-9](?:\^|\Z)")
_SHORTEST = 5  # digits of a subscriber's number without its area
_WORD = 4  # a shorter text beside a code may be a code itself
LONGEST_KEPT = 256  # characters of a coded field whose reading is remembered
_CHECKS = {
    systems.CPF: identifiers.is_cpf,
    systems.CNS: identifiers.is_cns,
    systems.CNPJ: identifiers.is_cnpj,
    systems.CNES: identifiers.is_cnes,
}


@conversion("cx")
def cx(value: Value, context: Context, argument: str) -> Any:
    """CX as Identifier; CPF, CNS and other Brazilian registers get their official system (2.5.1 §2.A.14)."""
    key = cx_key(value, context, argument)
    if key is None:
        context.problems += [value.problem("field.misplaced")] if visit_for_patient(value) or is_name(value) else []
        return None
    if key.system in _CHECKS and not _CHECKS[key.system](key.value):
        context.problems.append(value.problem("identifier." + systems.short_name(key.system)))
    typed = behind_its_type(value)[0]
    if typed:
        context.problems.append(value.problem("field.out-of-place"))
    kind = typed or value.text(5).upper() or argument
    identifier: dict[str, Any] = {"system": key.system, "value": key.value}
    if kind:
        identifier["type"] = {"coding": [coding_of("0203", systems.type_code(kind))]}
    if span := period_of(value, context, (7, 8), 0):
        identifier["period"] = span
    return identifier


def period_of(value: Value, context: Context, bounds: tuple[int, int], span: int) -> dict[str, str]:
    """A Period of two DTM components, else of the DR in component `span`."""
    texts = [value.text(number) for number in bounds]
    if not any(texts) and span:
        texts = [value.text(span), value.text(span, 2)]
    if not any(texts):
        return {}
    return period(value, context, *texts)


@conversion("xad")
def xad(value: Value, context: Context, argument: str) -> Any:
    """XAD as Address; an IBGE municipality in XAD-9 is no district. `county`: PID-12 stands in for XAD-9.

    A Brazilian address whose state and CEP stand further right (its number, complement and quarter have components of
    their own) or further left is read as it was meant, with a finding.
    """
    if _is_none(value, context, argument):
        return None
    if (found := shifted(value) or behind_a_house(value)) is not None:
        context.problems.append(value.problem("field.address-form"))
        return without_nothing(found, value, context) or None
    value = _in_its_components(value, context)
    address, late = _named_parts(value)
    if argument == "county" and len(value.segment.repetitions(11)) == 1 and "district" not in address:
        address.update({"district": county} if (county := value.other(12)) else {})
    lines = _lines(value)
    if lines:
        address["line"] = lines
    abroad = is_abroad(value, context.message.header.text(17))
    if not abroad:
        municipality(address)
    address = without_nothing(address, value, context)
    _designate(address, "" if late else value.text(8))
    if not address:
        return None
    if not late:
        address.update(_use_and_kind(value, context))
    if span := period_of(value, context, (13, 14), 12):
        address["period"] = span
    return address


def _in_its_components(value: Value, context: Context) -> Value:
    """An address as it was meant, where its state and postal code stand in other components than their own; told."""
    if (meant := righted(value)) is not None:
        context.problems.append(value.problem("field.address-form"))
        value = meant
    apart = without_postal_state(value, context.message.header.text(17))
    if apart is None:
        return value
    context.problems.append(value.problem("field.address-form") if apart[1] else value.problem("field.misplaced", 4))
    return apart[0]


def _is_none(value: Value, context: Context, argument: str) -> bool:
    """Whether what stands for an address is none, or is that of the birth."""
    if no_address(value, context) or (argument == "county" and of_birth(value)):
        return True
    return misplaced_if(kin_for_address(value, context), value, context)


def _named_parts(value: Value) -> tuple[dict[str, Any], bool]:
    """City, state, postal code, country and district; whether code and country stand one late
    (`^^City^Region^^9016^NZ`)."""
    code = value.text(6)
    late = not value.text(5) and (code.isdigit() or is_cep(code)) and value.text(7).isalpha()
    names = {"city": 3, "state": 4, "postalCode": 5 + late, "country": 6 + late, "district": 9}
    address: dict[str, Any] = {name: text for name, number in names.items() if (text := value.text(number))}
    if "postalCode" in address:
        address["postalCode"] = postal_code(address["postalCode"])
    return address, late


def _use_and_kind(value: Value, context: Context) -> dict[str, str]:
    """XAD-7 as use and type of the address; else whether it is temporary or bad (XAD-16, XAD-17, from 2.6 on)."""
    use, kind = component_code(value, context, "hl70190", 7), listed(context.codes("hl70190-type"), value.text(7))
    use = use or ("temp" if value.text(16) == "Y" else "old" if value.text(17) == "Y" else "")
    return {**({"use": use} if use else {}), **({"type": kind} if kind else {})}


def _designate(address: dict[str, Any], other: str) -> None:
    """XAD-8, another geographic designation (a county, a quarter): the district where none is said, else a line.

    A single letter is the type of the address, a component off.
    """
    if len(other) < len("Sé"):
        return
    if "district" not in address:
        address["district"] = other
    elif other != address["district"]:
        address["line"] = [*address.get("line", ()), other]


def _lines(value: Value) -> list[str]:
    """SAD, XAD-2 and XAD-19 as lines; street name and number (SAD-2, SAD-3) only where SAD-1 does not say them."""
    street = value.text(1)
    parts = [part for sub in (2, 3) if (part := value.text(1, sub)) and part not in street]
    return [line for line in (street, *parts, value.text(2), value.text(19)) if line]


@conversion("district")
def district(value: Value, context: Context, argument: str) -> Any:
    """PID-12 where there is no PID-11: an address with its district, or its IBGE municipality."""
    text = value.text(1)
    return xad(Value("^^^^^^^^" + value.raw, value.source, value.segment), context, "") if text else None


@conversion("xtn")
def xtn(value: Value, context: Context, argument: str) -> Any:
    """XTN as ContactPoints: the number (XTN-1, XTN-12 or its parts) and the e-mail of XTN-4, also where XTN-1 or the
    unformatted number (XTN-12) has it; `argument` the use."""
    value = in_one_part(value, context)
    if no_contact(value, context):
        return None
    if no_number(value, context) or misplaced_if(address_for_number(value, context), value, context):
        return None
    first, fourth, whole = value.text(1), value.text(4), value.text(12)
    whole = whole if "@" in whole or _digits(whole) else ""  # `y`: no number beside XTN-1
    called = 2
    if fourth and not value.text(2) and listed(context.codes("hl70201"), fourth) is not None:  # `^^^HOME`
        called, fourth = 4, ""
    mail = next((text for text in (fourth, first, whole) if "@" in text), "" if _dialled(fourth) else fourth)
    said = _number(value, *("" if text == mail else text for text in (first, fourth, whole)))
    number = somebodys(said, value, context)
    use = component_code(value, context, "hl70201", called) or argument
    system = component_code(value, context, "hl70202", 3) or "phone"
    points: list[dict[str, Any]] = []
    if number:
        mobile = listed(context.codes("hl70202-use"), value.text(3))
        points.append({"system": "phone" if system == "email" else system, "value": number, "use": mobile or use})
    if mail:
        points.append({"system": "email", "value": mail, "use": use})
    more: dict[str, Any] = {"period": period_of(value, context, (13, 14), 0)}
    if re.fullmatch("[1-9][0-9]{0,8}", value.text(18)):
        more["rank"] = int(value.text(18))
    return [{name: text for name, text in {**point, **more}.items() if text} for point in points] or None


def _number(value: Value, first: str, fourth: str, whole: str) -> str:
    """The number of an XTN: of its parts, of XTN-12, as XTN-1 has it, or where else one stands that can be dialled.

    Some senders shift the parts by one (the area in XTN-7, the number in XTN-8) or put the whole into XTN-4 or XTN-9 to
    11. XTN-1 says it then, or that component.
    """
    parts = [value.text(n) for n in (5, 6, 7, 8)]
    if not any(c.isdigit() for part in parts for c in part):  # `^NET^Internet` behind an address
        parts = ["", "", "", ""]
    country, area, local, extension = parts
    country = f"+{country.lstrip('+')}" if _digits(country) else ""  # `PH`: the equipment's kind, two components late
    built = " ".join(part for part in (country, area, local) if part)
    if local and _digits(first) > _digits(built) + _digits(extension) - 1 > 0 and _digits(local) < _SHORTEST:
        return first
    number = (built if local else "") or whole or first or built or fourth
    if number:
        return f"{number} x{extension.lstrip('xX')}" if extension else number
    return next((text for text in (extension, *(value.text(n) for n in (9, 10, 11))) if _dialled(text)), "")


def _digits(text: str) -> int:
    return sum(c.isdigit() for c in text)


def _dialled(text: str) -> bool:
    """Whether a text is a telephone number and no address."""
    return bool(_DIALLED.match(text))


@conversion("cwe")
def cwe(value: Value, context: Context, argument: str) -> Any:
    """CE, CWE, CNE, CF or IS as CodeableConcept with all codings; `argument` names the system of a bare code."""
    if (argument.startswith("HL7") and no_code(value, context)) or no_instant(value, context):
        return None
    reader = _cwe_read if len(value.raw) <= LONGEST_KEPT else _cwe_read.__wrapped__
    read, claimed = reader(value.raw, value.delimiters, argument)
    if read is None:
        return None
    if (
        argument.startswith("HL7")
        and not (value.text(3) or value.text(14))
        and not read.get("coding", [{}])[0].get("system")
    ):
        tell_own(value, context, argument, _code(value.text(1)), value.said(2))
    if claimed:
        tell_claims(value, context, claimed)
    return {n: [{**item} for item in part] if isinstance(part, list) else part for n, part in read.items()}


@lru_cache(maxsize=8192)  # a feed says the same few thousand codes again and again; each caller gets a copy
def _cwe_read(raw: str, delimiters: Delimiters, argument: str) -> tuple[dict[str, Any] | None, Claims]:
    """The concept, and the codes in it that are not of the system their sender names."""
    value = Value(raw, Source("OBX", 3), Segment("OBX", 0, delimiters))
    codings = []
    for first, version, number in ((1, 7, 14), (4, 8, 17), (10, 13, 20)):
        code, display = _code(value.text(first)), value.said(first + 1)
        if not code:
            continue
        named = value.text(first + 2) or value.text(number)  # by its OID, from 2.7 on
        code, display = by_number(named, code, display)
        system, code = placed(named, code, argument)
        table = argument.removeprefix("HL7")
        if not named and table != argument and (doubtful(table, code, display) or of_the_house(table, code, display)):
            system = ""
        coding = {"code": code}
        if system:
            coding["system"] = system
            if edition := value.text(version):
                coding["version"] = edition
        if display:
            coding["display"] = display
        codings.append(coding)
    concept: dict[str, Any] = {"coding": codings} if codings else {}
    words = "" if codings else value.said(5) or (value.said(3) if " " in value.text(3) else "")
    if text := value.said(9) or value.said(2) or words:
        concept["text"] = text
    return concept or None, claims(codings)


@conversion("coding")
def coding(value: Value, context: Context, argument: str) -> Any:
    """A single code through `codes/<argument>.csv` as Coding; `to` is `system|code|display`."""
    text = value.whole()
    if not text:
        return None
    target = listed(context.codes(argument), text)
    if not target:
        if target is None:
            context.problems.append(value.problem("code.unmapped", table=argument, code=text[:20]))
        return None
    return coding_from(target)


@conversion("coding-or-own")
def coding_or_own(value: Value, context: Context, argument: str) -> Any:
    """Like `coding`; a code the table lacks is reported and kept as the sender's own, in its HL7 table."""
    found = coding(value, context, argument)
    if found is not None or not value.whole() or value.whole() in context.codes(argument):
        return found
    return alone(argument.split("-", maxsplit=1)[0][3:], value.whole(), value.text(2))


@conversion("concept")
def concept(value: Value, context: Context, argument: str) -> Any:
    """Like `coding`, as CodeableConcept with the sender's own text."""
    found = coding(value, context, argument)
    return {"coding": [found]} if found else None


@conversion("concept-or-own")
def concept_or_own(value: Value, context: Context, argument: str) -> Any:
    """A code through `codes/<argument>.csv` as CodeableConcept; a code the table lacks is kept as the sender's own.

    A word beside the code that the table knows says what the sender means by it (`C^CASADO` is no common law).
    """
    table, alone_written = context.codes(argument), not value.text(2) and not words_in(value.whole())
    if doubtful(argument[3:7], value.text(1), value.text(2)) and listed(table, value.text(2)) is None:
        return cwe(value, context, argument.split("-", maxsplit=1)[0].upper())
    if target := listed(table, value.whole()) if alone_written else meant(table, value):
        return {"coding": [coding_from(target)]}
    return cwe(value, context, argument.split("-", maxsplit=1)[0].upper())


@conversion("diagnosis-code")
def diagnosis_code(value: Value, context: Context, argument: str) -> Any:
    """DG1-3 as CodeableConcept: CID-10 without dot where the system says so or the shape fits, text of DG1-4."""
    described = (value.source.segment, value.source.field) == ("DG1", 3)
    value = _code_apart(value)
    found = cwe(value, context, "")
    code = identifiers.compact(value.text(1))
    named = value.text(3) or (value.other(2) if described else "")
    if found is None:
        text = value.other(4) if described else ""
        return {"text": text} if text else None
    first = found.get("coding", [{}])[0]
    system = systems.coding_system(named)
    if system == systems.CID10 or (not named and identifiers.is_cid10(code)):
        first["system"] = systems.CID10
        if identifiers.is_cid10(code):
            first["code"] = code
        else:  # of a national edition: its codes have their dot
            context.problems.append(value.problem("code.cid10"))
    elif first and "system" not in first and not system.startswith(systems.LOCAL):
        first.update({"system": system} if system else {})
    if described:
        describe(found, value, context, 4)
    return found


def _code_apart(value: Value) -> Value:
    """A code of the CID-10 with its name in one component (`J18.9 - PNEUMONIA`) as the two it is, one with a comma
    (`J18,9`) with its dot; else the value."""
    if _COMMA.match(value.raw):
        return Value(value.raw.replace(",", ".", 1), value.source, value.segment)
    match = _CID_AND_NAME.match(value.raw) if not value.text(2) else None
    if match is None or not identifiers.is_cid10(identifiers.compact(match[1])):
        return value
    return Value(value.delimiters.component.join(match.groups()), value.source, value.segment)


def describe(concept: dict[str, Any], value: Value, context: Context, field: int) -> None:
    """The description beside a code, in `field`, as text: what was written; the name of the code stays its display.

    A number or a moment there describes nothing; it is told.
    """
    text, original = value.other(field), value.said(9)
    if text and not any(c.isalpha() for c in text):
        context.problems.append(value.sibling(field).problem("field.misplaced"))
    elif text and text not in [coding.get("display") for coding in concept.get("coding", ())]:
        concept["text"] = f"{original}: {text}" if original and original != text else text


def _code(text: str) -> str:
    return " ".join(text.split())
