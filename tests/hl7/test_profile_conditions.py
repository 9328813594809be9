"""Message profiles in the schema of NIST's tools: conditions, constraints and value sets; and, in the standard's own
XML, tables, conditions in words and the acknowledgements agreed on."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.cli.main import main
from hl7 import er7
from hl7.er7 import Message
from hl7.profiles import profile
from hl7.profiles.conditions import Condition, evaluate
from mappings.convert.published import table_has

PROFILES = Path(__file__).resolve().parent / "profiles"
FILES = [PROFILES / f"vxu-registro{name}.xml" for name in ("", "-regras", "-valores")]
AGREED = profile.read(*(file.read_bytes() for file in FILES))
HEAD = "MSH|^~\\&|POSTO|SUL|PONTE|HUB|20261124||VXU^V04^VXU_V04|1|P|2.5.1{more}"
PID, RXA = "PID|1||7^^^SUL^MR", "RXA|0|1|20261124||03^SCR^CVX|0.5|mL^mL^UCUM"


def judged(*lines: str, agreed: profile.Profile = AGREED, more: str = "") -> list[tuple[str, str]]:
    message = er7.read("\r".join([HEAD.format(more=more), *lines]).encode())
    assert isinstance(message, Message)
    found = [(problem.code, problem.where) for problem in profile.judge(message, agreed, table_has)]
    if agreed is AGREED:
        assert found.pop(found.index(("profile.unjudged", "RXA#4"))), "one of its rules is a test of its own"
    return found


BROKEN = [
    ("conforms", (PID, "ORC|RE", RXA), []),
    ("a dose not known has no unit", (PID, "ORC|RE", RXA.replace("0.5|mL^mL^UCUM", "999")), []),
    ("a unit beside a dose not known", (PID, "ORC|RE", RXA.replace("0.5", "999")), [("profile.not-supported", "RXA#4-7")]),
    ("a dose without unit", (PID, "ORC|RE", RXA.replace("|mL^mL^UCUM", "")), [("structure.required", "RXA#4-7")]),
    ("an oral vaccine without form", (PID, "ORC|RE", RXA.replace("03^SCR", "02^VOP")), [("structure.required", "RXA#4-8")]),
    ("a form of one that is not oral", (PID, "ORC|RE", RXA + "|G^Gotas^L"), [("profile.not-supported", "RXA#4-8")]),
    ("a vaccine outside the value set", (PID, "ORC|RE", RXA.replace("03^", "08^")), [("profile.table", "RXA#4-5[1]")]),
    ("a vaccine taken out of it", (PID, "ORC|RE", RXA.replace("03^", "99^")), [("profile.table", "RXA#4-5[1]")]),
    ("a type outside table 0203", (PID.replace("MR", "QQ"), "ORC|RE", RXA), [("profile.table", "PID#2-3[1].5")]),
    ("an authority without either name", (PID.replace("SUL", "&"), "ORC|RE", RXA), [("structure.required", "PID#2-3[1].4.1")]),
    ("an authority by its universal name", (PID.replace("SUL", "&1.2"), "ORC|RE", RXA), []),
    ("a constraint", (PID, "ORC|RE", RXA.replace("RXA|0", "RXA|1")), [("profile.constraint", "RXA#4")]),
    ("a form a constraint asks for", (PID, "ORC|RE", RXA.replace("|20261124|", "|hoje|")), [("profile.constraint", "RXA#4")]),
    ("an end of another year", (PID, "ORC|RE", RXA.replace("20261124|", "20261124|20271124")), [("profile.constraint", "RXA#4")]),
    ("an end that is ruled out", (PID, "ORC|RE", RXA.replace("20261124|", "20261124|20261231")), [("profile.constraint", "RXA#4")]),
    ("a segment not supported", (PID, "ORC|RE", RXA, "PV1|1|O"), [("structure.segment-unknown", "PV1#5")]),
]  # fmt: skip


@pytest.mark.parametrize("row", BROKEN, ids=lambda row: row[0].replace(" ", "-"))
def test_what_a_profile_with_conditions_finds(row: tuple[str, tuple[str, ...], list[tuple[str, str]]]) -> None:
    assert judged(*row[1]) == row[2]


def test_without_its_other_files_conditions_are_told_and_not_judged() -> None:
    alone = profile.read(FILES[0].read_bytes())
    assert judged(PID, "ORC|RE", RXA.replace("|mL^mL^UCUM", ""), agreed=alone) == [
        ("profile.condition", "RXA#4-7"),
        ("profile.condition", "RXA#4-8"),
    ]
    assert judged(PID, "ORC|RE", RXA + "|G^Gotas^L", agreed=alone) == []


OLD = """<HL7v2xConformanceProfile HL7Version="2.5.1"><DynamicDef AccAck="AL" AppAck="NE" MsgAckMode="Immediate"/>
<HL7v2xStaticDef MsgType="VXU" EventType="V04"><Segment Name="MSH" Usage="R"/>
<Segment Name="PID" Usage="R"><Field Name="a" Usage="O"/><Field Name="b" Usage="O"/><Field Name="c" Usage="R"/>
<Field Name="d" Usage="O"/><Field Name="e" Usage="C"><Predicate>quando houver</Predicate></Field><Field Name="f" Usage="O"/>
<Field Name="g" Usage="CE"/><Field Name="h" Usage="R" Table="0001"/></Segment></HL7v2xStaticDef></HL7v2xConformanceProfile>"""


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ("|||AL|NE", []),
        ("", [("profile.acknowledgement", "MSH#1-15"), ("profile.acknowledgement", "MSH#1-16")]),
        ("|||AL", []),
        ("|||ER|NE", [("profile.acknowledgement", "MSH#1-15")]),
    ],
)
def test_acknowledgements_tables_and_conditions_in_words(more: str, found: list[tuple[str, str]]) -> None:
    agreed = profile.read(OLD.encode())
    words = [("profile.condition", "PID#2-5"), ("profile.table", "PID#2-8[1]")]  # PID-7 may be empty
    assert judged("PID|1||7|||||Q", agreed=agreed, more=more) == [*found, *words]
    assert judged("PID|1||7||Silva||2026|F", agreed=agreed, more=more) == found


@pytest.mark.parametrize(
    ("kind", "given", "holds"),
    [
        ("AND", [True, None], None), ("AND", [False, None], False), ("OR", [True, None], True), ("OR", [None], None),
        ("NOT", [None], None), ("NOT", [False], True), ("XOR", [True, False], True), ("XOR", [True, True], False),
        ("IMPLY", [False, None], True), ("IMPLY", [True, False], False), ("Plugin", [], None),
    ],
)  # fmt: skip
def test_what_cannot_be_judged_is_not_guessed(kind: str, given: list[bool | None], holds: bool | None) -> None:
    told = {True: "1", False: "2", None: "none of these"}
    inner = tuple(Condition(kind="Presence", path=told[each]) for each in given)
    values = {"1": ["x"], "2": []}
    assert evaluate(Condition(kind=kind, inner=inner), values.get) is holds


@pytest.mark.parametrize("raw", [b"<ConformanceProfile/>", b'<ConformanceProfile><Messages><Message><Segment Ref="x"/></Message></Messages></ConformanceProfile>'])  # fmt: skip
def test_what_is_no_profile_of_that_schema_is_refused(raw: bytes) -> None:
    with pytest.raises(profile.BadProfile):
        profile.read(raw)
    with pytest.raises(profile.BadProfile):
        profile.read(OLD.encode(), FILES[1].read_bytes())


def test_the_command_takes_the_files_of_a_profile(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.hl7"
    file.write_bytes("\r".join([HEAD.format(more=""), PID, "ORC|RE", RXA.replace("0.5", "999")]).encode())
    main(["hl7", "conform", str(file), *(part for each in FILES for part in ("--profile", str(each)))])
    assert "profile.not-supported em RXA#4-7" in capsys.readouterr().out
