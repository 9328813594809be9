"""Names of code systems and identifier systems, and how HL7 authorities and types name them.

Brazil has three URI families for the same registers (RNDS documents, RNDS read side, BR Core); records keep the
system as received, search matches the aliases.
"""

from __future__ import annotations

import re
from functools import lru_cache
from unicodedata import normalize
from urllib.parse import quote

from canonical.councils import COUNCILS, NAMED, STATES, printed
from canonical.identifiers import compact, is_cnpj, is_cns, is_cpf, is_tuss

SID = "https://saude.gov.br/fhir/sid"
CPF = f"{SID}/cpf"
CNS = f"{SID}/cns"
CNES = f"{SID}/cnes"
CNPJ = f"{SID}/cnpj"
ANS = f"{SID}/ans-registro-operadora"
_RNDS = "http://rnds.saude.gov.br/fhir/r4"
_DOCUMENTS = "http://www.saude.gov.br/fhir/r4"
_ANS_TABLES = "https://fhir.ans.gov.br/CodeSystem/tuss-"
_TERMS = "https://terminologia.saude.gov.br/fhir/CodeSystem"
LOINC = "http://loinc.org"
CID10 = "http://hl7.org/fhir/sid/icd-10"
CBO = f"{_TERMS}/BRCBO"
PERSON = f"{_DOCUMENTS}/StructureDefinition/BRIndividuo-1.0"
# One register or code list under the names of BR Core, of the RNDS read side and of RNDS documents.
ALIASES: tuple[frozenset[str], ...] = (
    frozenset((CPF, f"{_RNDS}/NamingSystem/cpf")),
    frozenset(
        (
            CNS,
            f"{_RNDS}/NamingSystem/cns",
            PERSON,
            f"{_DOCUMENTS}/StructureDefinition/BRProfissional-1.0",
        )
    ),
    frozenset(
        (CNES, f"{_RNDS}/NamingSystem/cnes", f"{_DOCUMENTS}/StructureDefinition/BREstabelecimentoSaude-1.0")
    ),
    frozenset((CNPJ, f"{_DOCUMENTS}/StructureDefinition/BRPessoaJuridicaProfissionalLiberal-1.0")),
    frozenset((CBO, f"{_RNDS}/CodeSystem/rnds-cbo-1.0", f"{_DOCUMENTS}/CodeSystem/BRCBO", f"{_ANS_TABLES}24")),
    frozenset((f"{_ANS_TABLES}22", f"{_DOCUMENTS}/CodeSystem/BRCBHPMTUSS")),
    frozenset((CID10, f"{_TERMS}/BRCID10", f"{_DOCUMENTS}/CodeSystem/BRCID10")),
    frozenset((LOINC, "https://loinc.org", "https://loinc.org/", f"{_DOCUMENTS}/CodeSystem/BRNomeExameLOINC")),
    *(
        frozenset((f"{_TERMS}/{name}", f"{_DOCUMENTS}/CodeSystem/{name}"))
        for name in (
            "BRCIAP2", "BRTabelaSUS", "BRRacaCor", "BRImunobiologico", "BREstrategiaVacinacao", "BRMedicamento",
            "BRAlergenosCBARA", "BRMedDRA", "BRModalidadeAssistencial", "BRCaraterAtendimento", "BRProcedencia",
            "BRMotivoDesfecho", "BRFinanciamento", "BRDose", "BRFabricantePNI", "BRLocalAplicacao",
            "BRViaAdministracao", "BRGrupoAtendimento", "BRCondicaoMaternal", "BRObmCATMAT", "BRObmANVISA", "BRObmEAN",
            "BRObmVMP", "BRObmAMPP", "BRDivisaoGeograficaBrasil", "BRTipoDocumento",
        )
    ),
)  # fmt: skip
V2 = "http://terminology.hl7.org/CodeSystem/v2-"
V2_0203 = "http://terminology.hl7.org/CodeSystem/v2-0203"
TUSS = _ANS_TABLES
RESTRICTED = frozenset(("R", "V"))
"""Labels (v3-Confidentiality) of records that are not told to other systems unasked."""
UCUM = "http://unitsofmeasure.org"
CURRENCIES = "urn:iso:std:iso:4217"
LOCAL = "urn:ponte"
RACE_EXTENSION = "https://ips.saude.gov.br/fhir/StructureDefinition/raca-br-ips"
PEOPLES = "https://terminologia.saude.gov.br/fhir/CodeSystem/BREtniaIndigena"
ORDER_EVENT = "http://hl7.org/fhir/StructureDefinition/businessEvent"
MOTHER_EXTENSION = "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName"

