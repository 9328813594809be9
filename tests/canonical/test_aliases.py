"""One register or code list under the names of BR Core, of RNDS (documents and read side) and of ANS."""

from __future__ import annotations

import pytest

from canonical import codes

DOCUMENTS, READ = "http://www.saude.gov.br/fhir/r4", "http://rnds.saude.gov.br/fhir/r4"
SID, TERMS = "https://saude.gov.br/fhir/sid", "https://terminologia.saude.gov.br/fhir/CodeSystem"
FAMILIES = {
    "CPF": (f"{SID}/cpf", f"{READ}/NamingSystem/cpf"),
    "CNS": (f"{SID}/cns", f"{READ}/NamingSystem/cns", f"{DOCUMENTS}/StructureDefinition/BRIndividuo-1.0", f"{DOCUMENTS}/StructureDefinition/BRProfissional-1.0"),
    "CNES": (f"{SID}/cnes", f"{READ}/NamingSystem/cnes", f"{DOCUMENTS}/StructureDefinition/BREstabelecimentoSaude-1.0"),
    "CNPJ": (f"{SID}/cnpj", f"{DOCUMENTS}/StructureDefinition/BRPessoaJuridicaProfissionalLiberal-1.0"),
    "CBO": (f"{TERMS}/BRCBO", f"{READ}/CodeSystem/rnds-cbo-1.0", f"{DOCUMENTS}/CodeSystem/BRCBO", f"{codes.TUSS}24"),
    "CID-10": ("http://hl7.org/fhir/sid/icd-10", f"{TERMS}/BRCID10", f"{DOCUMENTS}/CodeSystem/BRCID10"),
    "LOINC": ("http://loinc.org", "https://loinc.org/", f"{DOCUMENTS}/CodeSystem/BRNomeExameLOINC"),
    "TUSS": (f"{codes.TUSS}22", f"{DOCUMENTS}/CodeSystem/BRCBHPMTUSS"),
    **{
        name: (f"{TERMS}/{name}", f"{DOCUMENTS}/CodeSystem/{name}")
        for name in ("BRCIAP2", "BRTabelaSUS", "BRRacaCor", "BRImunobiologico", "BREstrategiaVacinacao", "BRDose", "BRFabricantePNI",
                     "BRMedicamento", "BRObmCATMAT", "BRAlergenosCBARA", "BRModalidadeAssistencial", "BRCaraterAtendimento", "BRProcedencia",
                     "BRMotivoDesfecho", "BRFinanciamento", "BRDivisaoGeograficaBrasil")
    },
}  # fmt: skip


@pytest.mark.parametrize("name", FAMILIES)
def test_every_name_leads_to_all(name: str) -> None:
    wanted = set(FAMILIES[name])
    assert all(wanted <= codes.aliases(system) for system in wanted)


def test_no_name_is_of_two_families() -> None:
    names = [name for family in codes.ALIASES for name in family]
    assert len(names) == len(set(names)) and codes.aliases("urn:x") == {"urn:x"}


def test_a_person_of_a_document_is_called_by_cns_or_cpf() -> None:
    cpf, cns = "52998224725", "700501971318558"
    assert codes.names(codes.CPF, cpf) == codes.names(codes.PERSON, cpf) == codes.aliases(codes.CPF) | {codes.PERSON}
    assert codes.names(codes.PERSON, cns) == codes.names(codes.CNS, cns) == codes.aliases(codes.CNS)
    assert codes.names(codes.CPF, "52998224724") == codes.aliases(codes.CPF)
    assert codes.names("urn:other", cpf) == {"urn:other"}
