"""Prescriptions in national documents: in fields where the record allows it, else in words, and never lost silently."""

from __future__ import annotations

import contextlib
import copy
from typing import Any

import pytest
import rnds_records as records
from hypothesis import given
from hypothesis import strategies as st

from canonical.problem import Problem, blocking
from hub.rnds.prescriptions import with_medicines
from mappings.national import document_plans, documents
from mappings.national.document_values import Lacking
from mappings.national.medication_values import CONVERSIONS

DAY = records.NOW.date()


def changed(**more: Any) -> dict[str, Any]:
    return {**copy.deepcopy(records.PRESCRIPTION), **more}


def made(
    kind: str, *requests: dict[str, Any], stored: dict[str, Any] | None = None, **view: Any
) -> tuple[list[Any], list[Problem]]:
    scope = {**records.scope(kind), **with_medicines(requests, stored or {})}
    entries, problems = documents.compose(document_plans.plan_at(kind, DAY), scope, records.view(**view))
    return [body for _, body in entries], problems


def of(bodies: list[Any], type_name: str) -> list[Any]:
    return [body for body in bodies if body["resourceType"] == type_name]


dosage_words = (
    "1 comprimido, via oral, a cada 6 h, 20 doses, se necessário, 1 comprimido de 6 em 6 horas por 5 dias, "
    "Tomar após as refeições."
)


@pytest.mark.parametrize("kind", ["RAC", "SA"])
def test_a_prescription_goes_in_fields_with_its_medicine(kind: str) -> None:
    bodies, problems = made(kind, records.PRESCRIPTION)
    assert problems == []
    (order,), (medicine,) = of(bodies, "MedicationRequest"), of(bodies, "Medication")
    head = next(body for body in of(bodies, "Composition")[1:])
    assert head["section"] == [{"entry": [{"reference": f"{documents.URL}{bodies.index(order)}"}]}]
    assert order["medicationReference"] == {"reference": f"{documents.URL}{bodies.index(medicine)}"}
    assert medicine["code"]["coding"][0]["code"] == "BR0267779" and medicine["form"]["coding"][0]["code"] == "19"
    dosage = order["dosageInstruction"][0]
    every = [{"url": "periodUnit", "valueCode": "h"}, {"url": "period", "valuePositiveInt": 6}]
    between = {"url": f"{records.RD}/StructureDefinition/BRIntervaloDoses", "extension": every}
    assert dosage["timing"]["repeat"] == {"count": 1, "countMax": 20, "extension": [between], "frequency": 6}
    assert order["note"] == [{"text": dosage_words}], "what is used as needed says when (ERR782)"
    assert dosage["route"]["coding"][0]["code"] == "10907" and dosage["doseAndRate"][0]["doseQuantity"] == {"value": 1}
    assert order["dispenseRequest"] == {
        "quantity": {"value": 20},
        "validityPeriod": {"start": "2026-11-20T10:00:00-03:00", "end": "2026-11-24"},
    }
    assert order["recorder"]["identifier"]["value"] == records.DOCTOR_CNS
    title = [
        s.get("title")
        for s in bodies[0]["section"]
        if s["entry"][0]["reference"] == f"{documents.URL}{bodies.index(head)}"
    ]
    assert title == ["Prescrição da Alta" if kind == "SA" else None]


IN_WORDS: dict[str, tuple[dict[str, Any], str]] = {
    "medicine without a national code": ({"medicationCodeableConcept": {"text": "Xarope da casa"}}, "rnds.as-text"),
    "no route": ({"dosageInstruction": [{"text": "1 comprimido de 6 em 6 h", "doseAndRate": [{"doseQuantity": {"value": 1, "unit": "comprimido"}}]}]}, "rnds.as-text"),
    "no dose": ({"dosageInstruction": [{"text": "usar se dor", "route": {"text": "oral"}}]}, "rnds.as-text"),
    "dose that changes": ({"dosageInstruction": [{"sequence": 1, "text": "2 comprimidos por 3 dias"}, {"sequence": 2, "text": "depois 1 por 3 dias"}]}, "rnds.as-text"),
    "no dosage at all": ({"dosageInstruction": []}, "rnds.as-text"),
    "unit of the house": ({"dosageInstruction": [{"route": {"text": "oral"}, "doseAndRate": [{"doseQuantity": {"value": 2, "unit": "colher"}}]}], "dispenseRequest": {}}, "rnds.as-text"),
}  # fmt: skip


@pytest.mark.parametrize("name", IN_WORDS)
def test_what_has_no_fields_is_told_in_words_with_a_warning(name: str) -> None:
    change, code = IN_WORDS[name]
    request = changed(id="outra", **change)
    bodies, problems = made("RAC", request, records.PRESCRIPTION)
    assert not blocking(problems) and code in {p.code for p in problems}
    assert len(problems) == 1 and "referido" not in problems[0].text("pt"), "the reason is the medicine's own"
    words, fields = of(bodies, "MedicationRequest")
    assert words["medicationCodeableConcept"]["coding"][0]["code"] == "no-medication-info"
    assert words["note"][0]["text"].startswith(request["medicationCodeableConcept"]["text"])
    assert "medicationReference" in fields and len(of(bodies, "Medication")) == 1
    assert len(of(bodies, "Composition")[1]["section"][0]["entry"]) == 2
    linked = {body["medicationReference"]["reference"] for body in (fields,)}
    assert linked == {f"{documents.URL}{n}" for n, body in enumerate(bodies) if body["resourceType"] == "Medication"}


