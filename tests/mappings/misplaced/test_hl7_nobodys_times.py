"""An appointment without PID lacks its patient, which is told as that; a blocked time has none."""

from __future__ import annotations

from typing import Any

import pytest

from hl7 import er7
from hl7.er7 import Message
from mappings.reading.engine import translate

SCH = "SCH|A1^HIS|B1^LIS|||||CONS^Consulta||30|MIN|^^30^20261125090000^20261125093000"
ROOM = "AIL|1||SALA1^^^CLI"


def read(event: str, *lines: str) -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
    text = "".join(f"{line}\r" for line in (f"MSH|^~\\&|HIS|H|B|C|20261122||SIU^{event}|1|P|2.5.1", SCH, *lines))
    message = er7.read(text.encode())
    assert isinstance(message, Message)
    translation = translate(message, zone="America/Sao_Paulo")
    told = [(p.code, p.where) for p in translation.problems]
    return [d.body for d in translation.drafts if d.type == "Appointment"], told


def test_an_appointment_without_patient_keeps_who_else_takes_part() -> None:
    (body,), told = read("S12", ROOM)
    assert [p["actor"]["display"] for p in body["participant"]] == ["CLI / SALA1"]
    assert told == [("structure.segment-expected", "PID")]


def test_one_of_nobody_changes_a_known_one_only() -> None:
    (body,), told = read("S15")
    assert "participant" not in body and body["status"] == "cancelled"
    assert told == [("structure.update-only", "SCH#2"), ("structure.segment-expected", "PID")]


@pytest.mark.parametrize("event", ["S23", "S24"])
def test_a_blocked_time_is_nobodys(event: str) -> None:
    (body,), told = read(event, ROOM)
    assert len(body["participant"]) == 1 and told == []


@pytest.mark.parametrize("event", ["S12", "S24"])
def test_a_patient_takes_part(event: str) -> None:
    (body,), told = read(event, "PID|1||7^^^H^MR", ROOM)
    assert [p["actor"].get("reference") for p in body["participant"]].count("draft:patient") == 1 and told == []
