"""Conversions of allergies, diagnoses and procedures that come with patient administration: AL1, IAM, DG1, PR1."""

from __future__ import annotations

from typing import Any

from canonical import codes as systems
from canonical import identifiers
from canonical.problem import Problem
from canonical.records import DRAFT
from hl7.er7 import NULL, Segment
from mappings.convert.datatypes import concept, cwe
from mappings.convert.keys import ei_key
from mappings.convert.misplaced.plausible import is_time, no_moment, without_digit
from mappings.convert.people import name_text
from mappings.convert.registry import Context, Value, conversion, link
from mappings.convert.text import coding_from, listed, number, parse_dtm

_CLINICAL = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"
_CONDITION = "http://terminology.hl7.org/CodeSystem/condition-clinical"
_DUE_TO = "http://hl7.org/fhir/StructureDefinition/condition-dueTo"


@link("")
@link("link")
def plain_link(segment: Segment, context: Context, argument: str) -> dict[str, Any]:
    """Nothing, or the type of the link."""
    return {"type": argument} if argument else {}


@link("diagnosis")
def diagnosis_link(segment: Segment, context: Context, argument: str) -> dict[str, Any]:
    """DG1-6 and DG1-15 as use and rank of a diagnosis in its visit (table 0052, v2-to-fhir DG1[Encounter])."""
    entry: dict[str, Any] = {}
    segment.asked |= (1 << 6) | (1 << 15)
    if found := listed(context.codes(argument), segment.ask(6)):
        entry["use"] = {"coding": [coding_from(found)]}
    said = segment.ask(15)
    if segment.ask(15, 2):  # a number has one part: who diagnosed (DG1-16), a field early
        context.problems.append(Problem("field.misplaced", f"DG1#{segment.index}-15"))
        return entry
    rank = number(said)
    if said and said != NULL and rank is None:
        context.problems.append(Problem("field.number", f"DG1#{segment.index}-15"))
    if isinstance(rank, int) and 0 < rank < 2**31:
        entry["rank"] = rank
    return entry


@conversion("certainty")
def certainty(value: Value, context: Context, argument: str) -> Any:
    """DG1-6 as verificationStatus; `P` beside an `S` (principal, secundário) does not say that it is provisional."""

    def ranked() -> bool:
        return any(segment.ask(6).upper() == "S" for segment in context.message.named("DG1"))

    return (
        None if value.raw.upper() == "P" and context.once("DG1-6 ranks", ranked) else concept(value, context, argument)
    )


@conversion("problem-status")
def problem_status(value: Value, context: Context, argument: str) -> Any:
    """PRB-14 as clinicalStatus; a problem that has its end (PRB-9) is not active any more (R4 con-4)."""
    found = concept(value, context, argument)
    active = found is not None and found["coding"][0]["code"] not in ("inactive", "remission", "resolved")
    return (problem_over(value, context, argument) if active and value.other(9) else None) or found


@conversion("reported-by")
def reported_by(value: Value, context: Context, argument: str) -> Any:
    """IAM-14 as who told of the allergy: the patient (IAM-15 SEL), else a person by name, with what IAM-15 says."""
    if value.other(15) == "SEL" and sum(1 for _ in context.message.named("PID")) == 1:
        return {"reference": f"{DRAFT}{context.prefix}patient", "type": "Patient"}
    name, relation = name_text(value, context, ""), value.other(15, 2) or value.other(15)
    if not name:
        return None
    kind = {"type": "RelatedPerson"} if relation else {}
    return {**kind, "display": f"{name} ({relation})" if relation else name}


@conversion("allergen")
def allergen(value: Value, context: Context, argument: str) -> Any:
    """AL1-3, or IAM-3 with the codes of IAM-27, which a clinician identified it by (from 2.7 on).

    Words that deny allergies (`NEGA ALERGIAS`, `codes/no-allergy.csv`) get the code of what they say.
    """
    found = cwe(value, context, argument)
    more = cwe(value.sibling(27), context, argument) if value.segment.name == "IAM" else None
    codings = [coding for one in (found, more) if one for coding in one.get("coding", ())]
    words = value.text(2) or value.text(1)
    if denied := listed(context.codes("no-allergy"), words):
        codings.append(coding_from(denied))
    said = found or more
    return {**said, **({"coding": codings} if codings else {})} if said else None


@conversion("problem-over")
def problem_over(value: Value, context: Context, argument: str) -> Any:
    """A problem whose end was said (PRB-9): resolved. What is no date there ends nothing."""
    if parse_dtm(value.other(9), context.zone) is None:
        return None
    return {"coding": [{"system": _CONDITION, "code": "resolved", "display": "Resolved"}]}


@conversion("severity")
def severity(value: Value, context: Context, argument: str) -> Any:
    """Table 0128 as severity of a reaction; R4 wants a manifestation beside it (field `argument`)."""
    return listed(context.codes("hl70128-severity"), value.whole()) or None if value.other(int(argument)) else None


@conversion("reaction")
def reaction(value: Value, context: Context, argument: str) -> Any:
    """IAM-5 as manifestation: text (ST, as the guide maps it), or the code some senders put there."""
    found = cwe(value, context, "")
    coding = found.get("coding", [{}])[0] if found else {}
    return {"text": coding["code"]} if coding.keys() == {"code"} and "text" not in found else found


@conversion("allergy-clinical")
def allergy_clinical(value: Value, context: Context, argument: str) -> Any:
    """IAM-17 and IAM-6: active, or inactive (I); none for what was recorded in error (R4 ait-2)."""
    if value.other(6) == "D" or value.other(17) == "E":
        return None
    code = "inactive" if value.other(17) == "I" else "active"
    return {"coding": [{"system": _CLINICAL, "code": code, "display": code.capitalize()}]}


@conversion("problem-code")
def problem_code(value: Value, context: Context, argument: str) -> Any:
    """PRB-3 as CodeableConcept, CID-10 recognised by its system and without dot; told where it has not its form.

    A moment stands there where PRB is a field short: it is told, and is no problem of anybody.
    """
    if no_moment(value, context):
        return None
    found = cwe(value, context, "")
    first = found.get("coding", [{}])[0] if found else {}
    if first.get("system") == systems.CID10:
        code = identifiers.compact(value.text(1))
        if identifiers.is_cid10(code):
            first["code"] = code
        else:  # of a national edition, or of another system: its codes have their dot
            context.problems.append(value.problem("code.cid10"))
    return found


@conversion("late-problem")
def late_problem(value: Value, context: Context, argument: str) -> Any:
    """PRB-4 as CodeableConcept in words, where PRB is a field short and PRB-3 is a moment (`aortic stenosis`)."""
    text = late_problem_part(value, context, argument)
    return {"text": text} if text else None


@conversion("late-problem-part")
def late_problem_part(value: Value, context: Context, argument: str) -> Any:
    """The same as part of what tells the problem from its neighbours."""
    return value.text(1) if is_time(value.other(3)) and without_digit(value) else None


@conversion("due-to")
def due_to(value: Value, context: Context, argument: str) -> Any:
    """DG1-22, the parent diagnosis by its number, as the extension of R4."""
    key = ei_key(value, context, "DG")
    if key is None:
        return None
    reference = {"type": "Condition", "identifier": {"system": key.system, "value": key.value}}
    return {"url": _DUE_TO, "valueReference": reference}


@conversion("part-of")
def part_of(value: Value, context: Context, argument: str) -> Any:
    """PR1-25, the parent procedure by its number."""
    key = ei_key(value, context, "PR")
    return {"type": "Procedure", "identifier": {"system": key.system, "value": key.value}} if key else None
