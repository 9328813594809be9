"""The parts of SPS (OBR-15, up to 2.6) beside the material: additive, and what R4 has only as a note."""

from __future__ import annotations

from typing import Any

from mappings.convert.datatypes import cwe
from mappings.convert.published import coding_of, placed, table_has
from mappings.convert.registry import Context, Value, conversion
from mappings.convert.text import coding_from, listed

_ADDITIVES = "0371"


@conversion("additive")
def additive(value: Value, context: Context, argument: str) -> Any:
    """SPS-2 as CodeableConcept, where it is a code of table 0371 or of a system it names.

    Senders write a CE there: `URINA^JATO MEDIO` names the material, and no additive.
    """
    code, text, system = (value.text(2, n) for n in (1, 2, 3))
    if not code or not _is_additive(value):
        return None
    return {"coding": [coding_of(_ADDITIVES, code, text, system)], **({"text": text} if text else {})}


@conversion("material")
def material(value: Value, context: Context, argument: str) -> Any:
    """SPM-4 as CodeableConcept (table `argument`); a word for it (`SORO`, `URINA 24 HORAS`) has the code that it means,
    by `codes/specimen-words.csv`, beside it."""
    code, words = " ".join(value.text(1).split()), value.said(2)
    meant = None if value.text(3) or value.text(4) else worded(code, words, argument, context)
    if meant is None:
        return cwe(value, context, argument)
    return {"coding": [*([own_code(code, words)] if code else []), meant], **({"text": words} if words else {})}


def worded(code: str, words: str, table: str, context: Context) -> dict[str, str] | None:
    """The coding (table 0487) of a material in words, beside no code of the table `table` (`HL70487`); else None."""
    if code and placed("", code, table)[0]:
        return None
    known = context.codes("specimen-words")
    target = next((found for text in (words, code) if text and (found := listed(known, text))), None)
    return coding_from(target) if target else None


def own_code(code: str, words: str) -> dict[str, str]:
    """A sender's own code as Coding of no system."""
    return {"code": code, **({"display": words} if words else {})}


@conversion("source-note")
def source_note(value: Value, context: Context, argument: str) -> Any:
    """Another part of SPS as Annotation: `argument`, then its words or code; SPS-2 where it is no additive."""
    component = value.source.component
    text = value.text(component, 2) or value.text(component)
    if not text or (component == 2 and _is_additive(value)):
        return None
    if not argument and not value.text(1) and not value.text(1, 2) and text == name_of_source(value):
        return None
    return {"text": f"{argument}: {text}" if argument else text}


def name_of_source(value: Value) -> str:
    """The words that name the material where SPS-1 does not: SPS-3, else SPS-2 that is no additive."""
    return value.text(3) or ("" if _is_additive(value) else value.text(2, 2) or value.text(2))


def _is_additive(value: Value) -> bool:
    return bool(value.text(2, 3)) or table_has(_ADDITIVES, value.text(2)) is True
