"""Orders out, case by case: the record, the exact HL7 that goes to the lab, or the places that are missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from adapters import registry
from hl7 import er7
from hl7.er7 import Message
from hl7.writer import SegmentWriter, write
from mappings.outward.outbound import out_plan, render
from mappings.reading.engine import translate

CASES = sorted(path.parent for path in (Path(__file__).resolve().parents[1] / "cases" / "labs").rglob("record.json"))


def rendered(case: Path) -> tuple[list[SegmentWriter], list[str]]:
    sources: dict[str, Any] = json.loads((case / "record.json").read_text(encoding="utf-8"))
    profile = registry.profile(case.parent.name)
    sources["orders"] = [{name: sources[name] for name in ("order", "facility") if name in sources}]
    sources["partner"] = {**profile.business["orders"], "version": profile.speaks.partition(" ")[2]}
    sender = {"application": "PONTE", "facility": "HOSP"}
    sources["message"] = {**sender, "control_id": "C1", "time": "2026-11-22T11:00:00+00:00", "control": "NW"}
    segments, problems = render(out_plan(profile.plan), sources)
    return segments, [f"{problem.code} {problem.where}" for problem in problems]


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_case(case: Path, request: pytest.FixtureRequest) -> None:
    segments, problems = rendered(case)
    found = {
        "out.hl7": write(segments).replace(b"\r", b"\n"),
        "problems.txt": "".join(f"{p}\n" for p in problems).encode(),
    }
    for name, content in found.items():
        if request.config.getoption("--accept"):
            (case / name).write_bytes(content)
        assert (case / name).read_bytes() == content


@pytest.mark.parametrize("case", [c for c in CASES if "incomplete" not in c.name], ids=lambda path: path.name)
def test_what_goes_out_comes_back_to_the_same_record(case: Path) -> None:
    segments, problems = rendered(case)
    assert not problems
    message = er7.read(write(segments))
    assert isinstance(message, Message) and not message.problems
    record = json.loads((case / "record.json").read_text(encoding="utf-8"))
    drafts = {draft.type: draft for draft in translate(message, zone="America/Sao_Paulo").drafts}
    for kind, name in (("ServiceRequest", "order"), ("Patient", "patient")):
        keys = {(key.system, key.value) for key in drafts[kind].keys}
        sent = {(i["system"], i["value"]) for i in record[name]["identifier"] if "fill" not in i["system"]}
        assert sent <= keys, f"the answer's {kind} would not be found by its identifiers"


def test_hostile_text_stays_in_its_place() -> None:
    writer = SegmentWriter("MSH")
    writer.put(10, "a|b^c~d\\e&f\rMSH|g\x0b\x1c")
    content = write([writer])
    message = er7.read(content)
    assert isinstance(message, Message) and len(message.segments) == 1 and b"\x1c" not in content
    assert message.header.text(10).replace("\n", "\r") == "a|b^c~d\\e&f\rMSH|g  "
    with pytest.raises(ValueError, match="MSH"):
        write([SegmentWriter("PID")])
