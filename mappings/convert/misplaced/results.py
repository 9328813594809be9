"""Results, orders and coverage whose fields stand beside their own place: what one field shows of the others."""

from __future__ import annotations

import re
from collections.abc import Mapping

from canonical.codes import V2
from hl7.er7 import Segment
from mappings.convert.misplaced.plausible import MOMENT, TITLES, is_person, is_telephone, is_time, urgency_for_number
from mappings.convert.published import holds
from mappings.convert.registry import Value
from mappings.convert.text import listed
from mappings.tables.table import Source, codes

_PAYER, _TO_CODE = 4, 4  # IN1-4; the separators before XAD-5
_MATERIAL = 15  # OBR-15
_WORD = re.compile(r"[^\W\d_][^\d_]+\Z")
_NAME = re.compile(r"[^\W\d_][^\W\d_]+(?: [^\W\d_]+)?\Z")  # a word, or two
_AMOUNT = re.compile(r"\s*(?:<=|>=|<|>)?\s*[+-]?[0-9.,]*[0-9]\s*\Z")

_DOCUMENT = re.compile(r"DOC(?:UMENTO?)?[-_ ]?[0-9][0-9A-Za-z_-]*\Z", re.IGNORECASE)
_BESIDE = frozenset((11, 21))
_ORIGINAL = frozenset(("T01", "T02"))  # an original document is told


def late_result(order: Segment) -> bool:
    """Whether OBR-26, the result this one examines further, is the status (table 0123) for which OBR-25 is empty: a
    letter alone names no result, and all reports of that status would hang on one."""
    return not order.raw_field(25) and order.raw_field(26) in codes("hl70123")


def section_for_reason(value: Value) -> bool:
    """Whether OBR-31, why the study is done, is a bare code of the section (table 0074) for which OBR-24 is empty: an
    X-ray is not done because of `RAD`."""
    return value.source.segment == "OBR" and holds(f"{V2}0074", value.raw) is True and not value.other(24)


def other_for_parent(order: Segment) -> bool:
    """Whether OBR-29, the number of the parent, is a person or an urgency: all results of that person, or orders of
    that urgency, would be one's children."""
    return urgency_for_number(order, 29) or is_person(Value(order.raw_field(29), Source("OBR", 29), order))


def early_order(order: Segment) -> bool:
    """Whether ORC-8 is the moment of ORC-9, as ORC-11 is then who orders (ORC-12): both are empty."""
    return bool(MOMENT.match(order.raw_field(8))) and not order.raw_field(9) and not order.raw_field(12)


def measured(result: Segment) -> bool:
    """Whether an OBX of text is a number with its unit (OBX-6): a value of its own, no line of a longer text."""
    return bool(result.raw_field(6)) and _AMOUNT.match(result.raw_field(5)) is not None


def late_holder(insurance: Segment) -> bool:
    """Whether the card holder's name (IN1-16) stands in IN1-17, and with it the relationship in IN1-18 and the birth
    date in IN1-19, a field late each."""
    born, holder = insurance.raw_field(19), insurance.raw_field(17)
    late = insurance.raw_field(18).isalpha() and is_time(born)
    return insurance.name == "IN1" and late and insurance.delimiters.component in holder


def early_address(value: Value) -> bool:
    """Whether IN1-4, the payer's name, is its address, a field early, as the telephone in IN1-5 shows: five components
    and more, with a postal code and nothing of a number of an organization."""
    here = value.source.segment == "IN1" and value.source.field == _PAYER
    parts = value.raw.count(value.delimiters.component)
    return (
        here and parts >= _TO_CODE and any(map(str.isdigit, value.text(5))) and is_telephone(value.sibling(_PAYER + 1))
    )


def no_material(order: Segment) -> bool:
    """Whether OBR-15, the specimen, is a person (OBR-16, a field early) or a moment: there is no specimen then."""
    value = Value(order.raw_field(_MATERIAL), Source("OBR", _MATERIAL), order)
    return is_time(value.raw) or _names_person(value)


