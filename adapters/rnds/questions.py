"""Questions to EHR-services about people, places and documents (published guides): which path asks for what."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

from canonical import identifiers

CONTEXT = "/contexto-atendimento"
_ID = re.compile(r"[A-Za-z0-9.\-]{1,64}")
SYSTEM = "http://rnds.saude.gov.br/fhir/r4/NamingSystem/"
KINDS = ("patient", "professional", "establishment")


def path(kind: str, number: str) -> str:
    """The path of a question by CNS, CPF, CNES or CNPJ; raises ValueError for a number that is none."""
    given = identifiers.compact(number)
    if kind == "establishment":
        if not (identifiers.is_cnes(given) or identifiers.is_cnpj(given)):
            raise ValueError("não é um CNES nem um CNPJ válido / no valid CNES or CNPJ")
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


def context(cnes: str, professional: str, patient: str) -> bytes:
    """The body that opens the context of care: who sees whom, and where; raises ValueError for a number that is none.

    The patient is named by the CNS alone: a CPF leads to it by `path("patient", …)`.
    """
    if not identifiers.is_cns(professional) or not identifiers.is_cns(patient):
        raise ValueError("não é um CNS válido / no valid CNS")
    said = {"cnes": cnes, "cnsProfissional": professional, "cnsPaciente": patient}
    return json.dumps(said).encode()


def document(identity: str) -> str:
    """The path of a whole document by its RNDS id; raises ValueError."""
    if not _ID.fullmatch(identity):
        raise ValueError("não é um id da RNDS / no id of RNDS")
    return f"/fhir/r4/Composition/{identity}/$document"
