"""Overlays: every one of the tree can work, and what is wrong in one is told with file and line before it serves."""

from __future__ import annotations

from pathlib import Path

import pytest

from hl7 import er7
from mappings.reading import overlay_check
from mappings.reading.engine import translate
from mappings.tables import overlay
from mappings.tables.serving import plan_for, plans
from mappings.tables.site import Site
from mappings.tables.table import HERE, TableError, codes

MESSAGE = (
    "MSH|^~\\&|X|HOSP|P|H|20261122080000||ADT^A01^ADT_A01|1|P|2.5\rEVN|A01|20261122080000\r"
    "PID|1||9^^^HOSP^MR||Lima^Rui||19800229|M\rZPD|1|Rui L.\r"
)
HEAD = "target,source,convert,when,note,spec\n"


def read(text: str) -> er7.Message:
    found = er7.read(text.encode())
    assert isinstance(found, er7.Message)
    return found


@pytest.mark.parametrize("name", overlay.names())
def test_every_overlay_can_work_and_uses_every_table(name: str) -> None:
    overlay_check.check(name)
    assert (HERE / "partners" / name / overlay.FILE).exists()


def make(folder: Path, files: dict[str, str]) -> str:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", errors="surrogateescape")
    return str(folder)


FOLLOW = '[[extend]]\nrecord = "patient"\ntables = ["hl7/zpd"]\nfollow = ["ZPD"]\n'
ROW = "Patient.name[s].text,ZPD-2,text,,nome social,contrato\n"

CODES = "system,from,to,note,decided\n"

WRONG = [
    ({"overlay.toml": "colour = 1\n"}, "overlay.toml:1: colour"),
    ({"overlay.toml": 'title = "x"\n\n[[extend]]\nrecord = "nobody"\n'}, "overlay.toml:4: extend[1].record"),
    ({"overlay.toml": 'title = "x"\n[[extend]]\nrecord = "patient"\nwhen = "x"\n'}, "overlay.toml:4: extend[1].when"),
    ({"overlay.toml": '[[records]]\nname = "a"\ntype = "Flag"\ntables = ["hl7/z"]\n'}, "overlay.toml:1: records[1]"),
    ({"overlay.toml": '[[records]]\nname = "a"\nkind = "x"\n'}, "overlay.toml:3: records[1].kind"),
    ({"overlay.toml": "[ignored]\nZAB = 1\n"}, "overlay.toml:2: ignored.ZAB"),
    ({"overlay.toml": "[ignored\n"}, "overlay.toml: "),
    ({"overlay.toml": FOLLOW}, "hl7/zpd.csv does not exist"),
    ({"overlay.toml": FOLLOW, "hl7/zpd.csv": HEAD + ROW + "Patient.nothing,ZPD-3,text,,,x\n"}, "hl7/zpd.csv:3: R4 has no"),
    ({"overlay.toml": FOLLOW, "hl7/zpd.csv": HEAD + "Patient.name[s].text,ZPD-2,magic,,,x\n"}, "hl7/zpd.csv:2: conversion"),
    ({"overlay.toml": FOLLOW, "hl7/zpd.csv": HEAD + "Patient.gender,ZPD2,text,,,x\n"}, "hl7/zpd.csv:2: source"),
    ({"overlay.toml": FOLLOW, "hl7/zpd.csv": "target,source\n"}, "hl7/zpd.csv:1: columns"),
    ({"hl7/unused.csv": HEAD + ROW}, "hl7/unused.csv:1: no record uses"),
    ({"codes/hl70001-gender.csv": "system,from,to,note,decided\nx,1,male,,\n"}, "codes/hl70001-gender.csv:2: `decided`"),
    ({"codes/hl70001-gender.csv": CODES + 'x,1,male,,"a\n'}, "codes/hl70001-gender.csv:2: unexpected end"),
    ({"codes/hl70001-gender.csv": CODES + "x,1,male,,\udce7\n"}, "codes/hl70001-gender.csv:2: the file is not UTF-8"),
    ({"overlay.toml": '# x\ntitle = "\udce7"\n'}, "overlay.toml:2: the file is not UTF-8"),
    ({"plans/own.toml": 'messages = ["ADT^A01"\n'}, "plans/own.toml: "),
    ({"notes.txt": "x"}, "notes.txt:1: an overlay holds"),
    ({"hl7/ignored.csv": "segment,field,reason,spec\nZPD,x,y,z\n"}, "hl7/ignored.csv:2: a field number"),
]  # fmt: skip


@pytest.mark.parametrize(("files", "told"), WRONG, ids=[told for _, told in WRONG])
def test_what_is_wrong_is_told_with_file_and_line(files: dict[str, str], told: str, tmp_path: Path) -> None:
    with pytest.raises(TableError) as caught:
        overlay_check.check(make(tmp_path, files))
    assert told in str(caught.value)


def test_an_overlay_that_is_not_there() -> None:
    with pytest.raises(TableError, match="there is no overlay 'nobody'"):
        plans("nobody")


def test_rows_replace_their_target_and_leave_the_others(tmp_path: Path) -> None:
    name = make(tmp_path, {"hl7/pid.csv": HEAD + "Patient.birthDate,-,,,,x\nPatient.gender,=other,,,,x\n"})
    own = translate(read(MESSAGE), zone="UTC", site=Site(overlay=name)).drafts[0].body
    plain = translate(read(MESSAGE), zone="UTC").drafts[0].body
    assert (own["gender"], plain["gender"]) == ("other", "male") and "birthDate" not in own
    assert own["name"] == plain["name"] and plain["birthDate"] == "1980-02-29"


def test_a_channel_gives_a_message_type_another_plan(tmp_path: Path) -> None:
    message = read(MESSAGE.replace("ADT^A01^ADT_A01", "ZAD^Z01"))
    assert plan_for(message.type) is None
    found = translate(message, zone="UTC", site=Site(plans=(("ZAD^Z01", "adt"),)))
    assert [draft.type for draft in found.drafts][:1] == ["Patient"]
    with pytest.raises(TableError):
        plan_for("ZAD^Z01", Site(plans=(("ZAD^Z01", "nothing"),)))


def test_two_sites_in_one_process_differ(tmp_path: Path) -> None:
    name = make(tmp_path, {"overlay.toml": FOLLOW, "hl7/zpd.csv": HEAD + ROW})
    overlay_check.check(name)
    for _ in range(2):
        with_it = translate(read(MESSAGE), zone="UTC", site=Site(overlay=name))
        without = translate(read(MESSAGE), zone="UTC")
        assert len(with_it.drafts[0].body["name"]) == 2 and len(without.drafts[0].body["name"]) == 1
        assert with_it.account.counts()["unmapped"] == 0 and without.account.counts()["unmapped"] == 1


def test_a_spreadsheets_mark_at_the_start_of_a_table_is_no_column(tmp_path: Path) -> None:
    name = make(tmp_path, {"codes/hl70001-gender.csv": "\ufeff" + CODES + "hl70001,1,male,,contrato\n"})
    assert codes("hl70001-gender", name)["1"] == "male"