_TYPES = {"CPF": CPF, "CNS": CNS, "SUS": CNS, "CARTAOSUS": CNS, "CNES": CNES, "CNPJ": CNPJ, "ANS": ANS}
_LENGTHS = {"TAX": (11, CPF), "CIC": (11, CPF), "HC": (15, CNS), "NH": (15, CNS), "FI": (7, CNES)}
_OIDS = {"2.16.840.1.113883.13.237": CPF, "2.16.840.1.113883.13.236": CNS, "2.16.840.1.113883.13.36": CNES}
_SSN = "http://hl7.org/fhir/sid/us-ssn"
_NPI = "http://hl7.org/fhir/sid/us-npi"
_FOREIGN = {"2.16.840.1.113883.4.1": (9, _SSN), "2.16.840.1.113883.4.6": (10, _NPI)}
_CNS_DIGITS = 15
_PRINTED_CPF = re.compile(r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}\Z")
_PRINTED_CNS = re.compile(r"[0-9]{3} [0-9]{4} [0-9]{4} [0-9]{4}\Z")
_ANY_NUMBER = frozenset(("", "PI", "PT", "U"))  # types of 0203 that say nothing of who numbers
_OID = re.compile(r"[0-2](\.\d+)+\Z")
_CHECKS = {CPF: is_cpf, CNS: is_cns, CNPJ: is_cnpj}
_NUMERIC = frozenset((CPF, CNS, CNES, CNPJ, ANS))
NATIONAL = frozenset((CPF, CNS, CNPJ, CNES, ANS))
_WITH_REGION = frozenset(("CRP",))  # its numbers begin with that of the region (`06/12345`)
_COUNCIL_SYSTEM = re.compile(rf"{re.escape(SID)}/({COUNCILS.lower()})(?:-([a-z]{{2}}|[0-9]{{1,2}}))?\Z")
# Table 0396 names of coding systems as senders write them.
_CODING = {
    "LN": LOINC,
    "LOINC": LOINC,
    "I10": CID10,
    "CID10": CID10,
    "CID-10": CID10,
    **dict.fromkeys(("CID", "CID 10"), CID10),
    "UCUM": UCUM,
    "SCT": "http://snomed.info/sct",
    "TUSS": TUSS + "22",
    "TUSS22": TUSS + "22",
    "TUSS18": TUSS + "18",
    "TUSS19": TUSS + "19",
    "TUSS20": TUSS + "20",
    "BRASINDICE": TUSS + "05",
    "SIMPRO": TUSS + "12",
    "CBHPM": f"{LOCAL}:codes:cbhpm",
    "SIGTAP": "https://terminologia.saude.gov.br/fhir/CodeSystem/BRTabelaSUS",
    **dict.fromkeys(("CBO", "CBO2002", "CBO-2002"), CBO),
    "ICD10": CID10,
    "ICD-10": CID10,
    "10": CID10,
    "I9": "http://hl7.org/fhir/sid/icd-9",
    **dict.fromkeys(("I9C", "I9CDX", "I9CP", "ICD9CM", "ICD-9-CM"), "http://hl7.org/fhir/sid/icd-9-cm"),
    **dict.fromkeys(("I10C", "ICD10CM", "ICD-10-CM"), "http://hl7.org/fhir/sid/icd-10-cm"),
    **dict.fromkeys(("I10P", "ICD10PCS", "ICD-10-PCS"), "http://www.cms.gov/Medicare/Coding/ICD10"),
    **dict.fromkeys(("C4", "C5", "CPT", "CPT4", "CPT-4"), "http://www.ama-assn.org/go/cpt"),
    **dict.fromkeys(("HPC", "HCPCS"), "urn:oid:2.16.840.1.113883.6.285"),
    **dict.fromkeys(("RXNORM", "RXN"), "http://www.nlm.nih.gov/research/umls/rxnorm"),
    **dict.fromkeys(("SNM", "SCTID", "SNOMED", "SNOMED CT", "SNOMED-CT", "SNOMEDCT"), "http://snomed.info/sct"),
    "CDCREC": "urn:oid:2.16.840.1.113883.6.238",
    "MDC": "urn:iso:std:iso:11073:10101",
    "DCM": "http://dicom.nema.org/resources/ontology/DCM",
    "ISO3166_1": "urn:iso:std:iso:3166",
    **dict.fromkeys(("NULLFL", "NULLFLAVOR"), "http://terminology.hl7.org/CodeSystem/v3-NullFlavor"),
    "NDC": "http://hl7.org/fhir/sid/ndc",
    "ATC": "http://www.whocc.no/atc",
    "ISO+": f"{LOCAL}:codes:iso-plus",
    "ANSI+": f"{LOCAL}:codes:ansi-plus",
    "CVX": "http://hl7.org/fhir/sid/cvx",
    "MVX": "http://terminology.hl7.org/CodeSystem/MVX",
    "NCIT": "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl",
    "UNII": "http://fdasis.nlm.nih.gov",
    "CDCPHINVS": "urn:oid:2.16.840.1.114222.4.5.274",
    "2.16.840.1.113883.6.1": LOINC,  # by OID, as CWE-14 names a system (2.7 on); R4 knows these by their URI
    "2.16.840.1.113883.6.3": CID10,
    "2.16.840.1.113883.6.8": UCUM,
    "2.16.840.1.113883.6.73": "http://www.whocc.no/atc",
    "2.16.840.1.113883.6.88": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "2.16.840.1.113883.6.96": "http://snomed.info/sct",
    "2.16.840.1.113883.12.292": "http://hl7.org/fhir/sid/cvx",
}
_NAMES = {
    system: name for name, system in reversed(_CODING.items()) if not system.startswith(TUSS)
}  # the first of each
_V2_TABLE = re.compile(r"http://terminology\.hl7\.org/CodeSystem/v2-(\d{4})\Z")
_HL7_TABLE = re.compile(r"HL7(\d{4})\Z")
_HL7_OID = re.compile(r"2\.16\.840\.1\.113883\.12\.(\d{1,4})\Z")
_TUSS_TABLE = re.compile(r"TUSS[ _./-]?(\d{2})\Z")
TUSS_TABLES = frozenset(("18", "19", "20", "22"))
"""Those with check digits; 00, 90 and 98 are the payer's or the provider's own."""
_CID10_CODE = re.compile(r"[A-Z][0-9]{2}(\.[0-9]|[0-9])\Z")
_CID10_NAMES = next(names for names in ALIASES if CID10 in names)
_SAFE = re.compile(r"[^A-Za-z0-9._\-]+")


