"""Conversions of OBX: values by their type in OBX-2, interpretation, embedded documents. Ranges: `measures`.

R4 Observation.value[x] has no Attachment, so ED and RP become a DocumentReference of their own (plan `document`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from mappings.convert.datatypes import cwe
from mappings.convert.decimals import settled
from mappings.convert.markup import unmarked
from mappings.convert.measures import comparator_of, limits, quantity, unit_of
from mappings.convert.misplaced.plausible import no_moment, stray_interpretation, stray_status
from mappings.convert.notes import joined
from mappings.convert.periods import period
from mappings.convert.published import coding_of
from mappings.convert.registry import Context, Value, clean, conversion, gatherer, rescue
from mappings.convert.text import coding_from, descends, listed, moment_text, number
from mappings.tables.table import Source

_CODED = frozenset(("CE", "CWE", "CNE", "CF", "IS", "ID", "CNN"))
_MEASURED = frozenset(("ST", "TX", "FT", ""))
_TEXTS = frozenset(("ST", "TX", "FT", "GTS", "UT"))
_MISSING = "E"  # R4 SampledData.data: no value
_WITH_UNIT = frozenset(("valueQuantity", "valueRatio", "valueRange", "valueSampledData"))
_COMPARATORS = frozenset(("<", "<=", ">", ">=", "=", "<>", "~", "+"))
_BETTER = "B"
_LONGEST_SYSTEM = 20  # characters
_TIME = re.compile(r"([0-9]{2})(?::?([0-9]{2}))?(?::?([0-9]{2}))?(?:\.[0-9]+)?(?:[+-][0-9]{4})?\Z")
Pair = tuple[str, Any]


@gatherer("obx-value")
def obx_value(values: list[Value], context: Context, argument: str) -> Any:
    """OBX-5 of a record as `value[x]`: text lines joined in order; several values of another type as components."""
    first = values[0]
    kind = first.other(2)
    if not kind and any(value.raw for value in values):
        context.problems.append(first.problem("structure.value-type"))
    plain = kind in _MEASURED or (kind in _CODED and first.delimiters.component not in first.raw)
    if plain and len(values) == 1 and (measured := _measured(first, context)):
        return [measured]
    if kind in _TEXTS or not kind or kind not in _VALUES:
        if kind and kind not in _TEXTS and any(v.raw for v in values):
            context.problems.append(first.problem("structure.value-kind", type=kind[:10]))
        text = unmarked(joined(values), first, context)
        return [("valueString", text), *_unit_beside(first, text)] if text else None
    if len(values) == 2 and values[0].raw == values[1].raw and values[0].segment is values[1].segment:
        values = values[:1]  # said twice; of a text each line is a line
    found = [pair for value in values if (pair := _VALUES[kind](value, context))]
    told = [made for name, made in found if name not in _WITH_UNIT]
    beside = _unit_beside(first, str(told)) if told and len(told) == len(found) else []
    if len(found) <= 1:
        more = kind == "NM" and not told  # a text says all of its field by itself
        return [*found, *(_beside(first) if more else ()), *beside] or None
    code = cwe(first.sibling(3), context, "") or {"text": "?"}
    return [*(("component", {"code": code, name: value}) for name, value in found), *beside]


def _beside(value: Value) -> list[Pair]:
    """What a sender adds behind a number (`2.5^(25,7 %)`): an NM has no such part, and it was said of the result."""
    rest = " ".join(part for number in (2, 3, 4) if (part := value.text(number)))
    return [("note", {"text": rest})] if rest else []


def _unit_beside(value: Value, told: str) -> list[Pair]:
    """The unit of a value that is no number (`superior a 100`, `mg/dL`): R4 has no place for it but a note."""
    unit = unit_of(value).get("unit", "")
    return [("note", {"text": f"Unidade: {unit}"})] if unit and unit not in told else []


def _measured(value: Value, context: Context) -> Pair | None:
    """A number, also with comparator, sent as text or without type but with a unit: text would lose the unit."""
    if not value.other(6) and not value.other(6, 2):
        return None
    return _compared(value.full(), value, context)


def _compared(text: str, value: Value, context: Context) -> Pair | None:
    """A number, or one with a comparator before it (`> 600`); None for other text, and for numbers that may be two."""
    comparator, bare = comparator_of(_without_unit(text, value))
    plain = settled(bare, value, context)
    if plain is None or number(plain) is None:
        return None
    return "valueQuantity", {**({"comparator": comparator} if comparator else {}), **quantity(plain, value)}


def _without_unit(text: str, value: Value) -> str:
    """A number whose unit stands behind it and in OBX-6 too (`94%`) without it; what begins with a digit is no unit."""
    unit = value.other(6, 2) or value.other(6)
    again = bool(unit) and not unit[0].isdigit() and text.casefold().endswith(unit.casefold())
    return text[: len(text) - len(unit)].rstrip() if again and len(text) > len(unit) else text


@conversion("interpretation")
def interpretation(value: Value, context: Context, argument: str) -> Any:
    """OBX-8 as interpretation; a code table 0078 lacks is kept as the sender's own and reported."""
    text = value.text(1)
    if not text:
        return None
    target = listed(context.codes("hl70078"), text)
    if text == _BETTER and _reads_low(value, context):  # B for `baixo`
        target = context.codes("hl70078")["L"]
    if target:
        return {"coding": [coding_from(target)]}
    if target is None and not value.text(2):
        context.problems.append(value.problem("code.unmapped", table="hl70078", code=text[:20]))
    return cwe(value, context, "HL70078" if target is not None else "")  # a code the table lacks is not of the table


