"""A coded field claims an HL7 table only for codes which that table holds."""

from __future__ import annotations

from typing import Any

import pytest

from hl7 import er7
from hl7.er7 import Message
from mappings.convert.published import coding_of, holds, placed
from mappings.reading.engine import translate
from mappings.tables.table import HERE, codes, table

TABLES = [path.stem for path in (HERE / "hl7").glob("*.csv") if path.stem != "ignored"]
HEAD = "MSH|^~\\&|LIS|LAB|B|C|20261122||OUL^R22^OUL_R22|1|P|2.5.1\r"
V2 = "http://terminology.hl7.org/CodeSystem/v2-"
SNOMED = "http://snomed.info/sct"


@pytest.mark.parametrize(
    ("name", "code", "default", "expected"),
    [
        ("", "SER", "HL70487", (V2 + "0487", "SER")),
        ("", "ser", "HL70487", (V2 + "0487", "SER")),
        ("", "normal", "HL70277", (V2 + "0277", "Normal")),
        ("", "SANGUE", "HL70487", ("", "SANGUE")),
        ("HL70487", "SANGUE", "HL70487", ("urn:ponte:codes:hl70487", "SANGUE")),
        ("HL70487", "SER", "HL70070", (V2 + "0487", "SER")),
        ("L", "SER", "HL70487", ("urn:ponte:codes:l", "SER")),
        ("", "Q6H", "HL70335", (V2 + "0335", "Q6H")),
        ("", "Q1J135", "HL70335", (V2 + "0335", "Q1J135")),
        ("", "DE 6/6H", "HL70335", ("", "DE 6/6H")),
        ("", "CATOLICA", "HL70006", (V2 + "0006", "CATOLICA")),  # R4 publishes no codes of that table
        ("", "1", "", ("", "1")),
        ("LN", "2345-7", "", ("http://loinc.org", "2345-7")),
        ("LN", "LA6576-8", "", ("http://loinc.org", "LA6576-8")),
        ("LN", "GLI", "", ("urn:ponte:codes:ln", "GLI")),
        ("MDC", "147842", "", ("urn:iso:std:iso:11073:10101", "147842")),
        ("SCT", "112283007", "", (SNOMED, "112283007")),
        ("SCT", "71388002:260686004=129304002", "", (SNOMED, "71388002:260686004=129304002")),
        ("SNM", "Escherichia coli", "", ("urn:ponte:codes:snm", "Escherichia coli")),
        ("SNM", "L-15602", "", ("urn:ponte:codes:snm", "L-15602")),
        ("SCT", "1234", "", ("urn:ponte:codes:sct", "1234")),
    ],
)
def test_where_a_code_belongs(name: str, code: str, default: str, expected: tuple[str, str]) -> None:
    assert placed(name, code, default) == expected


def test_a_code_that_stands_for_nothing_is_no_pattern() -> None:
    assert holds(V2 + "0356", "anything") is False and holds("http://www.whocc.no/atc", "1") is None
    assert coding_of("0487", " SER ", "Serum") == {"system": V2 + "0487", "code": "SER", "display": "Serum"}


def specimen(spm: str) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    message = er7.read((HEAD + spm).encode())
    assert isinstance(message, Message)
    translation = translate(message, zone="America/Sao_Paulo")
    (body,) = (draft.body for draft in translation.drafts if draft.type == "Specimen")
    return body, [(p.code, p.where) for p in translation.problems if p.code == "code.own"]


def test_a_material_of_the_laboratory_stays_its_own_and_is_told() -> None:
    body, told = specimen("SPM|1|A1&LIS||SANGUINEO|||VEN^veia")
    assert body["type"] == {"coding": [{"code": "SANGUINEO"}]} and sorted(told) == [
        ("code.own", "SPM#2-4"),
        ("code.own", "SPM#2-7"),
    ]
    assert body["collection"]["method"] == {"coding": [{"code": "VEN", "display": "veia"}], "text": "veia"}


def test_a_claim_that_cannot_hold_is_told_but_for_tables_of_the_house() -> None:
    body, told = specimen("SPM|1|A1&LIS||GLI^Glicose^LN|||CVP^swab^HL70488|||||||||||||||||FRIO^frio^HL70493")
    assert body["type"]["coding"][0]["system"] == "urn:ponte:codes:ln" and told == [("code.own", "SPM#2-4")]
    assert body["condition"][0]["coding"][0]["system"] == "urn:ponte:codes:hl70493"


def test_a_material_of_the_table_is_of_the_table() -> None:
    body, told = specimen("SPM|1|A1&LIS||ser^soro")
    assert body["type"]["coding"] == [{"code": "SER", "system": V2 + "0487", "display": "soro"}] and told == []


def test_every_table_of_a_row_is_told_hl7s_or_the_houses() -> None:
    named = {row.argument for name in TABLES for row in table(f"hl7/{name}") if row.argument.startswith("HL7")}
    decided = codes("hl7-defined")
    assert {argument[3:] for argument in named} <= set(decided) and set(decided.values()) == {"hl7", "user"}