def test_words_say_all_that_was_prescribed() -> None:
    bodies, _ = made(
        "SA", changed(medicationCodeableConcept={"text": "Xarope da casa"}, note=[{"text": "agitar antes"}])
    )
    assert of(bodies, "MedicationRequest")[0]["note"] == [
        {
            "text": "Xarope da casa; 1 comprimido, via oral, a cada 6 h, 20 doses, se necessário, "
            "1 comprimido de 6 em 6 horas por 5 dias, Tomar após as refeições.; quantidade 20 comprimidos; agitar antes"
        }
    ]


def test_one_dose_has_no_interval_and_several_without_one_are_told_in_words_alone() -> None:
    dosage = records.PRESCRIPTION["dosageInstruction"][0]
    for repeat, expected in (
        ({"count": 1, "period": 6, "periodUnit": "h"}, {"count": 1, "countMax": 1, "frequency": 6}),
        ({"count": 4}, None),
    ):
        request = changed(dosageInstruction=[{**dosage, "timing": {"repeat": repeat}, "asNeededBoolean": False}])
        bodies, problems = made("RAC", request)
        told = of(bodies, "MedicationRequest")[0]["dosageInstruction"][0]
        assert problems == [] and told.get("timing", {}).get("repeat") == expected


def test_fields_that_have_no_place_there_are_in_the_words() -> None:
    repeat = {"when": ["MORN"], "timeOfDay": ["08:00:00"], "dayOfWeek": ["mon"]}
    dosage = {**records.PRESCRIPTION["dosageInstruction"][0], "timing": {"repeat": repeat}, "asNeededBoolean": False}
    dosage.pop("text")
    bodies, _ = made("RAC", changed(dosageInstruction=[dosage]))
    told = of(bodies, "MedicationRequest")[0]["dosageInstruction"][0]["text"]
    assert told == "1 comprimido, via oral, de manhã, às segundas, às 08:00, Tomar após as refeições."


def test_a_prescription_that_cannot_be_told_is_left_out_with_its_record() -> None:
    bodies, problems = made("RAC", changed(authoredOn="2026-12-01T10:00:00-03:00"))
    assert [p.code for p in problems] == ["rnds.left-out"] * 2 and not of(bodies, "MedicationRequest")
    assert len(of(bodies, "Composition")) == 1 and not of(bodies, "Medication")


def test_the_attending_professional_answers_where_no_prescriber_is_known() -> None:
    bodies, problems = made("RAC", changed(requester={"reference": "Practitioner/x"}))
    assert (
        problems == [] and of(bodies, "MedicationRequest")[0]["recorder"]["identifier"]["value"] == records.DOCTOR_CNS
    )


def test_no_prescription_no_record() -> None:
    bodies, problems = made("RAC")
    assert problems == [] and len(of(bodies, "Composition")) == 1
    assert {len(section["entry"]) for section in bodies[0]["section"]} == {1}


def test_a_stored_or_contained_medicine_is_used() -> None:
    coded = {"coding": [{"system": f"{records.RD}/CodeSystem/BRObmEAN", "code": "7890000000017"}]}
    stored = {"Medication/m": {"resourceType": "Medication", "id": "m", "code": coded, "form": {"text": "Cápsula"}}}
    request = changed(medicationReference={"reference": "Medication/m"})
    request.pop("medicationCodeableConcept")
    inner = {**request, "id": "b", "medicationReference": {"reference": "#m"}, "contained": [stored["Medication/m"]]}
    bodies, problems = made("RAC", request, inner, stored=stored)
    assert problems == []
    assert [body["form"]["coding"][0]["code"] for body in of(bodies, "Medication")] == ["13", "13"]


def test_sections_of_a_visit_repeat_for_each_entry() -> None:
    """As the published examples do: a section for each diagnosis, procedure, measure and allergy."""
    scope = records.scope("RAC")
    scope["conditions"].append(
        {**records.CONDITION, "id": "asma", "code": {"coding": [{"system": records.codes.CID10, "code": "J45.9"}]}}
    )
    entries, problems = documents.compose(document_plans.plan_at("RAC", DAY), scope, records.view())
    assert problems == [] and all(len(section["entry"]) == 1 for section in entries[0][1]["section"])


def repeat(name: str, value: dict[str, Any]) -> list[Any]:
    return list(CONVERSIONS[name]([value], "", records.view()))


@pytest.mark.parametrize(
    ("timing", "doses", "hours"),
    [
        ({"count": 1}, [1], []),
        ({"count": 3}, [], []),
        ({"count": 3, "countMax": 5, "period": 2, "periodUnit": "d"}, [5], [48]),
        ({"frequency": 3, "period": 1, "periodUnit": "d", "boundsDuration": {"value": 7, "code": "d"}}, [21], [8]),
        ({"period": 12, "periodUnit": "h", "boundsDuration": {"value": 1, "unit": "wk"}}, [14], [12]),
        ({"frequency": 5, "period": 1, "periodUnit": "d"}, [], []),
        ({"period": 1, "periodUnit": "mo", "boundsDuration": {"value": 1, "code": "d"}}, [], []),
        ({}, [], []),
    ],
)  # fmt: skip
def test_doses_and_intervals(timing: dict[str, Any], doses: list[int], hours: list[int]) -> None:
    assert repeat("doses", timing) == doses and repeat("one-dose", timing) == ([1] if doses else [])
    assert repeat("interval", timing) == hours


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**6) | st.text(max_size=6),
    lambda inner: st.dictionaries(
        st.sampled_from(["value", "unit", "code", "text", "period", "frequency"]), inner, max_size=4
    ),
    max_leaves=6,
)


@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys(("period", "frequency", "periodUnit", "count", "countMax"), JSON))
)
def test_strange_timings_say_nothing(timing: dict[str, Any]) -> None:
    for name in ("doses", "interval"):
        with contextlib.suppress(Lacking):
            assert all(number > 0 for number in repeat(name, timing))
