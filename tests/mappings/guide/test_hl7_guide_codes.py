"""Every code of HL7's v2-to-FHIR code maps is mapped as there, or its difference is explained (`guide_differences.csv`)."""

from __future__ import annotations

from typing import Any

from hl7 import er7
from hl7.er7 import Message
from mappings.reading.engine import translate
from tests.mappings.guide.guide import Difference, differences, maps, walk

BASE = {
    "ADT^A01": ("PV1|1|I|||||||||||||||||V1^^^H^VN", "AL1|1||PEN^Penicilina^L||erupção", "DG1|1||I10^H^I10"),
    "ADT^A08": ("PV1|1||||||||||||||||||V1^^^H^VN",),
    "ORU^R01": (
        "OBR|1|P1^H|F1^L|GLI^Glicose^L|||20260101||||||||||||||||||F",
        "OBX|1|NM|GLI^Glicose^L||3||||||F", "SPM|1|A1&LIS||SER",
    ),
    "OML^O21": ("ORC|NW|P1^H", "OBR|1|P1^H||GLI^Glicose^L"),
    "RDE^O11": ("ORC|NW|P1^H", "RXO|DIP^Dipirona^L|1||mg", "RXE||DIP^Dipirona^L|1||mg", "RXR|PO"),
    "VXU^V04": ("ORC|RE||F1^H", "RXA|0|1|20260101||08^HepB^CVX|1"),
    "SIU^S12": ("SCH|A1^H||||||||||^^^20260101100000^20260101103000",),
    "MDM^T02": ("TXA|1|CN||||||||||D1^H|||||AU", "OBX|1|TX|T^Texto^L||abc||||||F"),
}  # fmt: skip
BESIDE = {"PID-13.3": "^^{}^ana@exemplo.br^55^81^33334444", "PID-40.2": "^{}^PH^^55^81^33334444", "PRT-4": "PRT||AD|"}
BESIDE |= {"PV1-7.7": "123^Lima^Rui^^^^{}^^CRM-SP", "PID-3.5": "70045^^^H^{}"}
BESIDE |= {"ROL-3": "ROL|1|AD|", "RXR-2": "{}^^HL70550", "SPM-27": "{}^^SCT", "SPM-8": "{}^^SCT"}
WHO = "|123^Lima^Rui^^^^^^CRM-SP"
HOSTS = {
    "AdditivePreservative": ("ORU^R01", "SPM-6", "Specimen.container.additiveCodeableConcept"),
    "AddressType[Type]": ("ADT^A01", "PID-11.7", "Patient.address.type"),
    "AddressType[Use]": ("ADT^A01", "PID-11.7", "Patient.address.use"),
    "AdministrationMethod": ("RDE^O11", "RXR-4", "MedicationRequest.dosageInstruction.method"),
    "AdministrativeSex": ("ADT^A01", "PID-8", "Patient.gender"),
    "AdmissionLevelOfCareCode": ("ADT^A01", "PV2-40", "Encounter"),
    "AdmissionType": ("ADT^A01", "PV1-4", "Encounter.type"),
    "AllergenType[AllergyIntoleranceCategory]": ("ADT^A01", "AL1-2", "AllergyIntolerance.category"),
    "AllergenType[AllergyIntoleranceOriginalCategory]": ("ADT^A01", "AL1-2", "AllergyIntolerance._category"),
    "AllergySeverity[AllergyIntolerance.criticality-original]": ("ADT^A01", "AL1-4", "AllergyIntolerance._criticality"),
    "AllergySeverity[AllergyIntolerance.criticality]": ("ADT^A01", "AL1-4", "AllergyIntolerance.criticality"),
    "AllergySeverity[AllergyIntolerance.reaction.severity]": (
        "ADT^A01", "AL1-4", "AllergyIntolerance.reaction.severity",
    ),
    "AllergyType": ("ADT^A01", "AL1-2", "AllergyIntolerance.type"),
    "AllowSubstitution": ("RDE^O11", "RXE-9", "MedicationRequest.substitution"),
    "AmbulatoryStatus": ("ADT^A01", "PV1-15", "Encounter.hospitalization.specialArrangement"),
    "AppointmentReasonCodes": ("SIU^S12", "SCH-7", "Appointment.reasonCode"),
    "AppointmentTypeCodes": ("SIU^S12", "SCH-8", "Appointment.appointmentType"),
    "BedStatus": ("ADT^A01", "PV1-40", "Location"),
    "BodyParts": ("RDE^O11", "RXR-2", "MedicationRequest.dosageInstruction.site"),
    "BodySite": ("VXU^V04", "RXR-2.1", "Immunization.site"),
    "CommentType": ("SIU^S12", "NTE-4", "Appointment"),
    "CompletionStatus": ("VXU^V04", "RXA-20", "Immunization.status"),
    "ConfidentialityClassification": ("OML^O21", "ORC-28", "ServiceRequest.meta.security"),
    "ConfidentialityCode": ("OML^O21", "ORC-28", "ServiceRequest.meta.security"),
    "ContactRole": ("ADT^A01", "NK1-7", "Patient.contact.relationship"),
    "ContainerType": ("ORU^R01", "SPM-27", "Specimen.container.type"),
    "CountryCode": ("ADT^A01", "PID-11.6", "Patient.address.country"),
    "DegreeLicenseCertificate": ("ADT^A01", "PV1-7.7", "Practitioner"),
    "DiagnosisType": ("ADT^A01", "DG1-6", "Encounter.diagnosis.use"),
    "DiagnosticServiceSectionID": ("ORU^R01", "OBR-24", "DiagnosticReport.category"),
    "DietType": ("ADT^A01", "PV1-38", "Encounter.hospitalization.dietPreference"),
    "DischargeDisposition": ("ADT^A01", "PV1-36", "Encounter.hospitalization.dischargeDisposition"),
    "DocumentConfidentialityStatus": ("MDM^T02", "TXA-18", "DocumentReference.securityLabel"),
    "EncounterPriority": ("ADT^A01", "PV2-25", "Encounter.priority"),
    "EventRelatedPeriod": ("RDE^O11", "TQ1-3.8", "MedicationRequest.dosageInstruction.timing.repeat.when"),
    "ExtendedPriorityCodes": ("OML^O21", "ORC-7.6", "ServiceRequest.priority"),
    "FillerStatusCodes[Appointment]": ("SIU^S12", "SCH-25", "Appointment.status"),
    "FinancialClass": ("ADT^A01", "PV1-20", "Coverage"),
    "HospitalService": ("ADT^A01", "PV1-10", "Encounter.serviceType"),
    "IdentifierType": ("ADT^A01", "PID-3.5", "Patient.identifier.type"),
    "InterpretationCodes": ("ORU^R01", "OBX-8", "Observation.interpretation"),
    "LivingWillCode": ("ADT^A01", "PD1-7", "Observation.valueCodeableConcept"),
    "MaritalStatus": ("ADT^A01", "PID-16", "Patient.maritalStatus"),
    "ModeOfArrivalCode": ("ADT^A01", "PV2-38", "Encounter.extension"),
    "NameAssemblyOrder": ("ADT^A01", "PID-5.11", "Patient.name.extension"),
    "NameType": ("ADT^A01", "PID-5.7", "Patient.name.use"),
    "NatureOfAbnormalTesting": ("ORU^R01", "OBX-10", "Observation"),
    "ObservationResultStatusCodesInterpretation": ("ORU^R01", "OBX-11", "Observation.status"),
    "OrderControlCode[ServiceRequest.status]": ("OML^O21", "ORC-1", "ServiceRequest.status"),
    "OrderStatus": ("OML^O21", "ORC-5", "ServiceRequest.status"),
    "OrderType": ("OML^O21", "ORC-29", "ServiceRequest.locationCode"),
    "OrganizationalNameType": ("ORU^R01", "OBX-23.2", "Observation.performer"),
    "Participation": ("ADT^A01", "PRT-4", "Encounter.participant.type"),
    "PatientClass[EncounterClass]": ("ADT^A01", "PV1-2", "Encounter.class"),
    "PatientClass[EncounterStatus]": ("ADT^A08", "PV1-2", "Encounter.status"),
    "PrimaryLanguage": ("ADT^A01", "PID-15", "Patient.communication.language"),
    "ProviderRole": ("ADT^A01", "ROL-3", "Encounter.participant.type"),
    "PublicityCode": ("ADT^A01", "PD1-11", "Patient"),
    "ReadmissionIndicator": ("ADT^A01", "PV1-13", "Encounter.hospitalization.reAdmission"),
    "Relationship": ("ADT^A01", "NK1-3", "Patient.contact.relationship"),
    "Religion": ("ADT^A01", "PID-17", "Patient.extension"),
    "RepeatPattern": ("RDE^O11", "TQ1-3", "MedicationRequest.dosageInstruction.timing.code"),
    "ResultStatus[Non-Queries]": ("ORU^R01", "OBR-25", "DiagnosticReport.status"),
    "RouteOfAdministration": ("RDE^O11", "RXR-1", "MedicationRequest.dosageInstruction.route"),
    "SpecimenCollectionMethod": ("ORU^R01", "SPM-7", "Specimen.collection.method"),
    "SpecimenCondition": ("ORU^R01", "SPM-24", "Specimen.condition"),
    "SpecimenRejectReason": ("ORU^R01", "SPM-21", "Specimen.condition"),
    "SpecimenSourceSite": ("ORU^R01", "SPM-8", "Specimen.collection.bodySite"),
    "SpecimenType": ("ORU^R01", "SPM-4", "Specimen.type"),
    "TelecommunicationEquipmentType": ("ADT^A01", "PID-13.3", "Patient.telecom"),
    "TelecommunicationUseCode": ("ADT^A01", "PID-40.2", "Patient.telecom.use"),
    "UniversalIDType": ("ADT^A01", "PID-3.4.3", "Patient.identifier"),
    "VIPIndicator": ("ADT^A01", "PV1-16", "Encounter.hospitalization.specialCourtesy"),
    "YesNoIndicator[AvailabilityStatus]": ("ORU^R01", "SPM-20", "Specimen.status"),
}  # fmt: skip
WITHOUT = {  # no code of these maps has a place in a record: their fields are of the header, or stay in the message
    "EventReason", "EventType", "Event[EncounterStatus]", "ParticipantOrganizationUnitType", "PractitionerIDNumberType",
    "PreferredMethodOfContact", "PrincipalLanguageOfMessage", "ProcessingID", "ProcessingMode", "SegmentActionCode",
    "TestServiceDefaultDurationUnits", "VisitUserCode", "YesNoIndicator",
}  # fmt: skip


