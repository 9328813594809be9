"""Invented records of one hospital for the national documents, as the hub stores them, and the scope a plan reads."""

from __future__ import annotations

import copy
import datetime
from typing import Any

from canonical import codes
from canonical.identifiers import cns_from_pis
from hub.rnds.certificates import with_reasons
from hub.rnds.prescriptions import with_medicines
from mappings.national.document_values import View

CNES = "2337991"
PATIENT_CNS = cns_from_pis("12345678901")
DOCTOR_CNS = cns_from_pis("20456789012")
NOW = datetime.datetime(2026, 11, 20, 15, 0, tzinfo=datetime.timezone(datetime.timedelta(hours=-3)))
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
RD = "http://www.saude.gov.br/fhir/r4"
DOCTOR = {"reference": "Practitioner/doutor"}
SUBJECT = {"reference": "Patient/ana"}

PATIENT: dict[str, Any] = {
    "resourceType": "Patient", "id": "ana", "gender": "female", "birthDate": "1980-02-29",
    "name": [{"family": "Silva", "given": ["Ana"], "text": "Ana Silva"}],
    "identifier": [{"system": "urn:ponte:hd:mr", "value": "4711"}, {"system": codes.CNS, "value": PATIENT_CNS}],
}  # fmt: skip
PRACTITIONER: dict[str, Any] = {
    "resourceType": "Practitioner", "id": "doutor", "name": [{"text": "Rui Lima"}],
    "identifier": [{"system": codes.CNS, "value": DOCTOR_CNS}],
    "qualification": [{"code": {"coding": [{"system": codes.CBO, "code": "225125"}]}}],
}  # fmt: skip
SPECIMEN: dict[str, Any] = {
    "resourceType": "Specimen", "id": "soro", "subject": SUBJECT,
    "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0487", "code": "SER"}], "text": "Soro"},
}  # fmt: skip
RESULTS: list[dict[str, Any]] = [
    {
        "resourceType": "Observation", "id": "glicose", "status": "final", "subject": SUBJECT, "specimen": {"reference": "Specimen/soro"},
        "code": {"coding": [{"system": codes.LOINC, "code": "2345-7"}], "text": "Glicose"},
        "effectiveDateTime": "2026-11-20T08:00:00-03:00", "issued": "2026-11-20T10:10:00-03:00", "performer": [DOCTOR],
        "method": {"text": "Enzimático"}, "valueQuantity": {"value": 98, "unit": "mg/dL", "system": codes.UCUM, "code": "mg/dL"},
        "referenceRange": [{"low": {"value": 70, "unit": "mg/dL"}, "high": {"value": 99, "unit": "mg/dL"}}],
    },
    {
        "resourceType": "Observation", "id": "covid", "status": "final", "subject": SUBJECT, "specimen": {"reference": "Specimen/soro"},
        "code": {"coding": [{"system": codes.LOINC, "code": "94500-6"}]},
        "effectiveDateTime": "2026-11-20T08:00:00-03:00", "issued": "2026-11-20T10:10:00-03:00",
        "method": {"coding": [{"code": "RT-PCR", "display": "RT-PCR"}]}, "valueString": "Não detectável",
        "referenceRange": [{"text": "Não detectável"}], "note": [{"text": "amostra única"}],
    },
]  # fmt: skip
REPORT: dict[str, Any] = {
    "resourceType": "DiagnosticReport", "id": "laudo", "status": "final", "subject": SUBJECT, "issued": "2026-11-20T10:10:00-03:00",
    "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0074", "code": "LAB"}]}],
    "code": {"text": "Bioquímica"}, "effectiveDateTime": "2026-11-20T08:00:00-03:00", "encounter": {"reference": "Encounter/visita"},
    "result": [{"reference": "Observation/glicose"}, {"reference": "Observation/covid"}], "specimen": [{"reference": "Specimen/soro"}],
    "conclusionCode": [{"coding": [{"system": codes.CID10, "code": "E11.9"}]}],
}  # fmt: skip
IMMUNIZATION: dict[str, Any] = {
    "resourceType": "Immunization", "id": "dose", "status": "completed", "patient": SUBJECT, "primarySource": True,
    "vaccineCode": {"coding": [{"system": "http://hl7.org/fhir/sid/cvx", "code": "113"}], "text": "dT"},
    "occurrenceDateTime": "2026-11-20", "lotNumber": "A123", "expirationDate": "2027-12-16",
    "manufacturer": {"identifier": {"system": f"{RD}/CodeSystem/BRFabricantePNI", "value": "239"}},
    "site": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0163", "code": "LD"}]},
    "route": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0162", "code": "IM"}]},
    "performer": [{"actor": DOCTOR}], "protocolApplied": [{"doseNumberPositiveInt": 2}],
}  # fmt: skip
ENCOUNTER: dict[str, Any] = {
    "resourceType": "Encounter", "id": "visita", "status": "finished", "class": {"system": ACT, "code": "AMB"}, "subject": SUBJECT,
    "participant": [
        {"type": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "ATND"}]}], "individual": DOCTOR},
    ],
    "period": {"start": "2026-11-20T09:00:00-03:00", "end": "2026-11-20T10:15:00-03:00"},
    "type": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0007", "code": "R"}]}],
    "hospitalization": {"dischargeDisposition": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0112", "code": "01"}]}},
    "diagnosis": [{"condition": {"reference": "Condition/gripe"}}],
}  # fmt: skip
CONDITION: dict[str, Any] = {
    "resourceType": "Condition", "id": "gripe", "subject": SUBJECT, "encounter": {"reference": "Encounter/visita"},
    "code": {"coding": [{"system": codes.CID10, "code": "J11.1"}]},
}  # fmt: skip
PROCEDURE: dict[str, Any] = {
    "resourceType": "Procedure", "id": "consulta", "status": "completed", "subject": SUBJECT, "encounter": {"reference": "Encounter/visita"},
    "code": {"coding": [{"system": "https://terminologia.saude.gov.br/fhir/CodeSystem/BRTabelaSUS", "code": "03.01.01.007-2"}]},
    "performedDateTime": "2026-11-20T09:15:00-03:00", "performer": [{"actor": DOCTOR}],
}  # fmt: skip
WEIGHT: dict[str, Any] = {
    "resourceType": "Observation", "id": "peso", "status": "final", "subject": SUBJECT, "encounter": {"reference": "Encounter/visita"},
    "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}]}],
    "code": {"coding": [{"system": codes.LOINC, "code": "29463-7"}]}, "valueQuantity": {"value": 71.5, "unit": "kg", "system": codes.UCUM, "code": "kg"},
}  # fmt: skip
ALLERGY: dict[str, Any] = {
    "resourceType": "AllergyIntolerance", "id": "dipirona", "patient": SUBJECT, "category": ["medication"], "criticality": "high",
    "code": {"coding": [{"system": f"{RD}/CodeSystem/BRMedicamento", "code": "BR0267203"}]}, "encounter": {"reference": "Encounter/visita"},
    "verificationStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification", "code": "confirmed"}]},
    "clinicalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "code": "active"}]},
}  # fmt: skip
EVOLUTION: dict[str, Any] = {
    "resourceType": "ClinicalImpression", "id": "evolucao", "status": "completed", "subject": SUBJECT,
    "encounter": {"reference": "Encounter/visita"}, "summary": "Evoluiu bem, sem febre desde o segundo dia.",
}  # fmt: skip
CARE_PLAN: dict[str, Any] = {
    "resourceType": "CarePlan", "id": "plano", "status": "active", "intent": "plan", "subject": SUBJECT,
    "encounter": {"reference": "Encounter/visita"}, "description": "Retorno em sete dias.",
}  # fmt: skip
CERTIFICATE: dict[str, Any] = {
    "resourceType": "CarePlan", "id": "atestado", "status": "active", "intent": "plan", "subject": SUBJECT, "encounter": {"reference": "Encounter/visita"},
    "category": [{"coding": [{"system": f"{RD}/CodeSystem/BRTipoDocumento", "code": "ATM"}]}], "addresses": [{"reference": "Condition/gripe"}],
    "activity": [{"detail": {
        "status": "in-progress", "description": "Afastamento do trabalho por motivo de saúde.",
        "scheduledPeriod": {"start": "2026-11-20", "end": "2026-11-22"},
    }}],
}  # fmt: skip
PRESCRIPTION: dict[str, Any] = {
    "resourceType": "MedicationRequest", "id": "receita", "status": "active", "intent": "order", "subject": SUBJECT, "requester": DOCTOR,
    "encounter": {"reference": "Encounter/visita"}, "authoredOn": "2026-11-20T10:00:00-03:00",
    "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/medicationrequest-category", "code": "discharge"}]}],
    "medicationCodeableConcept": {"coding": [{"system": f"{RD}/CodeSystem/BRObmCATMAT", "code": "BR0267779"}], "text": "Paracetamol 750 mg"},
    "dosageInstruction": [{
        "text": "1 comprimido de 6 em 6 horas por 5 dias", "patientInstruction": "Tomar após as refeições.", "asNeededBoolean": True,
        "timing": {"repeat": {"boundsDuration": {"value": 5, "unit": "d", "system": codes.UCUM, "code": "d"}, "frequency": 1, "period": 6, "periodUnit": "h"}},
        "route": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0162", "code": "PO"}], "text": "Oral"},
        "doseAndRate": [{"doseQuantity": {"value": 1, "unit": "comprimido"}}],
    }],
    "dispenseRequest": {"quantity": {"value": 20, "unit": "comprimidos"}},
}  # fmt: skip
REQUEST: dict[str, Any] = {
    "resourceType": "ServiceRequest", "id": "pedido", "status": "active", "intent": "order", "subject": SUBJECT, "priority": "routine",
    "authoredOn": "2026-11-10T09:00:00-03:00", "category": [{"coding": [{"system": f"{RD}/CodeSystem/BRModalidadeAssistencial", "code": "07"}]}],
    "code": {"coding": [{"system": f"{RD}/CodeSystem/BRTabelaSUS", "code": "0209010029"}]},
    "reasonCode": [{"coding": [{"system": codes.CID10, "code": "K92.2"}]}],
    "performerType": {"coding": [{"system": codes.CBO, "code": "225225"}]},
}  # fmt: skip
APPOINTMENT: dict[str, Any] = {
    "resourceType": "Appointment", "id": "horario", "status": "booked", "meta": {"lastUpdated": "2026-11-12T12:00:00.000Z"},
    "start": "2026-12-01T09:00:00-03:00", "end": "2026-12-01T09:30:00-03:00", "created": "2026-11-10T10:00:00-03:00",
    "basedOn": [{"reference": "ServiceRequest/pedido"}], "participant": [{"actor": SUBJECT, "status": "accepted"}],
}  # fmt: skip
SETTINGS: dict[str, dict[str, str]] = {
    "RIA": {"group": "000926", "maternal": "1", "strategy": "1"},
    "RIAC": {"group": "000926", "maternal": "1"},
    "RAC": {"financing": "01"},
    "SA": {"financing": "01"},
}  # fmt: skip
LISTS = {"BRGrupoAtendimento": {"000926": "000926"}, "BRCondicaoMaternal": {"1": "1"}}
ALL = (
    PATIENT, PRACTITIONER, SPECIMEN, *RESULTS, REPORT, IMMUNIZATION, ENCOUNTER, CONDITION, PROCEDURE, WEIGHT, ALLERGY, EVOLUTION,
    CARE_PLAN, CERTIFICATE, PRESCRIPTION, REQUEST, APPOINTMENT,
)  # fmt: skip