def identifier_system(kind: str, authority: str, universal: str, number: str) -> tuple[str, str]:
    """The identifier system of a CX by type (CX-5) and authority (CX-4), and the number in its compact form.

    `TAX` and `HC` are the 0203 types of CPF and CNS, but also of other countries' numbers: the length decides where no
    register of another country is named by its OID. A valid number as a CPF is printed is one, unless another type says
    what it is.
    """
    short = compact(number)
    if universal.startswith(("http://", "https://", "urn:")) and not any(c.isspace() for c in universal):
        return universal, short if universal in _NUMERIC else number
    for name in (kind, _SAFE.sub("", authority.upper())):
        if name in _TYPES and not (name == "SUS" != kind and len(short) != _CNS_DIGITS):  # a hospital of that name
            system = _TYPES[name]
            return system, short if system in _NUMERIC else number
    if universal in _OIDS:
        return _OIDS[universal], short
    digits, abroad = _FOREIGN.get(universal, (0, ""))
    if digits and len(short) == digits and short.isdigit():
        return abroad, short
    if person := _person_register(kind, number, short):
        return person, short
    if kind == "SS" and len(short) == 9 and short.isdigit() and authority.upper() in ("USA", "US", "SSA", "USSSA"):
        return _SSN, short
    length, register = _LENGTHS.get(kind, (0, ""))
    if len(short) == length and short.isascii() and short.isdigit() and not _OID.match(universal):
        return register, short
    if _OID.match(universal):
        return f"urn:oid:{universal}", number
    return local_system(authority or universal, kind or "PI"), number


