"""The national lists of the immunization programme (SI-PNI, RNDS) in a vaccination: vaccine, dose, strategy, route,
site and maker, as `codes/pni-*.csv` have them.

A sender names the lists by one name for all of them (`^^SIPNI`): the field tells which one is meant. A list is claimed
only for codes it has, and not where the words beside the code name another vaccine.
"""

from __future__ import annotations

import re
from typing import Any

from canonical.codes import LOCAL
from canonical.identity import unaccented
from mappings.convert.datatypes import cwe
from mappings.convert.people import producer
from mappings.convert.registry import Context, Value, conversion, gatherer
from mappings.convert.small import route
from mappings.convert.text import coding_from, number

_LISTS = "http://www.saude.gov.br/fhir/r4"
_MAKERS = f"{_LISTS}/CodeSystem/BRFabricantePNI"
_STRATEGY = f"{_LISTS}/StructureDefinition/BREstrategiaVacinacao-1.0"
_DOSES = 5  # the codes of BRDose that are the number of the dose
_PARTS = re.compile(r"[^A-Z0-9]+")
_DOSE = "30973-2"


def spelled(text: str) -> str:
    """Words as the tables write them: capitals without accents and signs between them."""
    return " ".join(_PARTS.split(unaccented(text.upper()).upper())).strip()


def national(value: Value, context: Context, name: int = 3) -> bool:
    """Whether a component that names a coding system (CWE-3, 6, 12) names the lists of the programme."""
    return spelled(value.text(name)) in context.codes("pni-names")


def meanings(value: Value, context: Context) -> frozenset[str]:
    """The codes of the vaccines that the words of the field (CWE-2, 5, 9) may name."""
    text = f" {spelled(' '.join(value.said(part) for part in (2, 5, 9)))} "
    table = context.codes("pni-vaccine-words")
    return frozenset(code for words, found in table.items() if f" {words} " in text for code in found.split())


def _listed(value: Value, context: Context, table: str, first: int = 1) -> dict[str, str] | None:
    """The coding that a list has for a code of a field, with or without noughts before it; the sender's words stay."""
    target = context.codes(table).get(value.text(first).lstrip("0"))
    if target is None:
        return None
    words = value.said(first + 1)
    return {**coding_from(target), **({"display": words} if words else {})}


def _claimed(found: Any, value: Value, context: Context, table: str) -> Any:
    """The concept with those of its codes in the programme's list for which the sender names that; a code that the list
    lacks is told."""
    codings = list((found or {}).get("coding", ()))
    for first in (1, 4, 10):
        if not value.text(first) or not national(value, context, first + 2):
            continue
        coded = _listed(value, context, table, first)
        if coded is None:
            context.problems.append(value.problem("code.own", table=table, code=value.text(first)[:20]))
            continue
        sent = [one.get("system", "").startswith(LOCAL) and one["code"] == value.text(first) for one in codings]
        if any(sent):
            codings[sent.index(True)] = coded
    return {**found, "coding": codings} if codings else found


@conversion("vaccine")
def vaccine(value: Value, context: Context, argument: str) -> Any:
    """RXA-5 as CodeableConcept. A code of the programme's list is one where the sender says so, or where it names no
    list and the words are those of that code (`15^BCG`; CVX 15 is another vaccine)."""
    named, said = national(value, context), meanings(value, context)
    code = value.text(1).lstrip("0")
    if named and said and code in context.codes("pni-vaccine") and code not in said:
        context.problems.append(value.problem("code.words-differ", table="pni-vaccine", code=code[:20]))
        return cwe(value, context, "")
    bare = not value.text(3) and code in said
    coded = _listed(value, context, "pni-vaccine") if bare else None
    if coded is not None:
        return {"coding": [coded], "text": value.said(9) or value.said(2)}
    return _claimed(cwe(value, context, argument), value, context, "pni-vaccine")


@conversion("vaccine-route")
def vaccine_route(value: Value, context: Context, argument: str) -> Any:
    """RXR-1 of a vaccination: as elsewhere, or by the programme's list."""
    return _claimed(route(value, context, ""), value, context, "pni-route")


@conversion("vaccine-site")
def vaccine_site(value: Value, context: Context, argument: str) -> Any:
    """RXR-2 of a vaccination: table 0163, or the programme's list."""
    return _claimed(cwe(value, context, argument), value, context, "pni-site")


@conversion("vaccine-maker")
def vaccine_maker(value: Value, context: Context, argument: str) -> Any:
    """RXA-17 as logical reference to an Organization: by its number in the programme's list where that is named."""
    found = producer(value, context, argument)
    if found and "identifier" in found and value.text(1).isdigit() and national(value, context):
        found["identifier"] = {"system": _MAKERS, "value": value.text(1)}
    return found


def _dose(value: Value, context: Context) -> tuple[str, Any] | None:
    """A dose as element and value: by its words, by the programme's list where that is named, else as sent."""
    words, code = context.codes("pni-dose-words"), value.text(1)
    listed = next((words[t] for part in (2, 1) if (t := spelled(value.text(part))) in words), "")
    if not listed and national(value, context):
        listed = code.lstrip("0")
    name = context.codes("pni-dose").get(listed, "")
    if name:
        return ("doseNumberPositiveInt", int(listed)) if int(listed) <= _DOSES else ("doseNumberString", name)
    if not code:
        return None
    found = number(code)
    whole = isinstance(found, int) and found > 0
    return ("doseNumberPositiveInt", found) if whole else ("doseNumberString", code)


@gatherer("dose-number")
def dose_number(values: list[Value], context: Context, argument: str) -> Any:
    """30973-2, the dose in its series: its number, or the name that the programme's list has for it (`1º Reforço`)."""
    for value in values:
        if value.other(3) == _DOSE and (found := _dose(value, context)):
            return [("protocolApplied", {found[0]: found[1]})]
    return None


@conversion("dose-told")
def dose_said(value: Value, context: Context, argument: str) -> Any:
    """RXA-2 as the dose where it says it in words (`REFORCO`, `D2`); its number alone counts what was given."""
    known = spelled(value.text(1)) in context.codes("pni-dose-words")
    found = _dose(value, context) if known and not value.text(1).isdigit() else None
    return {found[0]: found[1]} if found else None


@gatherer("vaccination-strategy")
def strategy(values: list[Value], context: Context, argument: str) -> Any:
    """The strategy (rotina, campanha) that an OBX tells, as the extension that documents to RNDS have for it."""
    asked, table, words = (context.codes(name) for name in ("pni-question", "pni-strategy", "pni-strategy-words"))
    for value in values:
        question = value.sibling(3)
        if not {spelled(question.text(1)), spelled(question.text(2))} & asked.keys():
            continue
        said = next((words[t] for part in (2, 1) if (t := spelled(value.text(part))) in words), "")
        target = table.get(said or (value.text(1).lstrip("0") if national(value, context) else ""))
        concept = {"coding": [coding_from(target)]} if target else cwe(value, context, "")
        if concept:
            return [("extension", {"url": _STRATEGY, "valueCodeableConcept": concept})]
    return None