def _reads_low(value: Value, context: Context) -> bool:
    """Whether the number in OBX-5 is below the lower limit of OBX-7."""
    low = limits(value.other(7)).get("low", "")
    plain = [settled(text, value.sibling(field), context) for field, text in ((5, value.other(5)), (7, low))]
    result, limit = (None if text is None else number(text) for text in plain)
    return result is not None and limit is not None and float(result) < float(limit)


@conversion("original")
def original(value: Value, context: Context, argument: str) -> Any:
    """The sender's own code beside the status it became, as alternate-codes; `argument` is the HL7 table."""
    return alternate(value.text(1), argument) if value.text(1) else None


@conversion("original-if-unmapped")
def original_if_unmapped(value: Value, context: Context, argument: str) -> Any:
    """The same, only for a code that `codes/<argument>.csv` does not map: the required element says less than it.

    A moment is no code; it is told.
    """
    if no_moment(value, context):
        return None
    code = value.text(1)
    return alternate(code, argument[3:7]) if code and not listed(context.codes(argument), code) else None


def alternate(code: str, table: str) -> dict[str, Any]:
    """A primitive's extension that keeps the code it stands for."""
    url = "http://hl7.org/fhir/StructureDefinition/alternate-codes"
    return {"extension": [{"url": url, "valueCodeableConcept": {"coding": [coding_of(table, code)]}}]}


@rescue("stray-interpretation")
def interpretation_astray(value: Value, context: Context, argument: str) -> Any:
    """The interpretation in OBX-10, two fields late; it is told."""
    if not stray_interpretation(value):
        return None
    context.problems.append(value.problem("field.misplaced"))
    return interpretation(value, context, "")


@rescue("stray-status")
def status_astray(value: Value, context: Context, argument: str) -> Any:
    """The status of a result in OBX-10, 12 or 13, beside its own field, by the code table `argument`; it is told."""
    if not stray_status(value):
        return None
    context.problems.append(value.problem("field.misplaced"))
    return context.codes(argument).get(value.text(1)) or None


@conversion("abnormality")
def abnormality(value: Value, context: Context, argument: str) -> Any:
    """OBX-10, the nature of the abnormal test (table 0080), as the published extension."""
    code = "" if stray_status(value) or stray_interpretation(value) else value.text(1)
    url = "http://hl7.org/fhir/StructureDefinition/observation-nature-of-abnormal-test"
    return {"url": url, "valueCodeableConcept": {"coding": [coding_of("0080", code)]}} if code else None


@conversion("observation-code")
def observation_code(value: Value, context: Context, argument: str) -> Any:
    """OBX-3 as CodeableConcept; the suffix of its first component (`71046&IMP`, 2.5.1 §7.1.4) is said in the text."""
    concept = cwe(value, context, "")
    suffix = value.text(1, 2)
    label = (context.codes(argument).get(suffix) or suffix) if suffix else ""
    if concept is None and label and (above := context.above("OBR", value.segment)) is not None:
        named = above.repetitions(4)  # `&IMP`: the examination is the one of OBR-4 (§7.1.4)
        concept = cwe(Value(named[0], Source("OBR", 4), above), context, "") if named else None
    if concept is None or not label:
        return concept
    text = concept.get("text", "")
    return {**concept, "text": f"{text}: {label}" if text else label}


@conversion("code-of-order")
def code_of_order(value: Value, context: Context, argument: str) -> Any:
    """OBR-4 as the code of a result whose OBX-3 names none: it is the examination that was asked for."""
    concept = cwe(value, context, argument)
    if concept is not None and (told := value.problem("semantic.code-of-order")) not in context.problems[-3:]:
        context.problems.append(told)  # results follow one another: once for most reports
    return concept


@conversion("suffix-part")
def suffix_part(value: Value, context: Context, argument: str) -> Any:
    """The suffix of OBX-3 as part: the impression and the description of one examination are two results."""
    return value.text(1, 2) or None


def _nm(value: Value, context: Context) -> Pair | None:
    text = value.text(1)
    if not text:
        return None
    if number(text) is None:
        context.problems.append(value.problem("field.number"))
    return _compared(text, value, context) or ("valueString", value.full())


