"""FHIR Shorthand: logical models, and instances that other items take as values."""

from __future__ import annotations

from fhir.validation.validator import validate
from tests.fhir.test_shorthand import ROOT, elements, made

MODEL = """
Logical: Admission
Title: "An admission"
Characteristics: #can-be-target
* who 1..1 MS Reference(Patient or Practitioner) "Who came"
* day 0..1 date or dateTime "When" "The day, with its hour where it is known"
* place 0..* BackboneElement "Where"
  * bed 1..1 CodeableConcept "Which bed"
  * inner 0..* contentReference http://example.org/fhir/StructureDefinition/Admission#Admission.place "A place in it"
* place.bed from http://example.org/vs/beds (required)
* day ^comment = "as told"
* day obeys adm-1

Invariant: adm-1
Description: "a day"
Severity: #error

Instance: Cpf
InstanceOf: Identifier
Usage: #inline
* system = "urn:cpf"

Instance: Told
InstanceOf: NamingSystem
Usage: #inline

Instance: Numbers
InstanceOf: ValueSet
* url = "http://example.org/vs/numbers"
* status = #active
* identifier[0] = Cpf
* contained[0] = Told

Profile: Numbered
Parent: Patient
* identifier = Cpf
"""


def test_models_and_instances_as_values() -> None:
    found = made(MODEL)
    model = found["Admission"]
    assert validate(model) == [] and (model["kind"], model["derivation"]) == ("logical", "specialization")
    assert model["type"] == model["url"] == f"{ROOT}Admission"
    told = elements(model)
    assert list(told) == ["", "who", "day", "place", "place.bed", "place.inner"]
    assert told["who"]["mustSupport"] and len(told["who"]["type"][0]["targetProfile"]) == 2
    assert [t["code"] for t in told["day"]["type"]] == ["date", "dateTime"]
    assert (told["day"]["short"], told["day"]["comment"]) == ("When", "as told")
    assert told["day"]["constraint"][0]["key"] == "adm-1"
    assert told["place.bed"]["binding"]["strength"] == "required" and "type" not in told["place.inner"]
    numbers = found["Numbers"]
    assert numbers["identifier"] == [{"system": "urn:cpf"}]
    assert numbers["contained"] == [{"resourceType": "NamingSystem", "id": "Told"}]
    profile = elements(found["Numbered"])
    assert profile["identifier"]["patternIdentifier"] == {"system": "urn:cpf"}
    assert "Told" not in found, "what is inline is no resource of the project"
