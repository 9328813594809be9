"""The simulated RNDS as a judge: whole documents pass, as published ones do; what is no R4 or no document is told, never a crash."""

from __future__ import annotations

import copy
import datetime
from collections.abc import Callable
from typing import Any

import pytest
import rnds_records as records
from hypothesis import given
from hypothesis import strategies as st

from api.simulators.rnds import rules
from fhir.document import document
from mappings.national import document_plans, documents

REQUESTERS = frozenset(("9999",))
DAY = records.NOW.date()


def bundle(kind: str) -> dict[str, Any]:
    entries, _ = documents.compose(document_plans.plan_at(kind, DAY), records.scope(kind), records.view())
    identifier = {"system": "http://www.saude.gov.br/fhir/r4/NamingSystem/BRRNDS-9999", "value": "1"}
    return copy.deepcopy(document(identifier, records.NOW.isoformat(), entries))


def judged(body: Any) -> set[str]:
    found = list(rules.structure(body, REQUESTERS)) or list(rules.profiles(body, DAY))
    return {error.code for error in found}


def resource(body: dict[str, Any], type_name: str) -> dict[str, Any]:
    found: dict[str, Any] = [e["resource"] for e in body["entry"] if e["resource"]["resourceType"] == type_name][-1]
    return found


@pytest.mark.parametrize("kind", document_plans.kinds())
def test_whole_documents_pass(kind: str) -> None:
    assert judged(bundle(kind)) == set()


def test_measures_need_no_subject_and_may_be_displayed_as_the_published_examples_show() -> None:
    body = bundle("RAC")
    measure = next(e["resource"] for e in body["entry"] if "valueQuantity" in e["resource"])
    del measure["subject"]
    measure["code"]["coding"][0]["display"] = "Peso"
    assert judged(body) == set()


def unidentified() -> dict[str, Any]:
    scope = records.scope("RAC")
    scope |= {"patient": {}, "unidentified": {"gender": "male", "birthYear": "1990", "reason": "03"}}
    entries, _ = documents.compose(document_plans.plan_at("RAC", DAY), scope, records.view())
    identifier = {"system": "http://www.saude.gov.br/fhir/r4/NamingSystem/BRRNDS-9999", "value": "1"}
    return copy.deepcopy(document(identifier, records.NOW.isoformat(), entries))


def test_who_could_not_be_identified_is_told_the_same_way_everywhere() -> None:
    body = unidentified()
    assert judged(body) == set()
    resource(body, "Condition")["subject"] = resource(bundle("RAC"), "Condition")["subject"]
    assert judged(body) == {"ERR814"}
    body = unidentified()
    resource(body, "Encounter")["subject"]["extension"][0]["extension"].pop()
    assert judged(body) == {"ERR814"}


FAULTS: dict[str, tuple[str, Callable[[dict[str, Any]], Any], str]] = {
    "no R4": ("RAC", lambda b: resource(b, "Encounter").update(visit="x"), "ERR814"),
    "a prescription without route": ("RAC", lambda b: resource(b, "MedicationRequest")["dosageInstruction"][0].pop("route"), "ERR814"),
    "a unit beside the dose": ("SA", lambda b: resource(b, "MedicationRequest")["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"].update(unit="mg"), "ERR814"),
    "a medicine by name": ("SA", lambda b: resource(b, "Medication")["code"].pop("coding"), "ERR814"),
    "a record of another type": ("RAC", lambda b: resource(b, "Composition")["type"]["coding"][0].update(code="RAC"), "ERR814"),
    "regulation without reason": ("RIRA", lambda b: resource(b, "Appointment").pop("reasonReference"), "ERR814"),
    "several doses without interval": ("SA", lambda b: resource(b, "MedicationRequest")["dosageInstruction"][0]["timing"]["repeat"].pop("extension"), "ERR780"),
    "one dose with interval": ("SA", lambda b: resource(b, "MedicationRequest")["dosageInstruction"][0]["timing"]["repeat"].update(countMax=1), "ERR781"),
    "as needed, nobody knows when": ("SA", lambda b: resource(b, "MedicationRequest").pop("note"), "ERR782"),
    "a procedure twice": ("SA", lambda b: b["entry"].append({"fullUrl": f"urn:uuid:transient-{len(b['entry'])}", "resource": copy.deepcopy(resource(b, "Procedure"))}), "ERR789"),
    "a visit of two days": ("RAC", lambda b: resource(b, "Encounter")["period"].update(start="2026-11-19T09:00:00-03:00"), "ERR793"),
    "a procedure of the day before": ("RAC", lambda b: resource(b, "Procedure").update(performedDateTime="2026-11-19"), "ERR794"),
    "a procedure after the stay": ("SA", lambda b: resource(b, "Procedure").update(performedDateTime="2026-11-21"), "ERR796"),
    "no document": ("REL", lambda b: b.update(type="collection"), "ERR923"),
    "another's identifier": ("REL", lambda b: b["identifier"].update(system="http://www.saude.gov.br/fhir/r4/NamingSystem/BRRNDS-1"), "ERR881"),
    "entries out of order": ("REL", lambda b: b["entry"][1].update(fullUrl="urn:uuid:transient-9"), "ERR921"),
    "a campaign dose with its site": ("RIAC", lambda b: resource(b, "Immunization").update(site={"coding": [{"system": "urn:x", "code": "1"}]}), "ERR814"),
    "a campaign dose without maker": ("RIAC", lambda b: resource(b, "Immunization").pop("manufacturer"), "ERR814"),
    "nobody at all": ("RAC", lambda b: resource(b, "Encounter")["subject"].pop("identifier"), "ERR814"),
    "an older profile": ("REL", lambda b: b["entry"][0]["resource"]["meta"].update(profile=["http://www.saude.gov.br/fhir/r4/StructureDefinition/BRResultadoExameLaboratorial-1.1"]), "ERR862"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_told_by_their_code(name: str) -> None:
    kind, change, code = FAULTS[name]
    body = bundle(kind)
    change(body)
    assert code in judged(body)


def test_a_document_is_of_today_in_its_own_zone() -> None:
    body = bundle("REL")
    at = records.NOW.replace(hour=23, minute=30)
    body["timestamp"] = at.isoformat()
    assert [e.code for e in rules.clock(body, at.astimezone(datetime.UTC))] == []
    assert [e.code for e in rules.clock(body, at + datetime.timedelta(hours=1))] == ["ERR807"]
    assert [e.code for e in rules.clock(body, at - datetime.timedelta(days=1))] == ["ERR808"]


WHOLE = {kind: bundle(kind) for kind in ("RAC", "REL")}
ODD = st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.lists(st.none(), max_size=1) | st.just({})


@given(st.sampled_from(sorted(WHOLE)), st.lists(st.integers(0, 400), min_size=1, max_size=3), ODD)
def test_no_document_ends_the_judge(kind: str, places: list[int], odd: Any) -> None:
    body = copy.deepcopy(WHOLE[kind])
    for place in places:
        spots = list(_spots(body))
        node, key = spots[place % len(spots)]
        node[key] = odd
    judged(body)


def _spots(node: Any) -> Any:
    for key, value in list(node.items() if isinstance(node, dict) else enumerate(node)):
        yield node, key
        if isinstance(value, dict | list):
            yield from _spots(value)
