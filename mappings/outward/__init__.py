"""The closed list of conversions outward: a FHIR value as repetitions of an HL7 field."""

from __future__ import annotations

from mappings.outward import clinical, people, values
from mappings.outward.values import Conversion, Repetition

__all__ = ["CONVERSIONS", "OF_ALL", "Conversion", "Repetition"]

CONVERSIONS: dict[str, Conversion] = {
    "text": values.text,
    "parts": values.parts,
    "text-of": values.text_of,
    "datetime": values.datetime_text,
    "date": values.date_text,
    "code": values.code,
    "flag": values.flag,
    "stated": values.is_stated,
    "restricted": clinical.restricted,
    "joined": values.joined,
    "cx": people.cx,
    "nth-cx": people.nth_cx,
    "ei": people.ei,
    "xpn": people.xpn,
    "mother": people.mother,
    "pl": people.pl,
    "xad": people.xad,
    "xtn": people.xtn,
    "xcn": people.xcn,
    "participant": people.participant,
    "xon": people.xon,
    "payor": people.payor,
    "pln": people.pln,
    "ce": clinical.ce,
    "ce-by": clinical.ce_by,
    "code-of": clinical.code_of,
    "kin": clinical.kin,
    "words": clinical.words,
    "extension": clinical.extension,
    "obx-type": clinical.value_type,
    "obx-value": clinical.value_of,
    "unit": clinical.unit,
    "span": clinical.span,
    "eip": clinical.placed,
}
OF_ALL = frozenset(("joined", "kin", "nth-cx", "restricted"))
"""Conversions that take all values of a path at once."""
