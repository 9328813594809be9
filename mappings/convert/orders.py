"""Conversions of orders, appointments and charges: priorities, times, durations, prices, TUSS codes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from jiter import LosslessFloat

from canonical import codes as systems
from canonical import identifiers
from canonical.billing import BEYOND
from fhir.definitions.table import codes
from hl7.er7 import Segment
from mappings.convert.datatypes import cwe, describe, xtn
from mappings.convert.decimals import settled
from mappings.convert.keys import ei, ei_identifier
from mappings.convert.misplaced.charged import far_off, nothing_charged, order_for_procedure
from mappings.convert.misplaced.plausible import misplaced_if, no_code, no_service, state_for_group
from mappings.convert.misplaced.results import orderer_for_material
from mappings.convert.periods import moment_or_period
from mappings.convert.published import alone, coding_of, tell_own
from mappings.convert.registry import Context, Value, conversion, gatherer
from mappings.convert.small import annotation
from mappings.convert.specimens import name_of_source, own_code, worded
from mappings.convert.text import coding_from, listed, moment_text, number
from mappings.convert.whose import named
from mappings.tables.table import Source

_OF_NOBODY = frozenset("CEFOQV")  # roles of a specimen (table 0369): controls, calibrators, proficiency
_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
_CURRENCIES = "http://hl7.org/fhir/ValueSet/currencies"
_TAKEN_BACK = "not-billable"
_COUNT_AND_UNIT = re.compile(r"([+-]?[0-9]+(?:[.,][0-9]+)*)\s*([^\W\d_][^\d]*)\Z")
_EARLY, _TOTAL, _UNIT_PRICE = 9, 11, 12
_COUNT = re.compile(r"[1-9][0-9]?\Z")
_PRICE = re.compile(r"[0-9]{1,9}(?:[.,][0-9]{2,4})?\Z")
_AMOUNT = re.compile(r"[+-]?[0-9]{1,3}(?:\.[0-9]{3})+,[0-9]{1,4}\Z")


@conversion("authored")
def authored(value: Value, context: Context, argument: str) -> Any:
    """ORC-9 as authoredOn: the time of the transaction is the order's only when the order is new (NW)."""
    if value.other(1) not in ("NW", ""):
        return None
    return moment_text(value.whole(), value, context)


@conversion("effective")
def effective(value: Value, context: Context, argument: str) -> Any:
    """OBR-7 with OBR-8: a dateTime, or a Period when both are there and differ."""
    return moment_or_period(value, context, value.whole(), value.other(8))


@conversion("collected-for")
def collected_for(value: Value, context: Context, argument: str) -> Any:
    """SPM-17 of the specimen that an examination or result is about, as `effective[x]`; with `argument` only its
    beginning. None where several specimens were collected at several times."""
    segment = value.segment if value.source.segment == "OBR" else context.above("OBR", value.segment)
    if segment is None:
        return None
    specimens = context.once("specimens of", lambda: _specimens(context.message.segments)).get(segment.index, [])
    found = {(one.ask(17), one.ask(17, 2)) for one in specimens}
    if len(found) != 1:
        return None
    begin, end = found.pop()
    said = Value(begin, Source("SPM", 17), specimens[0])
    return moment_text(begin, said, context) if argument else moment_or_period(said, context, begin, end)


def _specimens(segments: Sequence[Segment]) -> dict[int, list[Segment]]:
    """The SPM of each OBR, by its index: those below it (2.5.1 §7.3.1), or the last above where SPM leads (§7.3.7)."""
    found: dict[int, list[Segment]] = {}
    names = [one.name for one in segments if one.name in ("OBR", "SPM")]
    leads = names[:1] == ["SPM"]
    held: list[Segment] = []
    for segment in segments:
        if segment.name == "OBR":
            found[segment.index] = held = list(held) if leads else []
        elif segment.name == "SPM" and leads:
            held = [segment]
        elif segment.name == "SPM":
            held.append(segment)
    return found


