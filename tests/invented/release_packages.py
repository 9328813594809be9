"""Packages of invented concepts in the very forms in which publishers hand out their terminologies."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

CORE, MODEL, BRAZIL = "900000000000207008", "900000000000012004", "11000999107"
ROOT, ISA = "138875005", "116680003"
FSN, SYNONYM = "900000000000003001", "900000000000013009"
PREFERRED, ACCEPTABLE = "900000000000548007", "900000000000549004"
US, PORTUGUESE = "900000000000509007", "21000999106"
INFERRED, STATED = "900000000000011006", "900000000000010007"
LIST, MAP = "700000999103", "447562003"
HEAD = ("id", "effectiveTime", "active", "moduleId")


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], mark: str = "\t") -> str:
    """A text of rows below their columns."""
    return "".join(f"{mark.join(row)}\r\n" for row in (columns, *rows))


def zipped(path: Path, files: Mapping[str, str], encoding: str = "utf-8") -> Path:
    """A zip of those files."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text.encode(encoding))
    return path


def folder(path: Path, files: Mapping[str, str], encoding: str = "utf-8") -> Path:
    """The same as a folder."""
    for name, text in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(text.encode(encoding))
    return path


# code, English name, Portuguese name, parents
CONCEPTS = (
    (ROOT, "Invented root", "Raiz inventada", ()),
    ("400000991", "Finding of moon", "Achado da lua", (ROOT,)),
    ("400000992", "Bright moon", "Lua clara", ("400000991",)),
    ("400000993", "Very bright moon", "Lua muito clara", ("400000992",)),
    ("400000994", "Dark moon", "Lua escura", ("400000991",)),
    ("400000995", "Twilight moon", "", ("400000992", "400000994")),
    ("400000996", "Procedure on moon", "Observação da lua", (ROOT,)),
    ("400000997", "Crater", "Cratera", (ROOT,)),
    ("400000998", "Site of finding", "Local do achado", (ROOT,)),
)
GONE = "400000999"


