"""A code that its table does not know never vanishes in silence: it is told, and what stands beside it is kept."""

from __future__ import annotations

from collections import Counter

import pytest

from hl7 import er7
from hl7.er7 import Message
from hl7.versions.table import version_named
from mappings.reading.engine import translate
from tests.mappings.accounted.test_hl7_every_part import Audit, audited, filled, parts_of, put, told

HEAD = "MSH|^~\\&|HIS|HOSP|PONTE|HUB|20261122090000||{kind}|c1|P|2.5.1||||||UNICODE UTF-8\r"
PID = "PID|1||31^^^HOSP^MR||Souza^Ana^^^^^{name}||||||Rua A 1^^Recife^PE^50000-000^BRA^{address}||33334444^{use}^{device}\r"
UNKNOWN = "ZZQW"
PERSON_TYPE = "0203"  # XCN-13: the authority tells the number's system, the type only where it names a register


def mapped(kind: str, rest: str) -> tuple[list[dict[str, object]], set[tuple[str, str]]]:
    message = er7.read((HEAD.format(kind=kind) + rest).encode())
    assert isinstance(message, Message)
    translation = translate(message, zone="America/Sao_Paulo")
    bodies = [{"resourceType": draft.type, **draft.initial, **draft.body} for draft in translation.drafts]
    return bodies, {(p.code, p.where) for p in translation.problems}


def patient(**codes: str) -> tuple[dict[str, list[dict[str, object]]], set[tuple[str, str]]]:
    known = {"name": "L", "address": "H", "use": "PRN", "device": "PH", **codes}
    bodies, problems = mapped("ADT^A31", PID.format(**known))
    return bodies[0], problems  # type: ignore[return-value]


def test_an_address_a_telephone_and_a_name_of_an_unknown_kind_are_kept_and_told() -> None:
    body, problems = patient(name="QX", address="QX", use="QX")
    assert body["address"][0]["city"] == "Recife" and "use" not in body["address"][0]
    assert body["telecom"][0]["value"] == "33334444"
    assert body["name"][0]["family"] == "Souza" and "use" not in body["name"][0]
    assert problems == {("code.unmapped", f"PID#2-{place}") for place in ("5.7", "11.7", "13.2")}
    body, problems = patient(device="QX")
    assert body["telecom"] == [{"system": "phone", "value": "33334444", "use": "home"}]
    assert problems == {("code.unmapped", "PID#2-13.3")}


def test_codes_the_tables_know_are_not_told_in_any_case_of_letters() -> None:
    body, problems = patient(name="l", address="h", use="prn", device="cp")
    assert body["address"][0]["use"] == "home" and body["telecom"][0]["use"] == "mobile"
    assert not problems


ORDER = "PID|1||31^^^HOSP^MR\rORC|NW|P1\rOBR|1|P1||X^Exame^L{rest}\r"
VISIT = "PID|1||31^^^HOSP^MR\rPV1|1|I|||||||||||||||||V1^^^HOSP\r"


@pytest.mark.parametrize(
    ("kind", "rest", "where"),
    [
        ("ORM^O01", ORDER.format(rest="|||||||Q"), "OBR#4-11"),
        ("ADT^A01", VISIT + "DG1|1||I10^Hipertensão^I10|||A|||||||||alta\r", "DG1#4-15"),
        ("ADT^A01", VISIT + "ACC|||||Q\r", "ACC#4-5"),
        ("ADT^A01", VISIT + "ROL|1|QQ|AT|77^Lima^Rui^^^^^^CRM-SP\r", "ROL#4-2.1"),
        ("VXU^V04", "PID|1||31^^^HOSP^MR\rORC|RE||I1\rRXA|0|1|20260101||1^BCG^L|1" + "|" * 14 + "CP|Q\r", "RXA#4-21.1"),
    ],
)
def test_an_unknown_code_of_a_field_is_told(kind: str, rest: str, where: str) -> None:
    _, problems = mapped(kind, rest)
    assert where in {place for code, place in problems if code in ("code.unmapped", "field.number")}, problems


def test_a_role_that_ends_beside_a_procedure_is_no_performer() -> None:
    procedure = VISIT + "PR1|1||X^Sutura^L||20261122\r"
    made = [mapped("ADT^A01", procedure + f"ROL|1|{act}|PP|77^Lima^Rui^^^^^^CRM-SP\r")[0] for act in ("AD", "DE")]
    first, second = (next(body for body in bodies if body["resourceType"] == "Procedure") for bodies in made)
    assert "performer" in first and "performer" not in second


def silent(audit: Audit, kind: str, place: str) -> list[tuple[int, int]]:
    """The parts with a table of the standard whose unknown code neither stays nor is told."""
    version = version_named("2.5.1")
    assert version is not None
    lines, at, number = audit._lines, audit._at, audit._number
    raw, found = lines[at].split("|")[number], []
    for part, item in parts_of(kind, version):
        if item.type != "ID" or item.table in ("", PERSON_TYPE):
            continue
        if audit.says(put(raw, part, filled(item, place, 1))) == audit.says(put(raw, part, "")):
            continue
        fields = lines[at].split("|")
        fields[number] = put(raw, part, UNKNOWN)
        says = told([*lines[:at], "|".join(fields), *lines[at + 1 :]])[1]
        found += [part] if UNKNOWN.lower() not in says.lower() else []
    return found


@pytest.mark.parametrize("kind", ["ADT^A01", "ORM^O01", "MFN^M02"])
def test_no_part_of_a_common_message_loses_a_code(kind: str) -> None:
    version = version_named("2.5.1")
    assert version is not None
    lost, tried = {}, 0
    for place, item_type, audit in audited(kind, version, Counter()):
        tried += 1
        if found := silent(audit, item_type, place):
            lost[place] = found
    assert lost == {} and tried > 20


def test_the_moment_of_an_authentication_is_no_code() -> None:
    rest = PID.format(name="L", address="H", use="PRN", device="PH")
    rest += "TXA|1|CN|TX|20261122||||||||D1^HIS|||||AU||||" + "|77^Lima^Rui" + "^" * 12 + "20261122100000\r"
    _, problems = mapped("MDM^T02", rest + "OBX|1|TX|X^Nota^L||Nota||||||F\r")
    assert not {where for code, where in problems if code == "code.unmapped"}
