"""Conversions of requisitions of material (HL7 v2.5.1 §4.11) and of diets (§4.8): RQD, RQ1, ODS."""

from __future__ import annotations

from typing import Any

from canonical.extensions import EXTENSIONS
from hl7.er7 import NULL
from mappings.convert.datatypes import cwe
from mappings.convert.registry import Context, Value, conversion
from mappings.convert.text import boolean

_ITEM = (4, 3, 2)  # RQD: the code of the hospital, of others, of the sender's department


@conversion("item")
def item(value: Value, context: Context, argument: str) -> Any:
    """What is requisitioned, with the codes that RQD-4, RQD-3 and RQD-2 give it; the text is the first that is said."""
    found = [one for field in _ITEM if (one := cwe(value.sibling(field), context, ""))]
    codings = [coding for one in found for coding in one.get("coding", ())]
    text = next((one["text"] for one in found if "text" in one), "")
    concept = {**({"coding": codings} if codings else {}), **({"text": text} if text else {})}
    return concept or None


@conversion("further-diet")
def further_diet(value: Value, context: Context, argument: str) -> Any:
    """ODS-3 of a second line of one diet (a fast, a supplement, a preference), whose first line is the order's code."""
    above = value.segment.index
    order = max((s.index for s in context.message.named("ORC") if s.index < above), default=0)
    second = any(order < s.index < above for s in context.message.named("ODS"))
    return cwe(value, context, "HL70160") if second else None


@conversion("blood-preparation")
def blood_preparation(value: Value, context: Context, argument: str) -> Any:
    """BPO-3 (table 0508) as detail of an order of blood; none without a product in BPO-2 (R4 prr-1)."""
    return cwe(value, context, "HL70508") if value.other(2) not in ("", NULL) else None


@conversion("requisitioned")
def requisitioned(value: Value, context: Context, argument: str) -> Any:
    """The same as `item[x]`."""
    found = item(value, context, argument)
    return ("CodeableConcept", found) if found else None


@conversion("noted")
def noted(value: Value, context: Context, argument: str) -> Any:
    """A text as Annotation in an extension, for a resource that has no notes."""
    text = value.full()
    return {"url": EXTENSIONS["note"], "valueAnnotation": {"text": text}} if text else None


@conversion("supply-parameter")
def supply_parameter(value: Value, context: Context, argument: str) -> Any:
    """A code or number of RQ1 as a detail of the item, called `argument`."""
    concept = cwe(value, context, "")
    if concept and value.source.field in (3, 5):  # a number in a catalogue (ST): words, no code of a system
        concept = {"text": value.full()}
    return {"code": {"text": argument}, "valueCodeableConcept": concept} if concept else None


@conversion("supply-allowed")
def supply_allowed(value: Value, context: Context, argument: str) -> Any:
    """Y or N as a detail of the item, called `argument`."""
    said = boolean(value, context, argument)
    return None if said is None else {"code": {"text": argument}, "valueBoolean": said}
