"""What senders do against the letter of the standard: read where it cannot be mistaken, with a warning, else refused."""

from __future__ import annotations

import datetime

import pytest

from hl7 import er7
from hl7.er7 import STANDARD, Message, Segment
from mappings.convert.registry import Value
from mappings.convert.text import number, parse_dtm
from mappings.convert.whose import identified
from mappings.reading.engine import translate
from mappings.tables.table import Source

HEAD = "MSH|^~\\&|A|B|C|D|20261122||{kind}|1|P|2.5\r"
OBX = HEAD.format(kind="ORU^R01") + "OBX|1|{type}|T||{text}"


def read(text: str) -> Message:
    message = er7.read(text.encode())
    assert isinstance(message, Message)
    return message


@pytest.mark.parametrize("kind", ["TX", "FT", "ST", ""])
def test_line_ends_within_a_text_are_its_lines(kind: str) -> None:
    message = read(OBX.format(type=kind, text="um\rdois|||||||F\rNTE|1|L|tres\rquatro"))
    assert message.text("OBX", 5) == "um\ndois" and message.text("NTE", 3) == "tres\nquatro"
    assert [p.code for p in message.problems] == ["er7.line-in-text"] and len(message.segments) == 3


@pytest.mark.parametrize(
    "rest",
    ["OBX|1|NM|T||1\rdois", "OBX|1|TX|T||um|\rdois", "OBX|1|TX|T|\rdois", "PV1|1|I\rdois", "OBX|1|TX|T||um\rxy*|1|I"],
    ids=["number", "behind-the-text", "before-the-text", "no-text", "a-broken-segment"],
)
def test_any_other_line_makes_the_message_unreadable(rest: str) -> None:
    found = er7.read((HEAD.format(kind="ORU^R01") + rest).encode())
    assert not isinstance(found, Message) and found.code == "er7.segment"


def test_names_of_segments_in_lower_case_or_behind_blanks() -> None:
    message = read(HEAD.format(kind="ADT^A01") + "pid|1||7\r \tPv1|1|I\r")
    assert [s.name for s in message.segments] == ["MSH", "PID", "PV1"] and message.text("PID", 3) == "7"
    assert [p.code for p in message.problems] == ["er7.segment-form"]


def test_add_continues_the_segment_before_it() -> None:
    message = read(OBX.format(type="FT", text="one sen") + "\rADD|tence|mg\rADD||||F\rNTE|1\r")
    assert message.text("OBX", 5) == "one sentence" and message.text("OBX", 6) == "mg"
    assert message.text("OBX", 9) == "F" and [s.index for s in message.segments] == [1, 2, 3]


@pytest.mark.parametrize(
    ("kind", "rest", "told"),
    [
        ("ORU^R01", "OBR|1\rOBX|1|TX|T||first half\rADD\rDSC|part-2|F", ["DSC#4"]),
        ("ORU^R01", "ADD| and second|half\rOBX|2|ST|T||x", ["ADD#2"]),
        ("ORU^R01", "OBR|1\rDSC", []),
        ("QBP^Q22", "QPD|Q22|1|@PID.3.1^7\rRCP|I\rDSC|next|I", []),
    ],
)
def test_a_part_is_not_taken_for_the_whole(kind: str, rest: str, told: list[str]) -> None:
    message = read(HEAD.format(kind=kind) + rest)
    assert [p.where for p in message.problems if p.code == "er7.fragment"] == told


@pytest.mark.parametrize(
    ("sent", "read_as"),
    [
        ("adt^a08", "ADT^A08"),
        ("ADT_A01", "ADT^A01"),
        ("ORU", "ORU^R01"),
        ("ACK", "ACK"),
        ("ADT^A04^ADT_A01", "ADT^A04"),
    ],
)
def test_message_types(sent: str, read_as: str) -> None:
    assert read(HEAD.format(kind=sent)).type == read_as


def test_the_event_of_evn_beats_the_structure() -> None:
    assert read(HEAD.format(kind="ADT_A01") + "EVN|A08\r").type == "ADT^A08"