def _person_register(kind: str, number: str, short: str) -> str:
    """The register of persons whose check digits a number has: CNS or CPF as social security, or as printed."""
    for register, form in ((CNS, _PRINTED_CNS), (CPF, _PRINTED_CPF)):
        if _CHECKS[register](short) and (kind == "SS" or (kind in _ANY_NUMBER and form.match(number.strip()))):
            return register
    return ""


def professional_system(kind: str, authority: str, state: str, number: str) -> tuple[str, str]:
    """The identifier system of a professional (XCN): CPF, CNS, or council and state such as CRM/SP.

    Real senders put council and state in XCN-13 and XCN-22, in XCN-9 (`CRM-SP`), or in the number (`12345-SP`,
    `12345 CRM SP`). Noughts before the number fill a column of some sender: `012345` is `12345`.
    """
    for name in (kind.upper(), authority.upper()):
        if name in _TYPES:
            return _TYPES[name], compact(number)
    if "NPI" in (kind.upper(), authority.upper()) and len(number) == 10 and number.isdigit():
        return _NPI, number
    council, found_state = _council(kind, authority)
    inside = printed(number)
    if inside and (council or inside.council) and inside.marked:
        council = council or inside.council
        found_state = found_state or inside.place
        number = inside.number
    if council:
        place = found_state or (state.upper() if state.upper() in STATES else "")
        short = compact(number)
        if council not in _WITH_REGION:
            short = short.lstrip("0") or short
        return (f"{SID}/{council.lower()}-{place.lower()}" if place else f"{SID}/{council.lower()}"), short
    return local_system(authority, kind or "DN"), number


def _council(kind: str, authority: str) -> tuple[str, str]:
    """Council and state named by type or authority; empty when neither names a council."""
    council, place = "", ""
    for name in (kind.upper(), authority.upper()):
        if match := NAMED.match(name):
            council = council or match[1]
            place = place or (match[2] if match[2] in STATES else match[3] or "")
        elif name in STATES:
            place = place or name
    return council, place


@lru_cache(maxsize=1024)
def council_of(system: str) -> tuple[str, str] | None:
    """Council and state (or region) of the register `system`, as `crm` and `sp`; the state is empty where none is told.
    None for a system that is no council's.
    """
    match = _COUNCIL_SYSTEM.match(system)
    return (match[1], match[2] or "") if match else None


def is_wrong(system: str, number: str) -> bool:
    """Whether a CPF, CNS or CNPJ has wrong check digits: it is nobody's, and whoever mistyped alike is another one."""
    check = _CHECKS.get(system)
    return check is not None and not check(compact(number))


def local_system(authority: str, kind: str) -> str:
    """A system URI for numbers a sender gives by itself: who assigned them, and what they number."""
    return f"{LOCAL}:{_named(authority.strip() or 'local')}:{_named(kind)}"


def _named(name: str) -> str:
    """A name as part of a URN: what Latin letters do not say is a dash, letters of other scripts are told apart."""
    if name.isascii():
        return _SAFE.sub("-", name).lower()
    return _SAFE.sub(_foreign, name).lower()