def snomed(date: str = "20260301") -> dict[str, str]:
    """An edition in RF2: nine concepts, one more that is inactive, two languages, a list, a map."""
    concepts = [(c, date, "1", CORE, "900000000000074008") for c, *_ in CONCEPTS]
    concepts.append((GONE, date, "0", CORE, "900000000000074008"))
    names, ranks, edges = [], [], []
    for place, (code, english, portuguese, parents) in enumerate((*CONCEPTS, (GONE, "Old moon", "", ()))):
        for offset, language, kind, term, refset in (
            (1, "en", FSN, f"{english} (invented)", US),
            (2, "en", SYNONYM, english, US),
            (3, "pt", SYNONYM, portuguese, PORTUGUESE),
        ):
            if term:
                number = str(5000 + 10 * place + offset)
                names.append((number, date, "1", CORE, code, language, kind, term, "900000000000448009"))
                ranks.append((f"r{number}", date, "1", CORE, refset, number, PREFERRED))
        number = str(5000 + 10 * place + 4)
        names.append((number, date, "0", CORE, code, "en", SYNONYM, "No longer so", "900000000000448009"))
        edges += [
            (f"{code}{n}", date, "1", CORE, code, parent, "0", ISA, INFERRED, "900000000000451002")
            for n, parent in enumerate(parents)
        ]
    edges.append(("77", date, "1", CORE, "400000992", "400000997", "1", "400000998", INFERRED, "900000000000451002"))
    edges.append(("78", date, "1", CORE, "400000992", "400000997", "0", ISA, STATED, "900000000000451002"))
    edges.append(("79", date, "0", CORE, "400000992", "400000997", "0", ISA, INFERRED, "900000000000451002"))
    listed = [(f"m{n}", date, "1", CORE, LIST, code) for n, code in enumerate(("400000993", "400000994"))]
    mapped = [
        ("x1", date, "1", CORE, MAP, "400000992", "1", "1", "IFA 248152002", "IF FEMALE", "R68.1", "447561005", "447637006"),
        ("x2", date, "1", CORE, MAP, "400000992", "1", "2", "OTHERWISE TRUE", "ALWAYS R68.8", "R68.8", "447561005", "447637006"),
        ("x3", date, "1", CORE, MAP, "400000992", "2", "1", "TRUE", "ALWAYS A00.1", "A00.1", "447561005", "447637006"),
        ("x4", date, "1", CORE, MAP, "400000994", "1", "1", "TRUE", "CANNOT BE CLASSIFIED", "", "447561005", "447638001"),
    ]  # fmt: skip
    name = f"SnomedCT_Invented_{date}/Snapshot"
    return {
        f"{name}/Terminology/sct2_Concept_Snapshot_INT_{date}.txt": table(
            (*HEAD, "definitionStatusId"), concepts
        ),
        f"{name}/Terminology/sct2_Description_Snapshot-en_INT_{date}.txt": table(
            (*HEAD, "conceptId", "languageCode", "typeId", "term", "caseSignificanceId"), names
        ),
        f"{name}/Terminology/sct2_Relationship_Snapshot_INT_{date}.txt": table(
            (*HEAD, "sourceId", "destinationId", "relationshipGroup", "typeId", "characteristicTypeId", "modifierId"),
            edges,
        ),
        f"{name}/Refset/Language/der2_cRefset_LanguageSnapshot-en_INT_{date}.txt": table(
            (*HEAD, "refsetId", "referencedComponentId", "acceptabilityId"), ranks
        ),
        f"{name}/Refset/Content/der2_Refset_SimpleSnapshot_INT_{date}.txt": table(
            (*HEAD, "refsetId", "referencedComponentId"), listed
        ),
        f"{name}/Refset/Content/der2_cRefset_AssociationSnapshot_INT_{date}.txt": table(
            (*HEAD, "refsetId", "referencedComponentId", "targetComponentId"), []
        ),
        f"{name}/Refset/Map/der2_iisssccRefset_ExtendedMapSnapshot_INT_{date}.txt": table(
            (*HEAD, "refsetId", "referencedComponentId", "mapGroup", "mapPriority", "mapRule", "mapAdvice", "mapTarget",
             "correlationId", "mapCategoryId"), mapped,
        ),
        f"{name.removesuffix('Snapshot')}Full/Terminology/sct2_Concept_Full_INT_{date}.txt": table(
            (*HEAD, "definitionStatusId"), [("400000991", "20200101", "0", CORE, "900000000000074008")]
        ),
    }  # fmt: skip


def extension(date: str = "20260601") -> dict[str, str]:
    """An extension that rests on the edition: a concept more, one of the edition's is-a taken back, a date later."""
    name = f"SnomedCT_Extension_{date}/Snapshot"
    return {
        f"{name}/Terminology/sct2_Concept_Snapshot_BR_{date}.txt": table(
            (*HEAD, "definitionStatusId"), [("400001000", date, "1", BRAZIL, "900000000000074008")]
        ),
        f"{name}/Terminology/sct2_Description_Snapshot-pt_BR_{date}.txt": table(
            (*HEAD, "conceptId", "languageCode", "typeId", "term", "caseSignificanceId"),
            [("9001", date, "1", BRAZIL, "400001000", "pt", SYNONYM, "Lua de São João", "900000000000448009")],
        ),
        f"{name}/Terminology/sct2_Relationship_Snapshot_BR_{date}.txt": table(
            (*HEAD, "sourceId", "destinationId", "relationshipGroup", "typeId", "characteristicTypeId", "modifierId"),
            [
                ("9002", date, "1", BRAZIL, "400001000", "400000992", "0", ISA, INFERRED, "900000000000451002"),
                ("4000009951", date, "0", BRAZIL, "400000995", "400000994", "0", ISA, INFERRED, "900000000000451002"),
            ],
        ),
        f"{name}/Refset/Metadata/der2_ssRefset_ModuleDependencySnapshot_BR_{date}.txt": table(
            (*HEAD, "refsetId", "referencedComponentId", "sourceEffectiveTime", "targetEffectiveTime"),
            [("d1", date, "1", BRAZIL, "900000000000534007", CORE, date, "20260301")],
        ),
    }