@conversion("specimen-type")
def specimen_type(value: Value, context: Context, argument: str) -> Any:
    """SPS (OBR-15.1, a CE in subcomponents) as CodeableConcept."""
    if no_code(value, context):  # a day where the material belongs
        return None
    if orderer_for_material(value, context.codes("specimen-words")):
        context.problems.append(value.problem("field.person-doubtful"))
    code, text, system = (value.text(1, n) for n in (1, 2, 3))
    coding: dict[str, Any] = {}
    if not system and (meant := worded(code, text or ("" if code else name_of_source(value)), "HL70070", context)):
        words = text or ("" if code else name_of_source(value))
        codings = [*([own_code(code, text)] if code else []), meant]
        return {"coding": codings, **({"text": words} if words else {})}
    if code:
        coding = coding_of("0070", code, text, system)
        tell_own(value, context, "" if system else "HL70070", coding["code"], text)
    label = text or ("" if coding else name_of_source(value))
    found: dict[str, Any] = {"coding": [coding]} if coding else {}
    return {**found, **({"text": label} if label else {})} or None


def _procedure(value: Value, context: Context) -> dict[str, Any] | None:
    return None if order_for_procedure(value, context) else cwe(value, context, "")


@conversion("charge-code")
def charge_code(value: Value, context: Context, argument: str) -> Any:
    """A CE as CodeableConcept; a bare code with a TUSS check digit is TUSS of its chapter's table, one of SIGTAP's form
    and check digit (`03.01.01.007-2`) is SIGTAP.

    `argument` is the field with the description (FT1-8, PR1-4). FT1-25, the procedure, is a further coding of FT1-7.
    """
    charged = value.source.segment == "FT1"
    wrong = charged and (
        misplaced_if(nothing_charged(value), value, context)
        or no_service(value, context)
        or order_for_procedure(value, context)
    )
    concept = None if wrong else cwe(value, context, "")
    if concept is None:
        return None
    if charged and value.source.field == 7 and (also := _procedure(value.sibling(25), context)):
        known = [coding["code"] for coding in concept.get("coding", ())]
        more = [coding for coding in also.get("coding", ()) if coding["code"] not in known]
        concept["coding"] = [*concept.get("coding", ()), *more]
    for coding in concept.get("coding", ()):
        code = coding["code"]
        if "system" not in coding and identifiers.is_tuss(code):
            coding["system"] = systems.TUSS + systems.tuss_table(code)
        elif "system" not in coding and identifiers.is_sigtap(identifiers.compact(code)):
            coding |= {"system": systems.coding_system("SIGTAP"), "code": identifiers.compact(code)}
        table = coding.get("system", "").removeprefix(systems.TUSS)
        if table in systems.TUSS_TABLES and not identifiers.is_tuss(code):
            context.problems.append(value.problem("code.tuss"))
    if argument:
        describe(concept, value, context, int(argument))
    return concept


@conversion("single-moment")
def single_moment(value: Value, context: Context, argument: str) -> Any:
    """A DTM as the dateTime of a choice (`occurrence[x]`)."""
    found = moment_text(value.whole(), value, context)
    return ("DateTime", found) if found else None


@conversion("group-number")
def group_number(value: Value, context: Context, argument: str) -> Any:
    """ORC-4 as Identifier: an EI, or from 2.8.2 an EIP with the placer's EI in subcomponents.

    None where it is the order's state, a field early, or its urgency; it is told.
    """
    if state_for_group(value):
        context.problems.append(value.problem("field.misplaced"))
        return None
    return ei(_first_of_pair(value), context, argument)


@conversion("group-identifier")
def group_identifier(value: Value, context: Context, argument: str) -> Any:
    """The same among the identifiers of a report, with its type PGN."""
    if state_for_group(value):  # the order tells it
        return None
    return ei_identifier(_first_of_pair(value), context, "PGN")


def _first_of_pair(value: Value) -> Value:
    delimiters = value.delimiters
    first = value.raw.split(delimiters.component)[0]
    if delimiters.sub not in first:
        return value
    return Value(first.replace(delimiters.sub, delimiters.component), value.source, value.segment)


@conversion("alternate-number")
def alternate_number(value: Value, context: Context, argument: str) -> Any:
    """ORC-33, OBR-53 (CX) as Identifier of type `argument`, in the system its authority has."""
    number_text = value.text(1)
    if not number_text:
        return None
    authority = value.text(4) or value.text(4, 2) or context.sender
    kind = {"coding": [{"system": systems.V2_0203, "code": argument}]}
    return {"type": kind, "system": systems.local_system(authority, f"{argument}-alt"), "value": number_text}


@conversion("status-reason")
def status_reason(value: Value, context: Context, argument: str) -> Any:
    """ORC-16, why the order event happened, as the published extension; ORC-5 beside it says the state itself."""
    concept = cwe(value, context, "")
    url = "http://hl7.org/fhir/StructureDefinition/request-statusReason"
    return {"url": url, "valueCodeableConcept": concept} if concept else None


