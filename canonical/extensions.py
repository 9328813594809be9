"""The addresses of the FHIR extensions that records carry, by the short names mapping tables use."""

from __future__ import annotations

from canonical.codes import MOTHER_EXTENSION, RACE_EXTENSION

_CORE = "http://hl7.org/fhir/StructureDefinition"
_R5 = "http://hl7.org/fhir/5.0/StructureDefinition"
EXTENSIONS = {
    "race": RACE_EXTENSION,
    "indigenous-people": "https://ips.saude.gov.br/fhir/StructureDefinition/povo-indigena-br-ips",
    "mother": MOTHER_EXTENSION,
    "birth-place": f"{_CORE}/patient-birthPlace",
    "birth-time": f"{_CORE}/patient-birthTime",
    "citizenship": f"{_CORE}/patient-citizenship",
    "congregation": f"{_CORE}/patient-congregation",
    "disability": f"{_CORE}/patient-disability",
    "nationality": f"{_CORE}/patient-nationality",
    "religion": f"{_CORE}/patient-religion",
    "animal": f"{_CORE}/patient-animal",
    "name-own-prefix": f"{_CORE}/humanname-own-prefix",
    "name-own-name": f"{_CORE}/humanname-own-name",
    "name-partner-prefix": f"{_CORE}/humanname-partner-prefix",
    "name-partner-name": f"{_CORE}/humanname-partner-name",
    "name-representation": f"{_CORE}/iso21090-EN-representation",
    "mode-of-arrival": f"{_CORE}/encounter-modeOfArrival",
    "planned-start": f"{_R5}/extension-Encounter.plannedStartDate",
    "planned-end": f"{_R5}/extension-Encounter.plannedEndDate",
    "temporary-location": f"{_CORE}/subject-locationClassification",
    "event-location": f"{_CORE}/event-location",
    "alternate-codes": f"{_CORE}/alternate-codes",
    "city-code": f"{_CORE}/iso21090-SC-coding",
    "due-to": f"{_CORE}/condition-dueTo",
    "note": f"{_CORE}/note",
    "ordering-role": "urn:ponte:extension:papel-solicitante",
    "examined-result": "urn:ponte:extension:resultado-examinado",
    "movement": "urn:ponte:extension:movimento",
    "place-parts": "urn:ponte:extension:partes-do-lugar",
    "modifier": "urn:ponte:extension:modificador",
    "working-permit": "urn:ponte:extension:autorizacao-funcionamento",
    "birth-declaration": "urn:ponte:extension:declaracao-nascido-vivo",
    "death-declaration": "urn:ponte:extension:declaracao-obito",
}