def quoted(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A CSV with everything in quotes."""
    return table([f'"{c}"' for c in columns], ([f'"{v}"' for v in row] for row in rows), ",")


def loinc() -> dict[str, str]:
    """LOINC: three terms, one of them deprecated, parts above them, answers, a panel, Portuguese names."""

    columns = (
        "LOINC_NUM",
        "COMPONENT",
        "PROPERTY",
        "TIME_ASPCT",
        "SYSTEM",
        "SCALE_TYP",
        "METHOD_TYP",
        "CLASS",
        "STATUS",
        "RELATEDNAMES2",
        "SHORTNAME",
        "LONG_COMMON_NAME",
        "DefinitionDescription",
    )
    terms = [
        (
            "99001-1",
            "Moonstuff",
            "MCnc",
            "Pt",
            "Bld",
            "Qn",
            "",
            "CHEM",
            "ACTIVE",
            "Luna; Selen",
            "Moon Bld",
            "Moonstuff [Mass/volume] in Blood",
            "Stuff, \nof the moon",
        ),
        (
            "99002-9",
            "Moonstuff",
            "MCnc",
            "Pt",
            "Urine",
            "Qn",
            "",
            "CHEM",
            "ACTIVE",
            "",
            "Moon Ur",
            "Moonstuff [Mass/volume] in Urine",
            "",
        ),
        (
            "99003-7",
            "Moon panel",
            "-",
            "Pt",
            "Bld",
            "-",
            "",
            "PANEL.CHEM",
            "DEPRECATED",
            "",
            "Moon Pnl",
            "Moon panel - Blood",
            "",
        ),
    ]
    parts = ("PATH_TO_ROOT", "SEQUENCE", "IMMEDIATE_PARENT", "CODE", "CODE_TEXT")
    return {
        "Loinc_9.81/LoincTable/Loinc.csv": quoted(columns, terms),
        "Loinc_9.81/AccessoryFiles/ComponentHierarchyBySystem/ComponentHierarchyBySystem.csv": quoted(parts, [
            ("", "1", "", "LP99999-1", "Moon tests"), ("LP99999-1", "1", "LP99999-1", "99001-1", "Moonstuff Bld"),
            ("LP99999-1", "2", "LP99999-1", "99002-9", "Moonstuff Ur")]),
        "Loinc_9.81/AccessoryFiles/AnswerFile/AnswerList.csv": quoted(
            ("AnswerListId", "AnswerListName", "AnswerStringId", "DisplayText"),
            [("LL9999-1", "Moon phases", "LA99991-1", "Full"), ("LL9999-1", "Moon phases", "LA99992-9", "New")]),
        "Loinc_9.81/AccessoryFiles/AnswerFile/LoincAnswerListLink.csv": quoted(("LoincNumber", "AnswerListId"), [("99001-1", "LL9999-1")]),
        "Loinc_9.81/AccessoryFiles/PanelsAndForms/PanelsAndForms.csv": quoted(("ParentLoinc", "Loinc"), [("99003-7", "99003-7"), ("99003-7", "99001-1")]),
        "Loinc_9.81/AccessoryFiles/LinguisticVariants/ptBR8LinguisticVariant.csv": quoted(
            (*columns[:7], "SHORTNAME", "LONG_COMMON_NAME", "LinguisticVariantDisplayName"),
            [("99001-1", "Substância lunar", "CMass", "Pt", "Sangue", "Qn", "", "", "", "Substância lunar no sangue"),
             ("99002-9", "Substância lunar", "CMass", "Pt", "Urina", "Qn", "", "", "", "")]),
        "Loinc_9.81/AccessoryFiles/GroupFile/Group.csv": quoted(("ParentGroupId", "GroupId"), []),
    }  # fmt: skip


def cid10() -> dict[str, str]:
    """CID-10 as DATASUS writes it: two chapters, nested groups, categories with and without subdivisions."""
    return {
        "CID-10-CAPITULOS.CSV": "NUMCAP;CATINIC;CATFIM;DESCRICAO;DESCRABREV;\r\n1;A00;B99;Capítulo I - Doenças inventadas;I. Inventadas;\r\n21;Z00;Z99;Capítulo XXI - Motivos;XXI. Motivos;\r\n",
        "CID-10-GRUPOS.CSV": "CATINIC;CATFIM;DESCRICAO;DESCRABREV;\r\nA00;A09;Doenças da maré;Maré;\r\nA00;A04;Marés altas;Altas;\r\n",
        "CID-10-CATEGORIAS.CSV": "CAT;CLASSIF;DESCRICAO;DESCRABREV;REFER;EXCLUIDOS;\r\nA00;;Maré;A00 Maré;;;\r\nA05;*;Vazante;A05 Vazante;;;\r\nZ03;;Observação;Z03 Observação;;;\r\n",
        "CID-10-SUBCATEGORIAS.CSV": "SUBCAT;CLASSIF;RESTRSEXO;CAUSAOBITO;DESCRICAO;DESCRABREV;REFER;EXCLUIDOS;\r\nA000;;;;Maré de março;A00.0 Maré março;;;\r\nA001;;F;N;Maré de abril;A00.1 Maré abril;;;\r\nA05;;;;Vazante;A05 Vazante;;;\r\n",
        "CID-O-CATEGORIAS.CSV": "CAT;DESCRICAO;REFER;\r\n8000;Morfologia;;\r\n",
    }


def sigtap() -> dict[str, str]:
    """A table of SIGTAP with its layouts."""

    def layout(*columns: tuple[str, int]) -> str:
        rows, place = ["Coluna,Tamanho,Inicio,Fim,Tipo"], 1
        for name, size in columns:
            rows.append(f"{name},{size},{place},{place + size - 1},VARCHAR2")
            place += size
        return "\r\n".join(rows)

    return {
        "tb_grupo_layout.txt": layout(("CO_GRUPO", 2), ("NO_GRUPO", 20), ("DT_COMPETENCIA", 6)),
        "tb_grupo.txt": "03" + "Ações de maré".ljust(20) + "202606\r\n",
        "tb_sub_grupo_layout.txt": layout(("CO_GRUPO", 2), ("CO_SUB_GRUPO", 2), ("NO_SUB_GRUPO", 20)),
        "tb_sub_grupo.txt": "0301" + "Consultas".ljust(20) + "\r\n",
        "tb_forma_organizacao_layout.txt": layout(("CO_GRUPO", 2), ("CO_SUB_GRUPO", 2), ("CO_FORMA_ORGANIZACAO", 2), ("NO_FORMA_ORGANIZACAO", 20)),
        "tb_forma_organizacao.txt": "030101" + "Consultas de maré".ljust(20) + "\r\n",
        "tb_procedimento_layout.txt": layout(("CO_PROCEDIMENTO", 10), ("NO_PROCEDIMENTO", 30), ("TP_SEXO", 1), ("VL_SA", 10)),
        "tb_procedimento.txt": "0301010999" + "Consulta de maré baixa".ljust(30) + "I" + "0000001000\r\n",
        "tb_cid.txt": "A000\r\n",
    }  # fmt: skip


def cbo() -> dict[str, str]:
    """CBO 2002: a family with two occupations and a synonym."""
    return {
        "CBO2002 - Grande Grupo.csv": "CODIGO;TITULO\r\n2;PROFISSIONAIS DAS MARÉS\r\n",
        "CBO2002 - SubGrupo Principal.csv": "CODIGO;TITULO\r\n22;PROFISSIONAIS DO MAR\r\n",
        "CBO2002 - SubGrupo.csv": "CODIGO;TITULO\r\n225;Observadores\r\n",
        "CBO2002 - Familia.csv": "CODIGO;TITULO\r\n2259;Observadores da lua\r\n",
        "CBO2002 - Ocupacao.csv": "CODIGO;TITULO\r\n225998;Observador diurno\r\n225999;Observador noturno\r\n",
        "CBO2002 - Sinonimo.csv": "OCUPACAO;TITULO\r\n225999;Vigia da lua\r\n",
        "CBO2002 - PerfilOcupacional.csv": "COD_GRANDE_GRUPO;NOME\r\n",
    }
