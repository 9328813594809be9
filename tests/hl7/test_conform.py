"""Conformance: our grammar beside hl7apy over the cases and over seeded faults, and on broken input."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.cli.main import main
from hl7 import er7
from hl7.grammar import conform, structure_name
from hl7.second_opinion import MAXIMUM_SEGMENTS, second_opinion
from hl7.structure import Misfit, Structure
from hl7.versions import generate
from hl7.versions.table import VERSIONS, version_named
from tests.hl7.conformity import both

HERE = Path(__file__).parent
CASES = HERE.parent / "cases" / "hl7"


def table(name: str) -> list[dict[str, str]]:
    with (HERE / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


SEEDED = table("conform_faults.csv")
GOOD = (
    "MSH|^~\\&|HIS|HOSP|PONTE|HUB|20261122100000-0300||ADT^A01^ADT_A01|1|P|2.5.1",
    "EVN||20261122100000-0300",
    "PID|1||900001^^^HOSP^MR||Silva^Ana||19800102|F",
    "PV1|1|I|UTI^1^2",
)


def message(*lines: str) -> er7.Message:
    found = er7.read("\r".join(lines).encode())
    assert isinstance(found, er7.Message)
    return found


@dataclass
class Row:
    side: str
    kind: str
    place: str
    structure: str
    reason: str
    used: int = 0

    def explains(self, side: str, finding: tuple[str, str], structure: str) -> bool:
        return side == self.side and all(
            re.fullmatch(pattern, text)
            for pattern, text in zip((self.kind, self.place, self.structure), (*finding, structure), strict=True)
        )


def test_both_judgements_of_the_cases_differ_only_for_named_reasons() -> None:
    rows = [Row(**row) for row in table("conform_differences.csv")]
    agreed, strange = 0, []
    for path in sorted(CASES.glob("*/in*.hl7")):
        read = er7.read(path.read_bytes())
        if isinstance(read, er7.Message) and read.version in VERSIONS:
            ours, theirs = both(read)
            agreed += len(ours & theirs)
            name = structure_name(read)
            for side, found in (("ours", ours - theirs), ("theirs", theirs - ours)):
                for finding in sorted(found):
                    row = next((row for row in rows if row.explains(side, finding, name)), None)
                    if row is None:
                        strange.append((side, *finding, name, path.parent.name))
                    else:
                        row.used += 1
    assert not strange
    assert agreed >= 80
    assert not [row for row in rows if not row.used], "a difference that no longer exists"


@pytest.mark.parametrize("row", SEEDED, ids=[row["fault"].replace(" ", "-") for row in SEEDED])
def test_a_seeded_fault_is_found_by_both_or_the_table_says_why_not(row: dict[str, str]) -> None:
    lines = [line for line in row["message"].replace("\\r", "\r").split("\r") if line]
    read = message(row["header"] or GOOD[0], *(lines or GOOD[1:]))
    ours = [(p.code, p.where) for p in conform(read)]
    theirs = {(p.code, p.where) for p in second_opinion(read, read.version, structure_name(read))}
    if row["ours"]:
        assert tuple(row["ours"].split(" ", 1)) in ours
    else:
        assert not [code for code, _ in ours if code not in ("field.leaving",)]
    if row["theirs"]:
        code, _, where = row["theirs"].partition(" ")
        assert (code, where) in theirs
    else:
        assert row["reason"]
        assert not {code for code, _ in theirs} - {"hl7apy.table"}


def test_a_good_message_conforms_to_both() -> None:
    ours, theirs = both(message(*GOOD))
    assert (ours, theirs) == (set(), set())


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("MSH EVN PID PV1", []),
        ("MSH EVN PV1", [Misfit("missing", "PID", 2)]),
        ("MSH EVN PV1 PID", [Misfit("order", "PID", 3)]),
        ("MSH EVN PID PID PV1", [Misfit("repeat", "PID", 3)]),
        ("MSH EVN PID PV1 PR1 ROL ROL PR1 ABC XYZ", []),
        ("MSH EVN PID PV1 QQQ", [Misfit("unknown", "QQQ", 4)]),
        ("MSH EVN PID PV1 ROL", [Misfit("missing", "PR1", 4)]),
    ],
)
def test_the_cheapest_way_tells_what_deviates(names: str, expected: list[Misfit]) -> None:
    line = "MSH [{SFT}] EVN PID [PD1] PV1 [{PR1 [{ROL}]}] [{<ABC | XYZ>}]"
    assert Structure(line).misfits(names.split()) == expected


@pytest.mark.parametrize("version", VERSIONS)
def test_every_structure_of_a_version_can_be_walked_and_its_segments_and_types_are_known(version: str) -> None:
    known = version_named(version)
    assert known is not None
    assert {"ADT_A01", "ORU_R01", "ORM_O01" if version < "2.7" else "OML_O21"} <= set(known.structures)
    for line in known.structures.values():
        assert [m.kind for m in Structure(line).misfits(["MSH"])].count("order") == 0
        assert Structure(line).names - set(known.segments) <= {"ANY"}
    used = {item.type for fields in known.segments.values() for item in fields.values()}
    assert {kind for kind in used if kind.isupper() and len(kind) == 3 and kind[0] == "X"} <= set(known.types)


def test_the_tables_are_what_the_generator_writes() -> None:
    for version, text in generate.texts().items():
        assert Path(generate.__file__).with_name(f"_{version}.toml").read_text(encoding="utf-8") == text


def test_versions_differ_by_their_deltas() -> None:
    line = ("EVN|A01|20261122", "PID|1|77|900001^^^HOSP^MR||Silva^Ana||19800102|F", "PV1|1|I")
    codes = {}
    for version in ("2.3", "2.5.1", "2.7"):
        read = message(GOOD[0].replace("2.5.1", version), *line)
        codes[version] = {(p.code, p.where) for p in conform(read)}
    assert ("field.leaving", "PID#3-2") in codes["2.3"] & codes["2.5.1"]
    assert ("field.withdrawn", "PID#3-2") in codes["2.7"]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_message_makes_our_judgement_fail(data: st.DataObject) -> None:
    text = "\r".join(GOOD)
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(text)))
        text = (
            text[:at]
            + data.draw(st.sampled_from(["", "|", "^", "~", "\\", "&", "\r", "PID|", "é", '""']))
            + text[at + 2 :]
        )
    read = er7.read(text.encode())
    if isinstance(read, er7.Message):
        for version in ("", "2.1", "2.8.2"):
            assert all(problem.text() for problem in conform(read, version))
        second_opinion(read, "2.5.1", structure_name(read, "2.5.1"))


def test_neither_judgement_tells_values() -> None:
    secret = "Zacarias\\.br\\' in element PID_5"
    read = message(
        *GOOD[:2], f"PID|{secret}|{secret}|{secret}||{secret}&{secret}^{secret}||{secret}|{secret}|||{secret}", GOOD[3]
    )
    theirs = second_opinion(read, "2.5.1", "ADT_A01")
    for problem in [*conform(read), *theirs]:
        assert "Zacarias" not in repr(problem) + problem.text() + problem.text("en")
    assert theirs


def test_a_message_too_long_for_hl7apy_is_judged_by_us_alone() -> None:
    read = message(*GOOD, *["NTE|1||x"] * MAXIMUM_SEGMENTS)
    assert [p.code for p in second_opinion(read, "2.5.1", "ADT_A01")] == ["hl7apy.skipped"]
    assert {p.code for p in conform(read)} == {"structure.segment-unknown"}


def test_the_command_tells_conform_findings_and_unreadable_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad, broken = (tmp_path / name for name in ("good.hl7", "bad.hl7", "broken.hl7"))
    good.write_bytes("\r".join(GOOD).encode())
    bad.write_bytes("\r".join(GOOD[:3]).encode())
    broken.write_bytes(b"MSH|^^\\&|x\rPID|1")
    assert main(["hl7", "conform", str(good)]) == 0
    assert "conforme" in capsys.readouterr().out
    assert main(["hl7", "conform", "--json", str(good), str(bad)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert '"ok":true' in lines[0]
    assert '"code":"structure.segment-missing"' in lines[1]
    assert '"hl7apy":{"ok":false' in lines[1]
    assert main(["hl7", "conform", str(good), str(broken)]) == 2
    assert capsys.readouterr().out.count("hl7apy: conforme") == 1  # none of what could not be read
    unknown, long = tmp_path / "unknown.hl7", tmp_path / "long.hl7"
    unknown.write_bytes("\r".join(GOOD).replace("|2.5.1", "|9.9").encode())
    long.write_bytes("\r".join([*GOOD, *["NTE|1||x"] * MAXIMUM_SEGMENTS]).encode())
    main(["hl7", "conform", str(unknown), str(long)])
    shown = capsys.readouterr().out
    assert shown.count("hl7apy: não julgou") == 2 and "hl7apy: conforme" not in shown
    assert main(["hl7", "conform", "--version", "9.9", str(good)]) == 2
    assert main(["hl7", "conform", "--version", "2.8.2", str(good)]) in (0, 1)