@pytest.mark.parametrize(
    ("raw", "whole", "sub"),
    [("Silva & Filhos", "Silva & Filhos", ""), ("88304&MDT", "88304", "MDT"), ("A&B & C", "A&B & C", "")],
)
def test_a_separator_between_blanks_is_text(raw: str, whole: str, sub: str) -> None:
    segment = Segment(f"OBX|1|ST|{raw}", 1, STANDARD)
    value = Value(raw, Source("OBX", 3), segment)
    assert (value.text(1), value.text(1, 2)) == (whole, sub) == (segment.text(3), segment.text(3, 1, 2))
    assert value.said() == raw


MOMENTS = {
    "2026-11-22": "2026-11-22",
    "2026-11": "2026-11",
    "2026-11-22T10:15:30Z": datetime.datetime(2026, 11, 22, 10, 15, 30, tzinfo=datetime.UTC),
    "2026-11-22 10:15": datetime.datetime(2026, 11, 22, 13, 15, tzinfo=datetime.UTC),
    "2026-11-22T10:15:30.123-03:00": datetime.datetime(2026, 11, 22, 13, 15, 30, tzinfo=datetime.UTC),
    "2026-0300": "2026",
    "99991231": "9999-12-31",
}


@pytest.mark.parametrize("text", MOMENTS)
def test_moments(text: str) -> None:
    assert parse_dtm(text, "America/Sao_Paulo") == MOMENTS[text]


@pytest.mark.parametrize(
    "text",
    [
        "700112",
        "00010101",
        "00000000",
        "25000101",
        "2026-11-22T10",
        "2026-13-01",
        "2026-11-22T10:15+15:00",
        "22/11/2026",
    ],
)
def test_no_moments(text: str) -> None:
    assert parse_dtm(text, "America/Sao_Paulo") is None


@pytest.mark.parametrize(("text", "value"), [("5.", "5"), ("+2", "2"), (".5", "0.5"), ("1,5", "1.5"), ("-07", "-7")])
def test_numbers(text: str, value: str) -> None:
    found = number(text)
    assert (found is not None and str(found) == value) or bytes(found).decode() == value  # type: ignore[arg-type]


@pytest.mark.parametrize("text", [".", "+", "", "1e5", "1 000", "5.5.5", "-"])
def test_no_numbers(text: str) -> None:
    assert number(text) is None


SHIFTED = {
    "PV1||I|4N^1||||||||MED^Clinic^HL70069": ["PV1#2-11"],
    "PV1||I|20261122083000": ["PV1#2-3"],
    "PV1||I|4N||||^^^20261122080000^20261122090000": ["PV1#2-7"],
    "PV1||I|20261122": [],  # eight digits may be a ward
    "PV1||I|4N||||20261122080000^Reis^Nora": [],
    "PID|||P1||Silva^Ana||||||||ramal da portaria": ["PID#2-13"],
    "PID|||P1||Silva^Ana||||||||ana@exemplo.test~11 5555-0000": [],
}


@pytest.mark.parametrize("segment", SHIFTED)
def test_what_cannot_be_of_its_field_is_told(segment: str) -> None:
    message = read(HEAD.format(kind="ADT^A01") + segment)
    found = translate(message, zone="America/Sao_Paulo")
    assert [p.where for p in found.problems if p.code == "field.misplaced"] == SHIFTED[segment]


@pytest.mark.parametrize(
    ("xad", "city", "lines"),
    [
        ("Rua A^12^Ap 3^Pelotas^RS^96010-001^BR", "Pelotas", 3),
        ("Rua A^12^^Centro^Pelotas^RS^96010001", "Pelotas", 2),
        ("Rua A 12^Ap 3^Pelotas^RS^96010-001^BR", "Pelotas", 2),
        ("1 Main St^^Springfield^IL^62701^US", "Springfield", 1),
        ("1 Main St^^Lyon^^SP^69000", "Lyon", 1),
    ],
)
def test_addresses_with_the_number_apart(xad: str, city: str, lines: int) -> None:
    message = read(HEAD.format(kind="ADT^A28") + f"PID|||P1||Silva^Ana||||||{xad}")
    (patient,) = (d.body for d in translate(message, zone="America/Sao_Paulo").drafts if d.type == "Patient")
    assert patient["address"][0]["city"] == city and len(patient["address"][0]["line"]) == lines