def _foreign(run: re.Match[str]) -> str:
    """Percent-encoded characters (RFC 8141) for the letters that no accent makes of a Latin one; else one dash."""
    kept = [c if c.isalpha() and not normalize("NFD", c)[0].isascii() else " " for c in run[0]]
    return quote("-".join("".join(kept).split()), safe="-") or "-"


def coding_system(name: str, code: str = "") -> str:
    """The URI of a coding system HL7 names in CE-3/CWE-3; a URN for local ones; empty for none.

    `TUSS` without a table number: the chapter, the first digit of an eight-digit `code`, tells the table. A bare number
    of a table (`22`), as TISS names it, is one beside a code with its check digit.
    """
    upper = " ".join(name.upper().split())
    if not upper:
        return ""
    if upper == "TUSS":
        return TUSS + tuss_table(code)
    if upper in TUSS_TABLES and is_tuss(code):
        return TUSS + upper
    if upper in _CODING:
        return _CODING[upper]
    if match := _HL7_TABLE.match(upper):
        return f"http://terminology.hl7.org/CodeSystem/v2-{match[1]}"
    if match := _HL7_OID.match(upper):
        return f"http://terminology.hl7.org/CodeSystem/v2-{match[1]:0>4}"
    if match := _TUSS_TABLE.match(upper):
        return TUSS + match[1]
    if name.startswith(("http://", "https://", "urn:")) and not any(c.isspace() for c in name):
        return name
    if re.fullmatch(r"[0-2](\.\d+)+", name):
        return f"urn:oid:{name}"
    return local_codes(name)


def coding_name(system: str) -> str:
    """The name of a coding system as senders of HL7 write it, understood again by `coding_system`; a URI of no such
    name as it is."""
    if system in _NAMES:
        return _NAMES[system]
    if system.startswith(TUSS):
        return "TUSS" + system.removeprefix(TUSS)
    if match := _V2_TABLE.match(system):
        return f"HL7{match[1]}"
    prefix = f"{LOCAL}:codes:"
    return system.removeprefix(prefix).upper() if system.startswith(prefix) else system


def local_codes(name: str) -> str:
    """A system URI for codes of a list nobody but its sender publishes."""
    return f"{LOCAL}:codes:{_named(name)}"


def tuss_table(code: str) -> str:
    """The TUSS table of a code by its chapter: 18 daily rates and gases, 19 materials, 20 medicines, else 22."""
    if len(code) == 9:
        return "19"
    return {"6": "18", "7": "19", "9": "20"}.get(code[:1], "22") if len(code) == 8 else "22"


def type_code(kind: str) -> str:
    """The table 0203 code of an identifier type; Brazilian names become their 0203 equivalents."""
    return {"CPF": "TAX", "CNS": "HC", "SUS": "HC", "CNPJ": "TAX", "CNES": "FI"}.get(kind, kind)


def short_name(system: str) -> str:
    """`cpf`, `cns`, `cnpj` or `cnes` of a Brazilian register's system."""
    return system.rsplit("/", 1)[-1]


def spellings(system: str, code: str) -> tuple[str, ...]:
    """Other ways to write `code`: CID-10 stands with a dot (`A00.0`) and, in RNDS, without (`A000`)."""
    if system not in _CID10_NAMES or _CID10_CODE.match(code) is None:
        return ()
    return (code.replace(".", ""),) if "." in code else (f"{code[:3]}.{code[3:]}",)


def aliases(system: str) -> frozenset[str]:
    """All systems that name the same register as `system`, itself included."""
    for family in ALIASES:
        if system in family:
            return family
    return frozenset((system,))


def names(system: str, value: str) -> frozenset[str]:
    """All systems under which `value` of `system` may stand.

    Documents of RNDS call a person by CNS or by CPF under one name (BRIndividuo-1.0): what has the check digits of a
    CPF is one, and stands there or under the names of CPF.
    """
    found = aliases(system)
    return aliases(CPF) | {PERSON} if (system == PERSON or CPF in found) and is_cpf(value) else found
