"""What Brazilian senders write into one field: titles before names, codes with their words, counts with their unit."""

from __future__ import annotations

import pytest

from canonical import codes as systems
from tests.mappings.misplaced.test_hl7_shared_numbers import read

HEAD = "MSH|^~\\&|HIS|HSL|PONTE|HUB|20261106||{kind}|1|P|2.4||||||UNICODE UTF-8\nEVN||20261106\n"
PID = "PID|1||7^^^H^MR||{name}||19520311|M||{race}\n"
VISIT = "PV1|1|I|CM||||{doctor}||||||||||||V1|||||||||||||||||{ending}\n"


def visit(doctor: str = "", ending: str = "", name: str = "Souza^Ana", race: str = "", more: str = "") -> str:
    text = HEAD.format(kind="ADT^A03") + PID.format(name=name, race=race)
    return text + VISIT.format(doctor=doctor, ending=ending) + more


@pytest.mark.parametrize(
    ("sent", "text", "family", "given", "prefix"),
    [
        ("CRM-SP 101202^DRA. COSTA^LENA", "DRA. LENA COSTA", "COSTA", ["LENA"], ["DRA."]),
        ("CRM-SP 101202^SALES^DR. IVAN", "DR. IVAN SALES", "SALES", ["IVAN"], ["DR."]),
        ("CRM-SP 101202^DR.DIAS^MARIO", "DR. MARIO DIAS", "DIAS", ["MARIO"], ["DR."]),
        ("CRM-SP 101202^DR(A). MARIO DIAS", "DR(A). MARIO DIAS", "MARIO DIAS", None, ["DR(A)."]),
        ("CRM-SP 101202^DRAGO^LENA", "LENA DRAGO", "DRAGO", ["LENA"], None),
        ("CRM-SP 101202^COSTA^LENA^^^Profª", "Profª LENA COSTA", "COSTA", ["LENA"], ["Profª"]),
    ],
)
def test_a_title_before_a_name_is_no_part_of_it(
    sent: str, text: str, family: str, given: list[str] | None, prefix: list[str] | None
) -> None:
    bodies, _ = read(visit(doctor=sent))
    (name,) = bodies["Practitioner"][0]["name"]
    assert (name["text"], name["family"], name.get("given"), name.get("prefix")) == (text, family, given, prefix)
    display = bodies["Encounter"][0]["participant"][0]["individual"]["display"]
    assert display == text


def test_a_title_before_a_patients_name() -> None:
    bodies, _ = read(visit(name="DR. CONCEIÇÃO^ÂNGELO MÁRIO"))
    (name,) = bodies["Patient"][0]["name"]
    assert (name["family"], name["given"], name["prefix"]) == ("CONCEIÇÃO", ["ÂNGELO MÁRIO"], ["DR."])
    assert name["text"] == "ÂNGELO MÁRIO CONCEIÇÃO"


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ("4 - PARDA", "03"),
        ("4^PARDA", "03"),
        ("4", "04"),
        ("04-Amarela", "04"),
        ("03^Parda", "03"),
        ("NAO DECLARADA", "99"),
    ],
)
def test_the_words_of_a_race_say_which_it_is(sent: str, code: str) -> None:
    bodies, told = read(visit(race=sent))
    (race,) = [e for e in bodies["Patient"][0]["extension"] if e["url"] == systems.RACE_EXTENSION]
    assert race["valueCodeableConcept"]["coding"][0]["code"] == code and "code.unmapped" not in told


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ("11 - ALTA CURADO", "11"),
        ("12 Alta melhorada", "12"),
        ("1.2 ALTA MELHORADO", "12"),
        ("31^TRANSFERIDA", "31"),
        ("OBITO > 24H", "20"),
    ],
)
def test_the_words_beside_a_code_say_how_a_visit_ended(sent: str, code: str) -> None:
    bodies, _ = read(visit(ending=sent))
    assert bodies["Encounter"][0]["hospitalization"]["dischargeDisposition"]["coding"][0]["code"] == code


@pytest.mark.parametrize(("sent", "status"), [("C - CASADO", "M"), ("2-SOLTEIRO", "S"), ("CASADA", "M")])
def test_a_marital_status_with_its_code(sent: str, status: str) -> None:
    bodies, told = read(HEAD.format(kind="ADT^A31") + f"PID|1||7^^^H^MR||Souza^Ana||1980|F||||||||{sent}\n")
    assert bodies["Patient"][0]["maritalStatus"]["coding"][0]["code"] == status and "code.unmapped" not in told


@pytest.mark.parametrize(
    ("sent", "code", "display", "told"),
    [
        ("J18.9 - PNEUMONIA NÃO ESPECIFICADA^^CID-10", "J189", "PNEUMONIA NÃO ESPECIFICADA", False),
        ("I10 HIPERTENSÃO ESSENCIAL", "I10", "HIPERTENSÃO ESSENCIAL", False),
        ("E11.9^DIABETES^CID10", "E119", "DIABETES", False),
        ("PNEUMONIA^^CID-10", "PNEUMONIA", None, True),
    ],
)
def test_a_cid_with_its_name_in_one_component(sent: str, code: str, display: str | None, told: bool) -> None:
    bodies, codes = read(visit(more=f"DG1|1||{sent}||20261106|F\n"))
    (coding,) = bodies["Condition"][0]["code"]["coding"]
    assert (coding["code"], coding.get("display"), coding["system"]) == (code, display, systems.CID10)
    assert told == ("code.cid10" in codes)


@pytest.mark.parametrize(
    ("sent", "quantity", "amount"),
    [
        ("2 UN", {"value": 2, "unit": "UN"}, 16.8),
        ("1,5cx", {"value": 1.5, "unit": "cx"}, 12.6),
        ("2", {"value": 2}, 16.8),
        ("duas", None, None),
    ],
)
def test_a_charge_counted_with_its_unit(sent: str, quantity: dict[str, object] | None, amount: float | None) -> None:
    charge = f"FT1|1|L4||20261102||CG|00012345^LUVA^19|||{sent}||8.40\n"
    bodies, told = read(HEAD.format(kind="DFT^P03") + PID.format(name="Souza^Ana", race="") + charge)
    item = bodies["ChargeItem"][0]
    counted = {name: value if name == "unit" else float(value) for name, value in item.get("quantity", {}).items()}
    assert counted == (quantity or {}) and ("field.number" in told) == (quantity is None)
    assert (float(item["priceOverride"]["value"]) if "priceOverride" in item else None) == amount


def test_a_cns_as_it_is_printed_is_one_wherever_it_stands() -> None:
    text = HEAD.format(kind="ADT^A31") + "PID|1||7^^^H^MR|700 0000 0000 0005|Souza^Ana\n"
    bodies, _ = read(text)
    assert {"system": systems.CNS, "value": "700000000000005"}.items() <= bodies["Patient"][0]["identifier"][1].items()
    bodies, _ = read(text.replace("700 0000 0000 0005", "700 0000 0000 0006"))
    assert bodies["Patient"][0]["identifier"][1]["system"] != systems.CNS