def filled(raw: str, part: str, code: str) -> str:
    """A field with a code in one component (`7`) or subcomponent (`4.3`) of it, the rest as a sender would write it."""
    component, _, sub = part.partition(".")
    texts = raw.split("^") + [""] * int(component)
    texts[int(component) - 1] = f"H&1.2.3&{code}" if sub else code
    return "^".join(texts).rstrip("^")


def message(kind: str, place: str, code: str) -> Message:
    """A message of a kind with the code at a place."""
    name, _, rest = place.partition("-")
    field, _, part = rest.partition(".")
    lines = [
        f"MSH|^~\\&|A|B|C|D|20260101||{kind}|1|P|2.8.2",
        "PID|1||7^^^H^MR||Souza^Ana||||||Rua A^^Recife",
        *BASE[kind],
    ]
    at = next((n for n, line in enumerate(lines) if line.startswith(name)), len(lines))
    if at == len(lines):
        lines.append(name)
    if name in ("PRT", "ROL"):
        lines[at] = BESIDE[place] + ("|" if name == "PRT" else "") + code + WHO
    else:
        fields = lines[at].split("|") + [""] * 50
        own = BESIDE.get(place) or ""
        if name == "NK1":
            fields[2] = "Souza^Rui"
        fields[int(field)] = own.format(code) if own else filled(fields[int(field)], part or "1", code)
        lines[at] = "|".join(fields).rstrip("|")
    found = er7.read(("\r".join(lines) + "\r").encode())
    assert isinstance(found, Message)
    return found