@pytest.mark.parametrize(
    ("xad", "expected", "told"),
    [
        ("Rua A 12^Pelotas^RS^96010-001^BR^H^^4314407", "Rua A 12|Pelotas|RS|96010-001|BR|home|4314407", 1),
        ("Rua A 12, Pelotas^RS^96010001", "Rua A 12, Pelotas||RS|96010001|||", 1),
        ("Rua A 12^Ap 3^Pelotas^96010-001^RS^BRA^H", "Rua A 12,Ap 3|Pelotas|RS|96010-001|BRA|home|", 1),
        ("Rua A 12^Ap 3^Pelotas^96010001^BRA^H", "Rua A 12,Ap 3|Pelotas||96010001|BRA|home|", 1),
        ("Rua A^12^Ap 3^Pelotas^RS^96.010-001^BR", "Rua A,12,Ap 3|Pelotas|RS|96010-001|BR||", 1),
        ("Rua A 12^Ap 3^Pelotas^RS^96.010-001^BR", "Rua A 12,Ap 3|Pelotas|RS|96010-001|BR||", 0),
        ("Rua A 12^Ap 3^Pelotas^RS^96.010001", "Rua A 12,Ap 3|Pelotas|RS|96010-001|||", 0),
        ("Rua A 12^Pelotas^Rio Grande do Sul^96010-001", "Rua A 12,Pelotas|Rio Grande do Sul||96010-001|||", 1),
        ("Main St 1^^Springfield^IL^62701^USA^H", "Main St 1|Springfield|IL|62701|USA|home|", 0),
        ("Rua A 12^Pelotas^RS", "Rua A 12,Pelotas|RS|||||", 0),
        ("Rua A 12^^Pelotas^RS^^96010-001^BRA", "Rua A 12|Pelotas|RS|96010-001|BRA||", 0),
    ],
)
def test_addresses_whose_state_and_cep_tell_where_the_rest_is(xad: str, expected: str, told: int) -> None:
    message = read(HEAD.format(kind="ADT^A28") + f"PID|||P1||Silva^Ana||||||{xad}")
    found = translate(message, zone="America/Sao_Paulo")
    (address,) = next(d.body for d in found.drafts if d.type == "Patient")["address"]
    coded = address.get("_city", {}).get("extension", [{}])[0].get("valueCoding", {}).get("code", "")
    names = [address.get(name, "") for name in ("city", "state", "postalCode", "country", "use")]
    assert "|".join([",".join(address["line"]), *names, coded]) == expected
    assert sum(p.code == "field.address-form" for p in found.problems) == told


@pytest.mark.parametrize(
    ("sch9", "minutes"), [("30|MIN", 30), ("30^MIN", 30), ("2|H", 120), ("20261122090000", None), ("30|D", None)]
)
def test_lengths_of_appointments(sch9: str, minutes: int | None) -> None:
    message = read(HEAD.format(kind="SIU^S12") + f"SCH|A7||||||||{sch9}\rPID|||P1||Silva^Ana")
    (appointment,) = (d.body for d in translate(message, zone="America/Sao_Paulo").drafts if d.type == "Appointment")
    assert appointment.get("minutesDuration") == minutes


@pytest.mark.parametrize("word", ["Desconhecido", "UNKNOWN", "não  informado", "N/A"])
def test_a_word_that_says_there_is_no_number_is_nobodys_number(word: str) -> None:
    """As a key it would make one record of all patients without number; another number beside it counts."""
    text = HEAD.format(kind="ADT^A04^ADT_A01") + "PID|1||{ids}||Silva^Ana\rPV1|1|O\r"
    alone = read(text.format(ids=f"{word}^^^H^MR"))
    assert not any(map(identified, alone.named("PID")))
    patient = next(draft for draft in translate(alone, zone="America/Sao_Paulo").drafts if draft.type == "Patient")
    assert not patient.keys
    beside = read(text.format(ids=f"{word}^^^H^MR~4711^^^H^MR"))
    assert all(map(identified, beside.named("PID")))
    patient = next(draft for draft in translate(beside, zone="America/Sao_Paulo").drafts if draft.type == "Patient")
    assert [key.value for key in patient.keys] == ["4711"]


