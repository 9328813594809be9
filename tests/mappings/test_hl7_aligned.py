"""Segments a separator too many or too few are read in their place where that is the only way; it is told."""

from __future__ import annotations

import pytest

from hl7 import er7
from hl7.er7 import Message
from mappings.aligned import aligned
from mappings.engine import translate
from mappings.site import Site
from mappings.trace import fields

HEAD = "MSH|^~\\&|A|B|C|D|20261122||ADT^A01|1|P|2.5.1\r"
PID = "PID|1||77^^^H^MR||Lima^Rui||19800301|M|||Rua A^^Porto Alegre^RS^90000"
PV1 = "PV1|1|I|UTI^101^A|U|||55^Melo^Ana|||||||||||OP|V100" + "|" * 25 + "20261122080000"
IN1 = "IN1|1|PLANO|326305|AMIL||||G77|||Metal SA|20260101|20261231||PPO|Lima^Rui|SEL|19800301|Rua A^^Porto Alegre^RS"
OBR = "OBR|1|P1|F1|HEM^Hemograma^TUSS|||20261122070000|||||||||41^Reis^Nora||||||20261122080000||LAB|F"
ORC = "ORC|RE|P1|F1||CM||||20261122080000|9^Luz^Ida||41^Reis^Nora|UTI"
FT1 = "FT1|1|T1||20261122|20261122|CG|10101012^Consulta^TUSS|||1|61.50|61.50||||UTI||||41^Reis^Nora"
SCH = "SCH|A1|A2|||||||30|min|^^^20261201090000^20261201093000|||||41^Reis^Nora|||||||||Booked"
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
        (OBR, doubled(OBR, 16), 16),
        (OBR, lost(OBR, 20), 21),
        (ORC, doubled(ORC, 9), 9),
        (ORC, lost(ORC, 8), 8),
        (FT1, doubled(FT1, 5), 5),
        (FT1, lost(FT1, 9), 9),
        (SCH, doubled(SCH, 9), 9),
        (SCH, lost(SCH, 8), 8),
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
        RANGE,
        OBR.replace("|LAB|F", "|F|"),  # one field that cannot be
        FT1.replace("|CG|", "|P|").replace("|1|61.50", "|P|61.50"),
        "FT1|1|T1||20261122|CG|10101012^Consulta^TUSS||10|580000",  # two off: the price would be the quantity
        "SCH|A1|A2|||TC^Tomografia|20261122140000|30|MIN|MARCADO|||||41^Reis^Nora",  # by two they would find a place
        "PV1|1|I|UTI^101^A|||41^Reis^Nora|||SUR||||2|||41^Reis^Nora|INP|V1|||||||||||||||||||H||REG|||20261122080000",
        FT1.replace("|61.50|61.50|", "|61.50&BRL|61.50&BRL|"),
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
    assert (
        translate(sent, zone="UTC", site=Site(overlay="hospital_exemplo")).message is sent
    )  # an overlay knows its sender