def _sn(value: Value, context: Context) -> Pair | None:
    """SN: `<>` or `+` is text, `:` and `/` a ratio, `-` a range, else a quantity with comparator."""
    comparator, low, mark, high = (value.text(n) for n in (1, 2, 3, 4))
    if comparator and not low and comparator not in _COMPARATORS:  # a plain number, or words, where its parts belong
        return _nm(value, context)
    plain = [settled(one, value, context) for one in (low, high)]
    if comparator == "<>" or mark == "+" or any(one is None or (one and number(one) is None) for one in plain):
        words = " ".join(part for part in (comparator, low, mark, high, value.other(6)) if part)
        return ("valueString", words) if words else None
    low, high = (one or "" for one in plain)
    if mark in (":", "/") and low and high:
        return "valueRatio", {"numerator": quantity(low, value, comparator), "denominator": quantity(high, value)}
    if mark == "-" and high:
        return _range(value, context, low, high)
    return ("valueQuantity", quantity(low, value, comparator)) if low else None


def _coded(value: Value, context: Context) -> Pair | None:
    """A code with its words, which some senders go on with where the coding system belongs: a name of one is an ID of
    20 characters at the most (2.5.1 §2.A.13). Words with a number there are told, and said behind the others."""
    words = value.text(3)
    if len(words) <= _LONGEST_SYSTEM or " " not in words or not any(map(str.isdigit, words)):
        concept = cwe(value, context, "")
        return ("valueCodeableConcept", concept) if concept else None
    context.problems.append(value.problem("field.out-of-place", 3))
    parts = value.raw.split(value.delimiters.component)
    bare = value.delimiters.component.join((*parts[:2], "", *parts[3:]))
    concept = cwe(Value(bare, value.source, value.segment), context, "") or {}
    return "valueCodeableConcept", {**concept, "text": f"{concept.get('text', '')} {value.said(3)}".strip()}


def _moment(value: Value, context: Context) -> Pair | None:
    text = moment_text(value.text(1), value, context)
    if text:
        return "valueDateTime", text
    return ("valueString", value.full()) if value.full() else None


def _time(value: Value, context: Context) -> Pair | None:
    match = _TIME.match(value.text(1))
    if match and int(match[1]) < 24 and int(match[2] or 0) < 60 and int(match[3] or 0) < 60:
        return "valueTime", f"{match[1]}:{match[2] or '00'}:{match[3] or '00'}"
    if value.raw:
        context.problems.append(value.problem("field.date"))
    return ("valueString", value.full()) if value.full() else None


def _period(value: Value, context: Context) -> Pair | None:
    found = period(value, context, value.text(1), value.text(2))
    if found:
        return "valuePeriod", found
    return ("valueString", value.full()) if value.full() else None


def _number_range(value: Value, context: Context) -> Pair | None:
    plain = [settled(value.text(n), value, context) or "" for n in (1, 2)]
    low, high = (one if number(one) is not None else "" for one in plain)
    return _range(value, context, low, high)


def _range(value: Value, context: Context, low: str, high: str) -> Pair | None:
    """Two numbers as Range, one of which may be empty; without any, or with the lower above the upper, the text."""
    ends = {name: quantity(text, value) for name, text in (("low", low), ("high", high)) if text}
    if len(ends) == 2 and descends(ends["low"], ends["high"]):
        context.problems.append(value.problem("field.range"))
        ends = {}
    if ends:
        return "valueRange", ends
    return ("valueString", value.full()) if value.full() else None


def _series(value: Value, context: Context) -> Pair | None:
    """NA: numbers of one channel as sampled data with unknown period; one missing between others (`41^^37`) keeps its
    place, as `E`."""
    samples = value.raw.rstrip(value.delimiters.component).split(value.delimiters.component)
    if any(samples) and all(not part or number(part) is not None for part in samples):
        origin = {"value": 0, **unit_of(value)}
        data = " ".join(part or _MISSING for part in samples)
        return "valueSampledData", {"origin": origin, "period": 0, "dimensions": 1, "data": data}
    return ("valueString", value.full()) if value.full() else None


def _described(value: Value, context: Context) -> Pair | None:
    """Types R4 has no value for (VR, EI, CX, HD, XPN, XTN…): their components as text."""
    parts = [clean(part) for part in value.full().split(value.delimiters.component) if part.strip()]
    separator = "-" if value.other(2) == "VR" else " "
    return ("valueString", separator.join(parts)) if parts else None


_VALUES: dict[str, Callable[[Value, Context], Pair | None]] = {
    "NM": _nm,
    "SN": _sn,
    "DT": _moment,
    "DTM": _moment,
    "TS": _moment,
    "TM": _time,
    "DR": _period,
    "NR": _number_range,
    "NA": _series,
    "MA": _series,
    **dict.fromkeys(_CODED, _coded),
    **dict.fromkeys(
        ("VR", "EI", "CX", "CK", "HD", "XPN", "XCN", "XON", "XAD", "XTN", "CP", "MO", "CQ", "PL"), _described
    ),
}