@conversion("nobody-as-subject")
def nobody_as_subject(value: Value, context: Context, argument: str) -> Any:
    """An unknown subject for an imaging order without PID, which 2.5.1 §4.5.7 allows and R4 does not; it is told."""
    if context.message.first("PID") is not None:
        return None
    context.problems.append(value.problem("semantic.order-of-nobody"))
    return {"extension": [{"url": _ABSENT, "valueCode": "unknown"}]}


@conversion("specimen-of-nobody")
def specimen_of_nobody(value: Value, context: Context, argument: str) -> Any:
    """An unknown subject for the examination of a numbered specimen (SPM-2) whose message names no patient, as 2.5.1
    §4.4.8 allows and IHE LAB-28 has it; it is told, unless the specimen is a control or blank (SPM-11), which has none.
    """
    specimen = context.above("SPM", value.segment)
    if specimen is None or any(named(patient) for patient in context.message.named("PID")):
        return None
    number_field = Value("", value.source, specimen).sibling(2)
    if not number_field.raw.strip("".join((value.delimiters.component, value.delimiters.sub))):
        return None
    if number_field.other(11) in _OF_NOBODY:
        return {"extension": [{"url": _ABSENT, "valueCode": "not-applicable"}]}
    context.problems.append(number_field.problem("semantic.order-of-specimen"))
    return {"extension": [{"url": _ABSENT, "valueCode": "unknown"}]}


@conversion("business-event")
def business_event(value: Value, context: Context, argument: str) -> Any:
    """ORC-1, the last that was said of the order, with ORC-9: a request (CA, HD) shows here before it is confirmed."""
    code = value.text(1)
    if not code:
        return None
    concept = {"coding": [coding_of("0119", code)]}
    parts: list[dict[str, Any]] = [{"url": "value", "valueCodeableConcept": concept}]
    if moment := moment_text(value.other(9), value, context):
        parts.append({"url": "date", "valueDateTime": moment})
    return {"url": systems.ORDER_EVENT, "extension": parts}


@conversion("control-reason")
def control_reason(value: Value, context: Context, argument: str) -> Any:
    """ORC-16 as statusReason of a prescription that is cancelled, stopped or held by this event."""
    stopping = ("CA", "OC", "CR", "DC", "OD", "DR", "HD", "OH", "HR")
    return cwe(value, context, "") if value.other(1) in stopping else None


@conversion("study-uid")
def study_uid(value: Value, context: Context, argument: str) -> Any:
    """IPC-3, ZDS-1, the DICOM study instance UID, as Identifier."""
    uid = value.text(1)
    return {"system": "urn:dicom:uid", "value": f"urn:oid:{uid}"} if re.fullmatch(r"[0-2](\.\d+)+", uid) else None


@conversion("study-named")
def study_named(value: Value, context: Context, argument: str) -> Any:
    """The same as reference to the study of a report, named by its UID: the images are another system's."""
    uid = study_uid(value, context, argument)
    return {"type": "ImagingStudy", "identifier": uid} if uid else None


@conversion("callback")
def callback(value: Value, context: Context, argument: str) -> Any:
    """OBR-17, ORC-14: whom to call about the order, as the published extension."""
    points = xtn(value, context, "")
    url = "http://hl7.org/fhir/StructureDefinition/servicerequest-order-callback-phone-number"
    return {"url": url, "valueContactPoint": points[0]} if points else None


@conversion("security")
def security(value: Value, context: Context, argument: str) -> Any:
    """ORC-28, the confidentiality code (table 0177), as a security label."""
    code = value.text(1)
    if not code:
        return None
    target = context.codes("hl70177").get(code)
    if target is None and not value.text(3):
        context.problems.append(value.problem("code.unmapped", table="hl70177", code=code[:20]))
    if target:
        return coding_from(target)
    return alone("0177", code, name=value.text(3))


@conversion("quantity")
def quantity(value: Value, context: Context, argument: str) -> Any:
    """FT1-10 as Quantity, the sign as sent; a unit behind the number (`2 UN`) is its unit. None of a charge that
    stands far off; told."""
    if misplaced_if(value.source.segment == "FT1" and far_off(value.segment), value, context):
        return None
    text, unit = count_and_unit(value.whole())
    plain = settled(text, value, context)
    found = None if plain is None else number(plain)
    if found is None:
        context.problems += [value.problem("field.number")] if plain is not None else []
        return None
    return {"value": found, **({"unit": unit} if unit else {})}


