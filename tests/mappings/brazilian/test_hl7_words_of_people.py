"""Words, letters and places of people and materials as Brazilian systems send them: what each becomes, and what is told."""

from __future__ import annotations

from typing import Any

import pytest

from canonical.codes import V2
from hl7 import er7
from hl7.er7 import Message
from mappings.convert.addresses import CITY_SYSTEM
from mappings.reading.engine import translate


def told(kind: str, lines: list[str], pid: dict[int, str] | None = None) -> tuple[dict[str, Any], list[str]]:
    """The first record of each type, and the codes of what was found."""
    fields = {1: "1", 3: "5001^^^HOSP^PI", 5: "ROCHA^DIEGO", 7: "19850503", 8: "M", **(pid or {})}
    whole = "PID|" + "|".join(fields.get(n, "") for n in range(1, max(fields) + 1))
    head = f"MSH|^~\\&|HIS|HOSP|PONTE|HUB|20261127090000||{kind}|T1|P|2.5||||||UNICODE UTF-8"
    message = er7.read("\r".join((head, whole, *lines, "")).encode())
    assert isinstance(message, Message)
    made = translate(message, zone="America/Sao_Paulo")
    found: dict[str, Any] = {}
    for draft in made.drafts:
        found.setdefault(draft.type, {**draft.initial, **draft.body})
    return found, [problem.code for problem in made.problems]


def person(field: int, sent: str) -> tuple[dict[str, Any], list[str]]:
    records, codes = told("ADT^A28", [], {field: sent})
    return records["Patient"], codes


@pytest.mark.parametrize(
    ("sent", "city", "state", "code"),
    [
        ("RUA A^10^SAO PAULO/SP^^01310100", "SAO PAULO", "SP", ""),
        ("RUA A^10^SAO PAULO - SP^SP^01310100", "SAO PAULO", "SP", ""),
        ("RUA A^10^EMBU-GUACU^SP^06900000", "EMBU-GUACU", "SP", ""),
        ("RUA A^10^PASSA-SE^MG^06900000", "PASSA-SE", "MG", ""),  # another state is said
        ("RUA A^10^3550308^SP^01310100", None, "SP", "3550308"),
        ("RUA A^10^3550309^SP^01310100", "3550309", "SP", ""),  # another check digit
        ("RUA A^10^3550308^^01310100^PRY", "3550308", None, ""),  # another country
    ],
)
def test_a_city_with_its_state_or_by_its_code(sent: str, city: str | None, state: str | None, code: str) -> None:
    (address,) = person(11, sent)[0]["address"]
    assert (address.get("city"), address.get("state")) == (city, state)
    coded = address.get("_city", {}).get("extension", [])
    assert [e["valueCoding"] for e in coded] == ([{"system": CITY_SYSTEM, "code": code}] if code else [])


def test_where_somebody_was_born_has_its_state() -> None:
    (extension,) = person(23, "RECIFE^PE")[0]["extension"]
    assert extension["valueAddress"] == {"city": "RECIFE", "state": "PE", "text": "RECIFE/PE"}


@pytest.mark.parametrize(
    ("sent", "code", "finding"),
    [("V", "W", ""), ("C", "C", "code.two-meanings"), ("C^CASADO", "M", ""), ("C^Common law", "C", "")],
)
def test_letters_of_marital_status(sent: str, code: str, finding: str) -> None:
    record, codes = person(16, sent)
    coding = record["maritalStatus"]["coding"][0]
    assert coding["code"] == code and ("system" in coding) == (not finding)
    assert codes == ([finding] if finding else [])


def test_the_number_of_brazil_in_cadsus_is_no_antarctica() -> None:
    record, codes = person(28, "010")
    assert record["extension"][0]["extension"][0]["valueCodeableConcept"]["coding"] == [{"code": "010"}]
    assert codes == ["code.two-meanings"]


@pytest.mark.parametrize(("sent", "dead"), [("OBITO", True), ("Falecida", True), ("VIVO", False), ("S", True)])
def test_death_in_words(sent: str, dead: bool) -> None:
    record, codes = person(30, sent)
    assert record["deceasedBoolean"] is dead and not codes


@pytest.mark.parametrize(
    ("sent", "use"),
    [("1199^PRN^CELL", "mobile"), ("1199^CELULAR", "mobile"), ("1133^COMERCIAL^FIXO", "work"), ("1133^RES", "home")],
)
def test_kinds_of_telephones_in_words(sent: str, use: str) -> None:
    record, codes = person(13, sent)
    assert [(t["system"], t["use"]) for t in record["telecom"]] == [("phone", use)] and not codes


@pytest.mark.parametrize(
    ("sent", "code"),
    [("TIO", "UNCLE"), ("Sogra", "MTHINLAW"), ("PRIMO", "COUSN"), ("VIZINHA", "NBOR"), ("TUTOR LEGAL", "GRD")],
)
def test_relatives_in_words(sent: str, code: str) -> None:
    records, _ = told("ADT^A28", [f"NK1|1|LIMA^ANA|{sent}"])
    assert records["Patient"]["contact"][0]["relationship"][0]["coding"][0]["code"] == code


@pytest.mark.parametrize(("sent", "code"), [("SADT", "AMB"), ("DAY CLINIC", "AMB"), ("OBSERVACAO", "OBSENC")])
def test_classes_of_visits_in_words(sent: str, code: str) -> None:
    records, codes = told("ADT^A04", [f"PV1|1|{sent}|||||||||||||||||V1"])
    assert records["Encounter"]["class"]["code"] == code and not codes


@pytest.mark.parametrize(
    ("line", "codings", "told_of"),
    [
        ("OBR|1|9||GLI^GLICOSE|||||||||||SORO", ["SORO", f"{V2}0487|SER"], []),
        ("OBR|1|9||GLI^GLICOSE|||||||||||S&Líquor", ["S", f"{V2}0487|CSF"], []),
        ("OBR|1|9||GLI^GLICOSE\rSPM|1|A1||URINA 24 HORAS", ["URINA 24 HORAS", f"{V2}0487|UR"], []),
        ("OBR|1|9||GLI^GLICOSE\rSPM|1|A1||SER^SANGUE", [f"{V2}0487|SER"], []),  # a code of the table is what it is
        ("OBR|1|9||GLI^GLICOSE\rSPM|1|A1||77^SORO^99LAB", ["urn:ponte:codes:99lab|77"], []),
        ("OBR|1|9||GLI^GLICOSE\rSPM|1|A1||CALCULO RENAL", ["CALCULO RENAL"], ["code.own"]),
    ],
)
def test_materials_in_words(line: str, codings: list[str], told_of: list[str]) -> None:
    records, codes = told("OML^O21", ["ORC|NW|9", *line.split("\r")])
    found = records["Specimen"]["type"]["coding"]
    assert [f"{c['system']}|{c['code']}" if "system" in c else c["code"] for c in found] == codings
    assert codes == told_of
