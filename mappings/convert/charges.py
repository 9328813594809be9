"""Conversions of what qualifies a procedure (FT1-26, PR1-16) or a product (FT1-29): TISS domains by coding system.

A modifier whose coding system is a TISS domain table (`TUSS61` via de acesso, `TUSS28` dente …) says something of its
own; any other modifier stays in words.
"""

from __future__ import annotations

from typing import Any

from canonical import codes as systems
from canonical.extensions import EXTENSIONS
from mappings.convert.datatypes import cwe
from mappings.convert.misplaced.charged import shifted_charge
from mappings.convert.registry import Context, Value, conversion
from mappings.convert.text import boolean

_DOMAINS = frozenset(("28", "32", "42", "48", "61"))
_INCIDENTS = "http://terminology.hl7.org/CodeSystem/v3-ActCode"


@conversion("shifted-charge")
def shifted(value: Value, context: Context, argument: str) -> Any:
    """`argument` where FT1 is a field short or long: nobody can tell then what is charged. It is told."""
    if not shifted_charge(value.segment):
        return None
    context.problems.append(value.problem("field.misplaced"))
    return argument


@conversion("charge-text")
def charge_text(value: Value, context: Context, argument: str) -> Any:
    """FT1-8 as CodeableConcept with text only, where FT1-7 says nothing and it is words, not a count or an amount."""
    text = value.whole()
    return {"text": text} if any(c.isalpha() for c in text) and not value.other(7) else None


@conversion("modifier")
def modifier(value: Value, context: Context, argument: str) -> Any:
    """A CE of one of the domain tables `argument` names (`48 61`) as the extension for a modifier."""
    concept = _of(value, context, frozenset(argument.split()))
    return {"url": EXTENSIONS["modifier"], "valueCodeableConcept": concept} if concept else None


@conversion("concept-of")
def concept_of(value: Value, context: Context, argument: str) -> Any:
    """A CE of one of the domain tables `argument` names (`28 32 42`) as CodeableConcept."""
    return _of(value, context, frozenset(argument.split()))


@conversion("modifier-note")
def modifier_note(value: Value, context: Context, argument: str) -> Any:
    """A modifier of no TISS domain as Annotation in words: `argument`, then its text."""
    if _of(value, context, _DOMAINS):
        return None
    text = value.text(2) or value.text(1) or value.text(5)
    return {"text": f"{argument}: {text}"} if text else None


def _of(value: Value, context: Context, tables: frozenset[str]) -> dict[str, Any] | None:
    concept = cwe(value, context, "")
    if not isinstance(concept, dict):
        return None
    named = {coding.get("system", "").removeprefix(systems.TUSS) for coding in concept.get("coding", ())}
    return concept if named & tables else None


@conversion("work-accident")
def work_accident(value: Value, context: Context, argument: str) -> Any:
    """ACC-5 when it says yes, as the incident code of an accident at work."""
    if not boolean(value, context, argument):
        return None
    coding = {"system": _INCIDENTS, "code": "WPA", "display": "workplace accident"}
    return {"coding": [coding]}