def count_and_unit(text: str) -> tuple[str, str]:
    """A count and the unit written behind it; the text alone where it is not that."""
    match = _COUNT_AND_UNIT.match(text.strip())
    return (match[1], match[2]) if match else (text, "")


@conversion("total-price")
def total_price(value: Value, context: Context, argument: str) -> Any:
    """FT1-11, the extended amount, as Money: the exact decimal text; a credit (FT1-6 CD) is below zero."""
    if _is_count(value):
        context.problems.append(value.problem("field.misplaced"))
        return None
    return _money(_amount(value, context, doubtful=True), value, context)


@conversion("late-count")
def late_count(value: Value, context: Context, argument: str) -> Any:
    """FT1-11, or FT1-9, as Quantity, where the count stands there, a field late or early."""
    return {"value": int(value.whole())} if _is_count(value) else None


@conversion("uncounted")
def uncounted(value: Value, context: Context, argument: str) -> Any:
    """FT1-9, a further description, as Annotation; none where it is the count, a field early; told."""
    if not _is_count(value):
        return annotation(value, context, argument)
    context.problems.append(value.problem("field.misplaced"))
    context.rescued.add(value.problem("field.out-of-place").where)
    return None


def _is_count(value: Value) -> bool:
    """Whether FT1-11 or FT1-9 is the count: FT1-10 (and 11) is empty, and a total of so little would be below the price
    of one; a description (FT1-9) of digits alone is it without a price, too."""
    count, price = value.whole(), value.other(_UNIT_PRICE)
    apart = not value.other(10) and (value.source.field == _TOTAL or not value.other(_TOTAL))
    if apart and not price and value.source.field == _EARLY:
        return _COUNT.match(count) is not None
    plain = apart and _COUNT.match(count) is not None and _PRICE.match(price) is not None
    return plain and Decimal(price.replace(",", ".")) > int(count)


@conversion("unit-price")
def unit_price(value: Value, context: Context, argument: str) -> Any:
    """FT1-12, the unit price, times FT1-10 (or the count of FT1-11 or 9, a field off), as Money."""
    price = _amount(value, context)
    counted = next((one for n in (_TOTAL, _EARLY) if _is_count(one := value.sibling(n))), value.sibling(10))
    times = settled(count_and_unit(counted.whole())[0] or "1", counted, context)
    count = None if times is None else number(times)
    if price is None or count is None:  # of how many is told of FT1-10
        return None
    product = Decimal(str(price)) * Decimal(str(count))
    if abs(product) >= BEYOND:
        context.problems.append(value.problem("field.number"))
        return None
    return _money(product.quantize(Decimal("0.01"), ROUND_HALF_UP), value, context)


def _amount(value: Value, context: Context, *, doubtful: bool = False) -> Decimal | None:
    """The amount of a CP or MO (component 1.1); `1.234,56` and `12,50` are read as Brazilian amounts.

    A total has cents: `1.500` is no number of them where nothing in the message shows what its point is (`doubtful`).
    """
    text = value.text(1).replace("R$", "").strip()
    if _AMOUNT.match(text):
        text = text.replace(".", "")
    plain = settled(text, value, context, doubtful=doubtful)
    if plain is None:
        return None
    found = number(plain)
    if found is None and value.whole():
        context.problems.append(value.problem("field.number"))
    return None if found is None else Decimal(str(found))


def _money(price: Decimal | None, value: Value, context: Context) -> Any:
    if price is None:
        return None
    if listed(context.codes("hl70017"), value.other(6)) == _TAKEN_BACK and price > 0:
        price = -price
    amount = {"value": LosslessFloat(format(price, "f").encode())}
    currency = value.text(1, 2)
    if re.fullmatch(r"[A-Z]{3}", currency) and currency not in codes(_CURRENCIES):
        context.problems.append(value.problem("code.unmapped", code=currency, table="ISO 4217"))
        return amount
    return {**amount, "currency": currency if re.fullmatch(r"[A-Z]{3}", currency) else "BRL"}


@gatherer("unknown-code")
def unknown_code(values: list[Value], context: Context, argument: str) -> Any:
    """An OBR without OBR-4 that says something: its results are kept under a code that says it is unknown."""
    obr = values[0].segment
    if values[0].text(1) or values[0].text(2) or not any(obr.fields()[2:]):
        return None
    context.problems.append(values[0].problem("structure.no-code"))
    absent = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
    return {"extension": [{"url": absent, "valueCode": "unknown"}]}