def told(kind: str, place: str, code: str, target: str) -> list[Any]:
    """What stands at the target, or below it, of the records a message makes."""
    resource, *path = target.split(".")
    drafts = [d for d in translate(message(kind, place, code), zone="America/Sao_Paulo").drafts if d.type == resource]
    bodies = [body for draft in drafts for body in (draft.body, draft.initial)]
    return [node for body in bodies for at, node in walk(body) if at[: len(path)] == tuple(path)]


def same(found: list[Any], code: str, system: str) -> bool:
    """Whether the code stands there: as Coding, in its system."""
    codings = [one for one in found if isinstance(one, dict) and one.get("code") == code]
    if codings:
        return any(one.get("system", "").rstrip("/") == system.rstrip("/") for one in codings)
    return code in [one for one in found if isinstance(one, str)]


def test_every_code_of_the_maps() -> None:
    explained, used, unlike, counted = differences("codes"), set[Difference](), [], 0
    for name, rows in maps("codesystems"):
        wanted = {(row[0], row[6], row[9]) for row in rows if row[0] and row[6]}
        if not wanted or name in WITHOUT:
            continue
        kind, place, target = HOSTS[name]
        counted += len(wanted)
        for code, expected, system in sorted(wanted):
            if same(told(kind, place, code, target), expected, system):
                continue
            known = [one for one in explained if one.covers(name, code)]
            used.update(known)
            if not known:
                unlike.append((name, code, expected))
    assert unlike == [] and counted > 1800
    assert set(explained) == used, "an explanation without a difference is out of date"
