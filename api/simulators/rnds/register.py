"""What the simulated RNDS knows of people and places: every valid CPF has a CNS, every CNS of its own a person."""

from __future__ import annotations

from typing import Any

from canonical import identifiers

SYSTEM = "http://rnds.saude.gov.br/fhir/r4/NamingSystem/"


def found(kind: str, number: str, cnes: frozenset[str], unlinked: frozenset[str]) -> dict[str, Any] | None:
    """The record of a type (Patient, Practitioner, Organization, PractitionerRole) under a number, or None."""
    if kind == "Organization":
        known = number in cnes or identifiers.is_cnpj(number)
        return {**_record(kind, number, "cnpj" if len(number) > 7 else "cnes"), "active": True} if known else None
    if kind == "PractitionerRole":
        cns, _, place = number.partition("-")
        known = identifiers.is_cns(cns) and cns not in unlinked and place in cnes
        return {"resourceType": kind, "id": number, "active": True} if known else None
    if identifiers.is_cpf(number):
        made = _record(kind, cns_of(number), "cns")
        return {**made, "identifier": [*made["identifier"], {"system": f"{SYSTEM}cpf", "value": number}]}
    return _record(kind, number, "cns") if identifiers.is_cns(number) else None


def cns_of(number: str) -> str:
    """The CNS of a person by CNS or CPF."""
    return identifiers.cns_from_pis(f"1{number[:10]}") if identifiers.is_cpf(number) else number


def _record(kind: str, number: str, name: str) -> dict[str, Any]:
    return {"resourceType": kind, "id": number, "identifier": [{"system": f"{SYSTEM}{name}", "value": number}]}