def made(kind: str, rest: str) -> tuple[dict[str, dict[str, object]], set[tuple[str, str]]]:
    translation = translate(
        read(HEAD.format(kind=kind) + "PID|1||7^^^H^MR||Souza^Ana\r" + rest), zone="America/Sao_Paulo"
    )
    return {d.type: {**d.initial, **d.body} for d in translation.drafts}, {
        (p.code, p.where) for p in translation.problems
    }


def test_a_backslash_lost_in_msh_2() -> None:
    message = read("MSH|^~&|A|B|C|D|20261122||ADT^A31|1|P|2.5\rPID|1||7^^^H&1.2&ISO^MR||A\\T\\B^C")
    assert [p.code for p in message.problems] == ["er7.lost-escape"] and message.delimiters == STANDARD
    assert message.text("PID", 5) == "A&B" and message.text("PID", 3, 4) == "H"


def test_days_where_a_charges_number_and_batch_belong_are_no_number() -> None:
    found, _ = made(
        "DFT^P03", "FT1|1|20261122|20261122101500|20261122101500|CG|12000|BRL|||||10101012^Consulta^TUSS22\r"
    )
    assert "identifier" not in found["ChargeItem"]


def test_times_where_an_appointments_numbers_belong_are_no_numbers() -> None:
    found, told = made("SIU^S12", "SCH|A123|202611221000|202611221030|||||Consulta\r")
    numbers = [each["value"] for each in found["Appointment"]["identifier"]]  # type: ignore[attr-defined]
    assert "202611221000" not in numbers and ("field.misplaced", "SCH#3-2") in told


@pytest.mark.parametrize("text", ["2026/11/22 10:00:05", "2026/11/22", "2026-11-22 10:00"])
def test_dates_with_slashes(text: str) -> None:
    moment = parse_dtm(text, "America/Sao_Paulo")
    assert (moment if isinstance(moment, str) else moment.date().isoformat()) == "2026-11-22"  # type: ignore[union-attr]


def test_a_dash_is_nobody_and_separators_say_nothing() -> None:
    found, told = made("ORU^R01", "OBR|1||F1|X^X^L|||||||||||^|||||||||||F|||||||||-\rOBX|1|ST|Y^Y^L||x||||||F\r")
    assert "performer" not in found["DiagnosticReport"] and not [p for p in told if p[0] == "field.unmapped"]


def test_the_truncation_character_escaped() -> None:
    head = HEAD.format(kind="ADT^A31").replace("\\&|", "\\&#|").replace("2.5", "2.8.2")
    message = read(head + "PID|1||7||A\\P\\B")
    assert message.text("PID", 5) == "A#B" and not message.problems
    assert read(HEAD.format(kind="ADT^A31") + "PID|1||7||A\\P\\B").text("PID", 5) == "A\\P\\B"  # none is declared


def test_several_numbers_of_an_equipment_are_one_device_inside_the_record() -> None:
    found, told = made(
        "ORU^R01",
        "OBR|1||F1|X^X^L|||||||||||||||||||||F\rOBX|1|ST|Y^Y^L||x^^^||||||F|||||||c503^ROCHE~^ROCHE~17^ROCHE\r",
    )
    body = found["Observation"]
    assert body["valueString"] == "x" and body["device"]["display"] == "c503 / 17"  # type: ignore[index]
    inside = body["contained"][0]  # type: ignore[index]
    assert [each["value"] for each in inside["identifier"]] == ["c503", "17"] and not told


def test_a_moment_is_no_note() -> None:
    found, told = made("ORM^O01", "ORC|NW|P1\rOBR|1|P1||X^X^L|||||||||20261122101500\r")
    assert "note" not in found["ServiceRequest"] and ("field.misplaced", "OBR#4-13") in told