def view(**more: Any) -> View:
    people = {"Practitioner/doutor": {"cns": DOCTOR_CNS, "cbo": "225125"}}
    return View(**{"now": NOW, "cnes": CNES, "people": people, "codes": LISTS, **more})


def scope(kind: str) -> dict[str, Any]:
    """What the hub would gather for a document of these records."""
    stay = {**ENCOUNTER, "class": {"system": ACT, "code": "IMP"}} if kind == "SA" else ENCOUNTER
    own: dict[str, dict[str, Any]] = {
        "REL": {"subject": REPORT, "report": REPORT, "results": RESULTS, "specimens": [SPECIMEN], "suspicion": {"code": REPORT["conclusionCode"][0]}},
        "RIA": {
            "subject": IMMUNIZATION, "administered": [IMMUNIZATION], "transcribed": [], "indications": [],
            "vaccination": {"group": [SETTINGS["RIA"]["group"]], "maternal": ["1"], "strategy": ["1"]},
        },
        "RAC": {
            "subject": stay, "encounter": stay, "conditions": [CONDITION], "procedures": [PROCEDURE], "measures": [WEIGHT],
            "allergies": [ALLERGY], "substitutes": [], "evolutions": [EVOLUTION], "care_plans": [CARE_PLAN],
            **with_medicines([PRESCRIPTION], {}),
            **with_reasons([CERTIFICATE], {"Condition/gripe": CONDITION}),
        },
        "RIRA": {
            "subject": APPOINTMENT, "appointment": APPOINTMENT, "request": REQUEST,
            "indications": [{"resourceType": "Condition", "id": "pedido-1", "code": REQUEST["reasonCode"][0]}],
            "performer": {"cnes": CNES}, "requester": {"cnes": CNES},
        },
    }  # fmt: skip
    own["RIAC"] = own["RIA"]
    own["SA"] = own["RAC"]
    common = {
        "patient": PATIENT, "establishment": {"cnes": CNES}, "document": {"now": NOW.isoformat()}, "settings": SETTINGS.get(kind, {}),
        "responsible": [],
    }  # fmt: skip
    return copy.deepcopy({**common, **own[kind]})
