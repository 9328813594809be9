"""Segments a separator too many or too few are read in their place where that is the only way; it is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from hl7 import er7
from hl7.er7 import Message
from mappings.reading.aligned import aligned
from mappings.reading.engine import translate
from mappings.reading.trace import fields
from mappings.tables.site import Site

HEAD = "MSH|^~\\&|A|B|C|D|20261122||ADT^A01|1|P|2.5.1\r"
PID = "PID|1||77^^^H^MR||Lima^Rui||19800301|M|||Rua A^^Porto Alegre^RS^90000"
PV1 = "PV1|1|I|UTI^101^A|U|||55^Melo^Ana|||||||||||OP|V100" + "|" * 25 + "20261122080000"
IN1 = "IN1|1|PLANO|326305|AMIL||||G77|||Metal SA|20260101|20261231||PPO|Lima^Rui|SEL|19800301|Rua A^^Porto Alegre^RS"
OBX = "OBX|1|NM|HGB^Hemoglobina^L|A|13.2|g/dL|12.0-16.0|N|||F|||20261122080000|LAB"
WORDS = "OBX|2|TX|OBS^Observação^L||Sem particularidades ao exame||||||F"
OBR = "OBR|1|P1|F1|HEM^Hemograma^TUSS|||20261122070000|||||||||41^Reis^Nora||||||20261122080000||LAB|F"
ORC = "ORC|RE|P1|F1||CM||||20261122080000|9^Luz^Ida||41^Reis^Nora|UTI"
FT1 = "FT1|1|T1||20261122|20261122|CG|10101012^Consulta^TUSS|||1|61.50|61.50||||UTI||||41^Reis^Nora"
SCH = "SCH|A1|A2|||||||30|min|^^^20261201090000^20261201093000|||||41^Reis^Nora|||||||||Booked"
RXE = (
    "RXE||1234^Dipirona^L|500||mg^miligrama^UCUM|CP^Comprimido^L|^Tomar com água|||20|CP^Comprimido^L|1|41^Reis^Nora"
    "|52^Paz^Lia|R100|1|||||||||500|mg^miligrama^UCUM"
)
RXO = "RXO|1234^Dipirona^L|500||mg^miligrama^UCUM|CP||^Tomar com água|||1234^Dipirona^L|20|CP|1|41^Reis^Nora||||500|mg"
RXD = "RXD|1|1234^Dipirona^L|20261122090000|20|CP^Comprimido^L||R100|1||52^Paz^Lia||||||||LT77|20271231|FAB^Fábrica"
RXA = (
    "RXA|0|1|20261122090000|20261122090000|03^MMR^CVX|0.5|mL^mL^UCUM||00^Aplicada^NIP001|52^Paz^Lia|SALA1||||LT77"
    "|20271231|FAB^Fábrica|||CP|A|20261122091000"
)
SPM = "SPM|1|S1&H^S2&L||SER^Soro^L|||VEN|BR|||P|5^mL|1||||20261122070000|20261122080000|20261222080000|Y"
TXA = (
    "TXA|1|DS|TX|20261122080000|41^Reis^Nora|20261122081000|20261122082000||41^Reis^Nora|52^Paz^Lia||D100^H||||laudo.pdf"
    "|AU|U|AV"
)
AL1 = "AL1|1|DA^Drug^HL70127|PEN^Penicilina^L|SV^Severe^HL70128|Urticária|20200101"
NK1 = (
    "NK1|1|Lima^Ana|MTH^Mãe^HL70063|Rua B 20^^Porto Alegre^RS^90000-000|^PRN^PH^^55^51^999998888|^WPN^PH^^55^51^33332222"
    "|C^Emergência^HL70131|20200101|||||||F|19550505"
)
DG1 = "DG1|1|I10|J18.9^Pneumonia^I10|Pneumonia adquirida|20261122080000|A|||||||||1|41^Reis^Nora"
PR1 = (
    "PR1|1||31009166^Colecistectomia^TUSS|Colecistectomia|20261122090000|D|90|52^Paz^Lia|G|90|41^Reis^Nora|41^Reis^Nora"
)
AIS = "AIS|1|A|CONS^Consulta^L|20261201090000|||30|min||Booked"
AIG = "AIG|1|A|ECO02^Ecocardiógrafo^L|EQ^Equipamento^L||||20261201090000|||30|min||Booked"
AIL = "AIL|1|A|AMB^10^A|C^Consultório^L||20261201090000|||30|min||Booked"
AIP = "AIP|1|A|41^Reis^Nora|D^Médico^L||20261201090000|||30|min||Booked"
RF1 = "RF1|A|R|MED|RP|I|R100^H|20261122|20261222|20261120|S|R900"
AUT = "AUT||||20261122|20261222|A77|1000|10|8|20261121"
SPAN = "IN1|1|PLANO|326305|AMIL||||||||20260101|20261231"
ENDED = PV1 + "|20261123090000"
RANGE = "OBR|1|P1|F1|GLI^Glicose^LN^80^Glicemia^TUSS|R|20261122|20261122|||77^Sa^Bia|L||jejum|20261122|SER&Soro&HL70070"


def read(*lines: str) -> Message:
    message = er7.read((HEAD + "\r".join(lines) + "\r").encode())
    assert isinstance(message, Message)
    return message


def doubled(line: str, at: int) -> str:
    """The line with one separator more before field `at`."""
    parts = line.split("|")
    return "|".join([*parts[:at], "", *parts[at:]])


def lost(line: str, at: int) -> str:
    """The line without its empty field `at`."""
    parts = line.split("|")
    assert not parts[at]
    return "|".join([*parts[:at], *parts[at + 1 :]])


@pytest.mark.parametrize(
    ("whole", "sent", "first"),
    [
        (PID, doubled(PID, 7), 7),
        (PID, doubled(PID, 6), 7),
        (PID, lost(PID, 6), 6),
        (PV1, doubled(PV1, 2), 2),
        (PV1, doubled(PV1, 3), 3),
        (IN1, doubled(IN1, 12), 12),
        (IN1, doubled(IN1, 17), 17),
        (IN1, lost(IN1, 14), 14),
        (OBX, doubled(OBX, 5), 5),
        (OBX.replace("|A|", "||"), lost(OBX.replace("|A|", "||"), 4), 4),
        (WORDS, lost(WORDS, 4), 4),
        (OBR, doubled(OBR, 16), 16),
        (OBR, lost(OBR, 20), 21),
        (ORC, doubled(ORC, 9), 9),
        (ORC, lost(ORC, 8), 8),
        (FT1, doubled(FT1, 5), 5),
        (FT1, lost(FT1, 9), 9),
        (SCH, doubled(SCH, 9), 9),
        (SCH, lost(SCH, 8), 8),
        (RXE, lost(RXE, 4), 4),
        (RXO, lost(RXO, 3), 3),
        (RXD, doubled(RXD, 3), 3),
        (RXA, doubled(RXA, 5), 5),
        (TXA, doubled(TXA, 4), 4),
        (TXA, lost(TXA, 8), 8),
        (AL1, doubled(AL1, 4), 4),
        (NK1, doubled(NK1, 3), 3),
        (NK1, doubled(NK1, 2), 2),
        (DG1, doubled(DG1, 4), 4),
        (DG1, doubled(DG1, 5), 5),
        (DG1, doubled(DG1, 6), 6),
        (PR1, doubled(PR1, 8), 8),
        (AIS, doubled(AIS, 4), 4),
        (AIG, doubled(AIG, 8), 8),
        (AIL, doubled(AIL, 6), 6),
        (AIP, doubled(AIP, 6), 6),
        (SPAN, doubled(SPAN, 12), 12),
        (SPAN, lost(SPAN, 11), 11),
        (RF1, doubled(RF1, 1), 1),
        (RF1, doubled(RF1, 7), 7),
        (RF1.replace("R100^H", ""), lost(RF1.replace("R100^H", ""), 6), 6),
        (AUT, doubled(AUT, 4), 4),
        (AUT, lost(AUT, 3), 3),
    ],
)
def test_a_segment_one_field_off_is_read_in_its_place(whole: str, sent: str, first: int) -> None:
    message, told = aligned(read(sent))
    assert message.segments[1].raw.rstrip("|") == whole
    assert told[0].code == "structure.shifted" and told[0].where == f"{whole[:3]}#2-{first}"
    assert not aligned(read(whole))[1]


@pytest.mark.parametrize(
    ("whole", "sent"),
    [
        (IN1, doubled(doubled(IN1, 12), 12)),
        (OBR, doubled(doubled(OBR, 16), 16)),
        (OBR, lost(lost(OBR, 17), 17)),
        (ORC, doubled(doubled(ORC, 9), 9)),
        (ENDED, lost(lost(ENDED, 40), 40)),
    ],
)
def test_a_segment_two_fields_off_is_read_in_its_place(whole: str, sent: str) -> None:
    message, told = aligned(read(sent))
    assert [p.code for p in told][:1] == ["structure.shifted"]
    assert message.segments[1].raw.rstrip("|") == whole


@pytest.mark.parametrize(
    ("sent", "first", "found"),
    [
        (  # a service, who admitted, the class of the visit and the admission, each a field late
            "PV1|1|I|UTI^101^A||||D41^Reis^Nora||||MED||||1|||D41^Reis^Nora|IN||SI" + "|" * 24 + "20261122080000",
            10,
            {
                7: "D41^Reis^Nora",
                10: "MED",
                11: "",
                14: "1",
                17: "D41^Reis^Nora",
                18: "IN",
                19: "",
                44: "20261122080000",
            },
        ),
        (  # the physician in capitals where the place before was, the service and the number of the visit early
            "PV1|1|I|UTI^101^A|||D41^REIS^NORA^M|||SUR|||||||||V100200",
            6,
            {6: "", 7: "D41^REIS^NORA^M", 10: "SUR", 19: "V100200"},
        ),
    ],
)
def test_a_visit_whose_services_and_people_stand_beside_their_fields(
    sent: str, first: int, found: dict[int, str]
) -> None:
    message, told = aligned(read(sent))
    assert [(p.code, p.where) for p in told] == [("structure.shifted", f"PV1#2-{first}")]
    assert {n: message.segments[1].raw_field(n) for n in found} == found


@pytest.mark.parametrize(
    ("sent", "told", "found"),
    [
        (  # a field early from the physician on, and two from the house on
            "PV1|1|I|UTI^101^A|||41^Reis^Nora|||SUR||||2|||41^Reis^Nora|INP|V1|||||||||||||||||||H||REG|||20261122080000",
            [("structure.shifted", 6), ("structure.shifted", 37)],
            {
                7: "41^Reis^Nora",
                10: "SUR",
                14: "2",
                17: "41^Reis^Nora",
                18: "INP",
                19: "V1",
                39: "H",
                44: "20261122080000",
            },
        ),
        (  # a field early from the service to who pays; what follows the empty fields is where it was sent, or told there
            "PV1|1|I|UTI^101^A||||41^Reis^Nora||CAR||||7|||41^Reis^Nora|IN||GMS|||||||||||||||01^Alta|||||||H|||||20261122080000",
            [("structure.shifted-run", 9)],
            {
                7: "41^Reis^Nora",
                9: "",
                10: "CAR",
                14: "7",
                17: "41^Reis^Nora",
                18: "IN",
                19: "",
                20: "GMS",
                34: "01^Alta",
            },
        ),
        (  # a field late from the dates to the address; the number of the policy stands in its place
            "IN1|1|PLANO|326305|AMIL||||G77|||Metal SA||20260101|20261231||PPO|Lima^Rui|SEL|19800301|Rua A^^Porto Alegre^RS"
            "||||||||||||||||887766554433",
            [("structure.shifted-run", 13)],
            {
                11: "Metal SA",
                12: "20260101",
                13: "20261231",
                16: "Lima^Rui",
                17: "SEL",
                18: "19800301",
                36: "887766554433",
            },
        ),
        (  # length, unit and time a field early, the contact in its place
            "SCH|A1|A2||||ROTINA|CONS^Consulta^L|30|MIN|^^^20261201090000^20261201093000||||||41^Reis^Nora",
            [("structure.shifted-run", 8)],
            {7: "CONS^Consulta^L", 9: "30", 10: "MIN", 11: "^^^20261201090000^20261201093000", 16: "41^Reis^Nora"},
        ),
    ],
)
def test_a_run_of_fields_one_off_is_read_in_its_place(
    sent: str, told: list[tuple[str, int]], found: dict[int, str]
) -> None:
    message, problems = aligned(read(sent))
    assert [(p.code, p.where) for p in problems] == [(code, f"{sent[:3]}#2-{first}") for code, first in told]
    assert {n: message.segments[1].raw_field(n) for n in found} == found


def test_a_language_by_its_table_is_no_marital_status_and_an_account_no_social_number() -> None:
    rest = "|||||||PT^Português^HL70296|C^Casado^HL70002||CONTA-00077"
    message, told = aligned(read(PID.replace("|M|||Rua A^^Porto Alegre^RS^90000", "|M|" + rest)))
    found = message.segments[1]
    assert [found.raw_field(n) for n in range(15, 20)] == [
        "PT^Português^HL70296",
        "C^Casado^HL70002",
        "",
        "CONTA-00077",
        "",
    ]
    assert told[0].code == "structure.shifted"
    whole = (
        PID.replace("|M|||Rua A", "|M||B^Branca^HL70005|Rua A")
        + "||||PT^Português^HL70296|C^Casado^HL70002||77|8234567WA"
    )
    assert not aligned(read(whole))[1]


def test_what_would_come_to_a_field_of_which_nothing_is_known_stays() -> None:
    sent = "IN1|1|PLANO|326305|AMIL||||G77||||20260101||||Lima^Rui|1|1|NASC|RUA A" + "|" * 24 + "F"
    message, told = aligned(read(sent))
    assert message.segments[1].raw == sent and not told


@pytest.mark.parametrize("place", ["3N^QUARTO^LEITO", "UTI1^SALA^LEITO", "AMB", "MED"])
def test_a_place_before_in_words_moves_nothing_alone(place: str) -> None:
    for field in (6, 11):
        sent = PV1.split("|")
        sent[field] = place
        assert not aligned(read("|".join(sent)))[1]


def test_what_need_not_be_moved_is_not_and_the_doubt_is_told() -> None:
    """The contract may stand where it belongs or not; the dates, the name and the relationship do not."""
    sent = doubled(IN1.replace("Metal SA", ""), 5)
    message, told = aligned(read(sent))
    assert [(p.code, p.where) for p in told] == [
        ("structure.shifted", "IN1#2-12"),
        ("structure.shifted-partly", "IN1#2-8"),
    ]
    assert [message.segments[1].raw_field(n) for n in (8, 9, 12, 17)] == ["", "G77", "20260101", "SEL"]


@pytest.mark.parametrize(
    "sent",
    [
        PV1.replace("|I|UTI^101^A|", "||I|"),  # one field that cannot be: no shift explains it
        IN1.replace("|20260101|20261231|", "|INDETERMINADO|INDETERMINADO|"),
        PID.replace("|19800301|M|", "|IGNORADO|1|"),
        "PV1||I|4N||||41^Reis^Nora||IP||||||||IP||88",  # two codes as professionals, but the visit's number in its place
        "PV1||O",
        "PID|||77^^^H^MR",
        OBR,
        ORC,
        FT1,
        SCH,
        *(RXE, RXO, RXD, RXA, SPM, TXA, AL1, NK1, DG1, PR1, AIS, AIG, AIL, AIP, SPAN, RF1, AUT),
        RF1.replace("20261122", ""),  # an end alone, before the day of the process
        AUT.replace("20261122", ""),
        SPAN.replace("20260101", ""),  # an end alone
        SPAN.replace("|20261231", ""),
        "AL1|1||DIPIRONA|GRAVE|Choque|20200101",
        "RXE||DIPIRONA^Dipirona|1 CP||CP|CP|Se dor",
        "DG1|1||J189|PNEUMONIA||F|||||||||1",
        RANGE,
        OBR.replace("|LAB|F", "|F|"),  # one field that cannot be
        FT1.replace("|CG|", "|P|").replace("|1|61.50", "|P|61.50"),
        "FT1|1|T1||20261122|CG|10101012^Consulta^TUSS||10|580000",  # two off: the price would be the quantity
        "SCH|A1|A2|||TC^Tomografia|20261122140000|30|MIN|MARCADO|||||41^Reis^Nora",  # by two they would find a place
        "PV1|1|I|UTI^101^A|||41^Reis^Nora|||SUR||||||||||V100||41^Reis^Nora",  # what follows fits no place at all
        FT1.replace("|61.50|61.50|", "|61.50&BRL|61.50&BRL|"),
        "PR1|1||31309054^Cesariana^TUSS|20261122|OBS||||||||||O82.9^Parto cesáreo^I10",  # the diagnosis is in its place
        "ORC|RE|P1|F1||CM^Complete^HL70038|||20261122080000|||41^Reis^Nora",
        "ORC|NW|P1|^^||||^^^^^|||^^||^^||^^^^^",
    ],
)
def test_what_no_shift_explains_stays_as_sent(sent: str) -> None:
    message, told = aligned(read(sent))
    assert message.segments[1].raw == sent and not told


def test_the_records_of_shifted_segments_are_those_of_whole_ones() -> None:
    sent = read(doubled(PID, 7), lost(PV1, 5), doubled(IN1, 15))
    whole = translate(read(PID, PV1, IN1), zone="America/Sao_Paulo")
    found = translate(sent, zone="America/Sao_Paulo")
    shifted = [p.where for p in found.problems if p.code == "structure.shifted"]
    assert shifted[0] == "PID#2-7" and shifted[-1] == "IN1#4-15"
    for kind in ("Patient", "Coverage"):
        assert [d.body for d in found.drafts if d.type == kind] == [d.body for d in whole.drafts if d.type == kind]
    assert {entry["field"] for entry in fields(sent, zone="UTC") if entry["segment"] == "IN1"} >= {16, 17, 18}


def test_what_an_overlay_reads_by_rows_or_codes_of_its_own_is_not_moved(tmp_path: Path) -> None:
    sent = read(doubled(PID, 7), doubled(IN1, 15))
    for folder, own in (("hl7", "in1"), ("codes", "hl70063-role"), ("hl7", "zpd")):
        overlay = tmp_path / own
        (overlay / folder).mkdir(parents=True)
        (overlay / folder / f"{own}.csv").write_text(f"target,source\nCoverage.type,{own.upper()}-15\n")
        stays = {segment.name for segment in aligned(sent, f"{overlay}/")[0].segments} & {"PID", "IN1"} - {
            where.partition("#")[0] for where in (p.where for p in aligned(sent, f"{overlay}/")[1])
        }
        assert stays == {"in1": {"IN1"}, "hl70063-role": {"PID", "IN1"}, "zpd": set()}[own]
    named = translate(sent, zone="UTC", site=Site(overlay="hospital_exemplo"))
    assert {p.where[:3] for p in named.problems if p.code == "structure.shifted"} == {"PID", "IN1"}


@pytest.mark.parametrize(
    ("kind", "lines", "where"),
    [
        ("ADT^A01", [PID, PV1, DG1.replace("||1|41^", "|1|41^")], "DG1#4-15"),
        ("SIU^S12", [SCH, PID, "RGS|1", AIS.replace("||Booked", "|||Booked")], "AIS#5-11"),
        ("RDE^O11", [PID, ORC, RXE + "|mg^mg^UCUM"], "RXE#4-27"),
        ("RDS^O13", [PID, ORC, RXD.replace("|20271231|FAB^Fábrica", "||20271231")], "RXD#4-20"),
    ],
)
def test_what_one_field_alone_cannot_hold_is_told_and_not_read(kind: str, lines: list[str], where: str) -> None:
    message = er7.read((HEAD.replace("ADT^A01", kind) + "\r".join(lines) + "\r").encode())
    assert isinstance(message, Message)
    found = translate(message, zone="UTC")
    assert ("field.misplaced", where) in {(p.code, p.where) for p in found.problems}
    assert not any(bad in str(d.body) for d in found.drafts for bad in ("'rank': 41", "Booked", "Fabricante: 2027"))
