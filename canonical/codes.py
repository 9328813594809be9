"""Names of code systems and identifier systems, and how HL7 authorities and types name them.

Brazil has three URI families for the same registers (RNDS documents, RNDS read side, BR Core); records keep the
system as received, search matches the aliases.
"""

from __future__ import annotations

import re

from canonical.identifiers import compact

_SID = "https://saude.gov.br/fhir/sid"
CPF = f"{_SID}/cpf"
CNS = f"{_SID}/cns"
CNES = f"{_SID}/cnes"
CNPJ = f"{_SID}/cnpj"
ANS = f"{_SID}/ans-registro-operadora"
_RNDS = "http://rnds.saude.gov.br/fhir/r4/NamingSystem"
ALIASES: tuple[frozenset[str], ...] = (
    frozenset((CPF, f"{_RNDS}/cpf")),
    frozenset((CNS, f"{_RNDS}/cns", "http://www.saude.gov.br/fhir/r4/StructureDefinition/BRIndividuo-1.0")),
    frozenset(
        (CNES, f"{_RNDS}/cnes", "http://www.saude.gov.br/fhir/r4/StructureDefinition/BREstabelecimentoSaude-1.0")
    ),
)
V2_0203 = "http://terminology.hl7.org/CodeSystem/v2-0203"
LOINC = "http://loinc.org"
TUSS = "https://fhir.ans.gov.br/CodeSystem/tuss-"
CID10 = "http://hl7.org/fhir/sid/icd-10"
UCUM = "http://unitsofmeasure.org"
LOCAL = "urn:ponte"

_TYPES = {"CPF": CPF, "TAX": CPF, "CNS": CNS, "HC": CNS, "SUS": CNS, "CNES": CNES, "CNPJ": CNPJ}
_NUMERIC = frozenset((CPF, CNS, CNES))
# Table 0396 names of coding systems as senders write them.
_CODING = {
    "LN": LOINC,
    "LOINC": LOINC,
    "I10": CID10,
    "CID10": CID10,
    "CID-10": CID10,
    "UCUM": UCUM,
    "SCT": "http://snomed.info/sct",
    "TUSS": TUSS + "22",
    "TUSS22": TUSS + "22",
    "TUSS18": TUSS + "18",
    "TUSS19": TUSS + "19",
    "TUSS20": TUSS + "20",
    "CVX": "http://hl7.org/fhir/sid/cvx",
}
_HL7_TABLE = re.compile(r"HL7(\d{4})\Z")
_SAFE = re.compile(r"[^A-Za-z0-9._\-]+")


def identifier_system(kind: str, authority: str, universal: str, number: str) -> tuple[str, str]:
    """The identifier system of a CX by type (CX-5) and authority (CX-4), and the number in its compact form."""
    for name in (kind, authority.upper()):
        if name in _TYPES:
            system = _TYPES[name]
            return system, compact(number) if system in _NUMERIC or system == CNPJ else number
    if universal and re.fullmatch(r"[0-2](\.\d+)+", universal):
        return f"urn:oid:{universal}", number
    return local_system(authority, kind or "PI"), number


def professional_system(kind: str, authority: str, state: str, number: str) -> tuple[str, str]:
    """The identifier system of a professional (XCN): CPF, CNS, or council and state such as CRM/SP."""
    if kind.upper() in _TYPES:
        return _TYPES[kind.upper()], compact(number)
    council = _SAFE.sub("-", authority or kind or "local").lower().strip("-")
    return (f"{_SID}/{council}-{state.lower()}" if state else local_system(authority, kind or "DN")), number


def local_system(authority: str, kind: str) -> str:
    """A system URI for numbers a sender gives by itself: who assigned them, and what they number."""
    return f"{LOCAL}:{_SAFE.sub('-', authority.strip() or 'local').lower()}:{_SAFE.sub('-', kind).lower()}"


def coding_system(name: str) -> str:
    """The URI of a coding system HL7 names in CE-3/CWE-3; a URN for local ones; empty for none."""
    upper = name.strip().upper()
    if not upper:
        return ""
    if upper in _CODING:
        return _CODING[upper]
    if match := _HL7_TABLE.match(upper):
        return f"http://terminology.hl7.org/CodeSystem/v2-{match[1]}"
    if name.startswith(("http://", "https://", "urn:")):
        return name
    if upper == "L" or upper.startswith("99"):
        return f"{LOCAL}:codes:{_SAFE.sub('-', name).lower()}"
    return f"{LOCAL}:codes:{_SAFE.sub('-', name).lower()}"


def type_code(kind: str) -> str:
    """The table 0203 code of an identifier type; Brazilian names become their 0203 equivalents."""
    return {"CPF": "TAX", "CNS": "HC", "SUS": "HC", "CNPJ": "TAX", "CNES": "FI"}.get(kind, kind)


def short_name(system: str) -> str:
    """`cpf`, `cns`, `cnpj` or `cnes` of a Brazilian register's system."""
    return system.rsplit("/", 1)[-1]


def aliases(system: str) -> frozenset[str]:
    """All systems that name the same register as `system`, itself included."""
    for family in ALIASES:
        if system in family:
            return family
    return frozenset((system,))
