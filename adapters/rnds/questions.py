"""Questions to EHR-services about people and places (published guides): which path asks for what, by which number."""

from __future__ import annotations

from urllib.parse import quote

from canonical import identifiers

SYSTEM = "http://rnds.saude.gov.br/fhir/r4/NamingSystem/"
KINDS = ("patient", "professional", "establishment")


def path(kind: str, number: str) -> str:
    """The path of a question by CNS, CPF or CNES; raises ValueError for a number that is none."""
    given = identifiers.compact(number)
    if kind == "establishment":
        if not identifiers.is_cnes(given):
            raise ValueError("não é um CNES / no valid CNES")
        return f"/fhir/r4/Organization/{given}"
    if kind not in KINDS:
        raise ValueError(kind)
    name = "cns" if identifiers.is_cns(given) else "cpf" if identifiers.is_cpf(given) else ""
    if not name:
        raise ValueError("não é um CNS nem um CPF válido / no valid CNS or CPF")
    type_name = "Patient" if kind == "patient" else "Practitioner"
    return f"/fhir/r4/{type_name}?identifier={quote(f'{SYSTEM}{name}|{given}', safe='')}"


def link(cns: str, cnes: str) -> str:
    """The path that asks whether a professional has a link with an establishment."""
    return f"/fhir/r4/PractitionerRole/{cns}-{cnes}"