def stray_orderer(value: Value) -> bool:
    """Whether OBR-15 or OBR-14 is the person who ordered, a field or two early, with nothing up to OBR-16; or OBR-17, a
    telephone, a field late."""
    field = value.source.field
    between = (_MATERIAL + 1,) if field > _MATERIAL else range(field + 1, _MATERIAL + 2)
    here = value.source.segment == "OBR" and not any(value.segment.raw_field(number) for number in between)
    return here and _names_person(value)


def _names_person(value: Value) -> bool:
    """Whether an XCN stands where no place can: one that `is_person`, or number and names with any word in XCN-6 or a
    title right behind them; a CE with a name of its second system alone says nothing."""
    number, surname, given = (value.text(n) for n in (1, 2, 3))
    if is_person(value):
        return True
    titled = value.text(4).upper().rstrip(".") in TITLES and value.raw.count(value.delimiters.component) == 3
    if titled and any(map(str.isdigit, number)) and _WORD.match(surname) and _WORD.match(given):
        return True
    words = all(_WORD.match(part) for part in (surname, given, value.text(6)))
    return any(map(str.isdigit, number)) and words and not value.text(4) and not value.text(5)


def orderer_for_material(value: Value, known: Mapping[str, str]) -> bool:
    """Whether OBR-15 may be who ordered (OBR-16, empty), by its shape alone: a number and two names, nothing else, none
    of them a word for a material (`known`)."""
    parts = value.raw.split(value.delimiters.component)
    if (
        value.source.segment != "OBR"
        or len(parts) != 3
        or not parts[0].isdigit()
        or value.segment.raw_field(_MATERIAL + 1)
    ):
        return False
    return all(_NAME.match(part) and listed(known, part) is None for part in parts[1:])


def early_specimen(specimen: Segment) -> bool:
    """Whether SPM-16, a risk, is when the specimen was taken (SPM-17), and SPM-17 when it came, for which SPM-18 is
    empty."""
    both = bool(MOMENT.match(specimen.raw_field(16)) and MOMENT.match(specimen.raw_field(17)))
    return both and not specimen.raw_field(18)


def late_document(document: Segment, event: str) -> bool:
    """Whether TXA-13, the number of the parent, is that of the document itself, which has none in TXA-12: the status
    (TXA-17) stands late too, in TXA-18 or TXA-19, or the message brings an original document, which has no parent
    (2.5.1 §9.5.1, §9.5.2)."""
    if document.ask(12):
        return False
    late = any(document.ask(number) in codes("hl70271") for number in (18, 19))
    return event in _ORIGINAL or (not document.raw_field(17) and late)


def named_document(value: Value) -> bool:
    """Whether TXA-10, who must authenticate, TXA-11, who typed, TXA-14 or 15, an order, or TXA-21, why it changed,
    is the number of the document (TXA-12, empty): it says so (`DOC50001`)."""
    here = value.source.segment == "TXA" and not value.other(12) and not value.text(3)
    return here and bool(_DOCUMENT.match(value.text(1)))


def lost_document(value: Value) -> bool:
    """Whether TXA-11, who typed, or TXA-21, why it changed, is a number without a name, while the document has none in
    TXA-12, where the standard asks for one, nor in TXA-13: it may be the document's."""
    document = value.segment
    if value.source.field not in _BESIDE or any(document.ask(n) for n in (12, 13)) or early_document(document):
        return False
    return any(map(str.isdigit, value.text(1))) and not value.text(3) and " " not in value.text(1)


def early_document(document: Segment) -> bool:
    """Whether TXA-11, who typed, is the number of the document (TXA-12), which has none there nor in TXA-13: it is one
    text with a digit, and the status (TXA-17) stands a field early, too."""
    number = document.raw_field(11)
    alone = any(map(str.isdigit, number)) and document.delimiters.component not in number
    missing = not any(document.raw_field(n) for n in (12, 13, 17))
    return alone and missing and document.ask(16) in codes("hl70271")
