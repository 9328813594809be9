"""Message profiles: each rule of one, kept and broken; texts that are none; the command that judges by one."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.cli.main import main
from hl7 import er7
from hl7.er7 import Message
from hl7.profiles import profile

FILE = Path(__file__).resolve().parent / "profiles" / "oru-laboratorio.xml"
AGREED = profile.read(FILE.read_bytes())
MSH = r"MSH|^~\&|LIS"
PID = "PID|1||123^^^LAB^MR~456^^^LAB^PI"
BODY = ("OBR|1||L1", "OBX|1|NM|718-7||13|||||F")
REST = "|LABSUL|PONTE|HUB|20261123083000||ORU^R01^ORU_R01|1|P|2.5.1"
BROKEN = [
    ("conforms", (MSH, PID, *BODY, "ZLB|own"), []),
    ("another Z segment is nobody's business", (MSH, PID, *BODY, "ZZZ|own"), []),
    ("two orders of two patients", (MSH, PID, "ORC|RE", *BODY, PID, *BODY, *BODY), []),
    ("constant", (MSH.replace("LIS", "HIS"), PID, *BODY), [("profile.constant", "MSH#1-3[1]")]),
    ("segment missing", (MSH, PID, BODY[0]), [("structure.segment-missing", "OBX")]),
    ("segment not supported", (MSH, PID, "PV1|1|I", *BODY), [("structure.segment-unknown", "PV1#3")]),
    ("field not supported", (MSH, PID.replace("||123", "|9|123"), *BODY), [("profile.not-supported", "PID#2-2")]),
    ("field the profile does not name", (MSH, f"{PID}||Doe", *BODY), [("profile.not-supported", "PID#2-5")]),
    ("field missing", (MSH, "PID|1", *BODY), [("structure.required", "PID#2-3")]),
    ("too few", (MSH, "PID|1||123^^^LAB^MR", *BODY), [("profile.too-few", "PID#2-3")]),
    ("too many", (MSH, PID + "~7^^^LAB^A~8^^^LAB^B", *BODY), [("field.repeat", "PID#2-3")]),
    ("component missing", (MSH, PID.replace("^MR", ""), *BODY), [("structure.required", "PID#2-3[1].5")]),
    ("component not supported", (MSH, PID.replace("123^", "123^7"), *BODY), [("profile.not-supported", "PID#2-3[1].2")]),
    ("component beyond", (MSH, PID.replace("^MR", "^MR^X"), *BODY), [("profile.not-supported", "PID#2-3[1].6")]),
    ("component too long", (MSH, PID.replace("123", "1" * 16), *BODY), [("field.length", "PID#2-3[1].1")]),
    ("subcomponent missing", (MSH, PID.replace("^LAB^MR", "^&1.2^MR"), *BODY), [("structure.required", "PID#2-3[1].4.1"), ("profile.not-supported", "PID#2-3[1].4.2")]),
    ("null satisfies", (MSH, 'PID|1||""~""', *BODY), []),
]  # fmt: skip


@pytest.mark.parametrize("row", BROKEN, ids=lambda row: row[0].replace(" ", "-"))
def test_what_a_profile_finds(row: tuple[str, tuple[str, ...], list[tuple[str, str]]]) -> None:
    _, (head, *lines), expected = row
    message = er7.read("\r".join([head + REST, *lines]).encode())
    assert isinstance(message, Message)
    assert [(problem.code, problem.where) for problem in profile.judge(message, AGREED)] == expected


def test_a_profile_of_another_message_says_only_that() -> None:
    message = er7.read((MSH + REST.replace("ORU^R01^ORU_R01", "ADT^A01")).encode())
    assert isinstance(message, Message)
    assert [problem.code for problem in profile.judge(message, AGREED)] == ["profile.type"]


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"<a", b"<a/>", b'<HL7v2xStaticDef MsgType="ADT"/>',
        b'<HL7v2xStaticDef><Segment Name="LONG" Usage="R"/></HL7v2xStaticDef>',
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
    ],
)  # fmt: skip
def test_what_is_no_profile_is_refused(raw: bytes) -> None:
    with pytest.raises(profile.BadProfile):
        profile.read(raw)


def test_the_command_judges_by_a_profile(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.hl7"
    file.write_bytes("\r".join([MSH + REST, PID, *BODY]).encode())
    main(["hl7", "conform", str(file), "--profile", str(FILE)])
    assert "perfil: conforme" in capsys.readouterr().out
    file.write_bytes("\r".join([MSH + REST, PID, "PV1|1|I", *BODY]).encode())
    assert main(["hl7", "conform", str(file), "--profile", str(FILE)]) == 1
    assert "structure.segment-unknown em PV1#3" in capsys.readouterr().out
    assert main(["hl7", "conform", str(file), "--profile", str(tmp_path / "none.xml")]) == 2
    assert main(["hl7", "conform", str(file), "--profile", str(file)]) == 2
