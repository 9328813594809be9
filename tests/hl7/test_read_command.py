"""`ponte hl7 read`: one JSON object per message on one line, exact keys, exit codes; nothing else on standard output."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from api.cli.main import main
from hl7.mllp import frame

CASES = Path(__file__).resolve().parent.parent / "cases" / "hl7"
KEYS = ["file", "index", "type", "control_id", "ok", "bundle", "problems", "segments", "fields"]
GOOD = (CASES / "br-adt-a01-internacao" / "in.hl7").read_bytes()
WRONG = (CASES / "bad-no-patient-number" / "in.hl7").read_bytes()


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[dict[str, Any]], str]:
    code = main(["hl7", "read", *arguments])
    out, error = capsys.readouterr()
    return code, [json.loads(line) for line in out.splitlines()] if "--json" in arguments else [], error or out


def write(folder: Path, name: str, content: bytes) -> str:
    (folder / name).write_bytes(content)
    return str(folder / name)


def test_one_line_for_a_good_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, "a.hl7", GOOD)
    code, (line,), _ = run(capsys, path, "--to", "fhir", "--json")
    assert code == 0 and list(line) == KEYS
    assert (line["file"], line["index"], line["type"], line["control_id"], line["ok"]) == (
        path,
        1,
        "ADT^A01",
        "BR1",
        True,
    )
    assert line["bundle"]["resourceType"] == "Bundle" and line["bundle"]["type"] == "collection"
    assert set(line["segments"]) == {"total", "mapped", "ignored", "unmapped"}


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"], ids=["cr", "lf", "crlf"])
def test_line_ends_frames_and_batches_read_alike(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], end: bytes
) -> None:
    text = GOOD.replace(b"\n", end)
    files = {
        "plain": text,
        "framed": frame(text),
        "batch": b"FHS|^~\\&" + end + b"BHS|^~\\&" + end + text + b"BTS|1" + end + b"FTS|1" + end,
    }
    bundles = []
    for name, content in files.items():
        code, lines, _ = run(capsys, write(tmp_path, name, content), "--json")
        assert code == 0 and len(lines) == 1, name
        bundles.append(lines[0]["bundle"])
    assert bundles[0] == bundles[1] == bundles[2]


def test_wrong_data_is_one_and_the_other_messages_are_still_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, "two.hl7", GOOD + b"\n" + WRONG + b"garbage\n")
    code, lines, _ = run(capsys, path, "--json")
    assert code == 1 and [(line["index"], line["ok"]) for line in lines] == [(1, True), (2, False)]
    for problem in lines[1]["problems"]:
        assert list(problem) == ["code", "severity", "where", "text", "remedy"]


def test_a_wrong_batch_count_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, "batch.hl7", b"BHS|^~\\&\r" + GOOD.replace(b"\n", b"\r") + b"BTS|7\r")
    code, (line,), _ = run(capsys, path, "--json")
    assert code == 1 and [p["code"] for p in line["problems"]] == ["structure.batch-count"]


@pytest.mark.parametrize("content", [b"", b"\r\n \r\n"])
def test_nothing_to_read(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes) -> None:
    code, lines, said = run(capsys, write(tmp_path, "x", content), "--json")
    assert (code, lines) == (2, []) and "no message" in said


def test_missing_file_and_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, str(tmp_path / "none"), "--json")[0] == 2
    assert run(capsys, str(tmp_path), "--json")[0] == 2
    assert run(capsys, "x", "--to", "xml")[0] == 2
    assert run(capsys, write(tmp_path, "g", GOOD), "--zone", "Nowhere/None", "--json")[0] == 2
    assert main(["hl7"]) == 2


def test_not_hl7_is_wrong_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, (line,), _ = run(capsys, write(tmp_path, "x", b"<html>"), "--json")
    assert code == 1 and line["bundle"] is None and line["problems"][0]["code"] == "er7.no-header"


def test_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(GOOD)))
    code, (line,), _ = run(capsys, "-", "--json")
    assert code == 0 and line["file"] == "-"


def test_tree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, (line,), _ = run(capsys, write(tmp_path, "a", GOOD), "--to", "tree", "--json")
    patient = next(s for s in line["tree"] if s["segment"] == "PID")
    assert code == 0 and line["bundle"] is None
    assert patient["fields"]["3"][1] == [["52998224725"], [""], [""], ["RFB"], ["CPF"]]
    assert line["tree"][0]["fields"]["2"] == [[["^~\\&"]]]


def test_problems_only_and_for_a_person(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, "a", WRONG)
    code, (line,), _ = run(capsys, path, "--to", "problems", "--json")
    assert code == 1 and line["bundle"] is None and line["problems"]
    code, _, said = run(capsys, path)
    assert code == 1 and "Falta um campo obrigatório" in said and "segmentos: 4" in said


def test_decimals_are_printed_as_sent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["hl7", "read", write(tmp_path, "a", (CASES / "oru-every-value-type" / "in.hl7").read_bytes()), "--json"])
    assert '"value":-1.50' in capsys.readouterr().out


def test_fixed_charset(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    latin = (CASES / "br-latin1-declarado" / "in.hl7").read_bytes()
    code, (line,), _ = run(capsys, write(tmp_path, "a", latin), "--charset", "UTF-8", "--json")
    assert code == 1 and line["problems"][0]["code"] == "charset.undecodable"


def test_a_person_reads_what_was_left_and_what_was_not_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A field that was read and made nothing says why, in words as in JSON: what said it already, what has no place."""
    text = (
        "MSH|^~\\&|HIS|HOSP|PONTE|HUB|20261127100000-0300||ORM^O01|N1|P|2.5.1||||||UNICODE UTF-8\r"
        "PID|1||77120^3^M11^HOSP^MR||Bittencourt^Noemi\r"
        "ORC|NW|P1^HIS||||||||||1234^Lima^Rui^^^^^^CRM-SP\rOBR|1|P1^HIS||GLI^Glicose^L||||||||||||1234^Lima^Rui^^^^^^CRM-SP\r"
    )
    code, _, shown = run(capsys, write(tmp_path, "a.hl7", text.encode()), "--to", "problems")
    assert code == 0
    assert "OBR#4-16: lido  (hl7/" in shown and "não usado em ServiceRequest.requester: já dito por ORC#3-12" in shown
    assert "sem lugar: 2 (dígito verificador" in shown


def test_a_table_that_cannot_work_is_told_by_file_and_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message, laid = tmp_path / "in.hl7", tmp_path / "laid"
    message.write_bytes(GOOD)
    (laid / "hl7").mkdir(parents=True)
    (laid / "overlay.toml").write_text('[[extend]]\nrecord = "patient"\ntables = ["hl7/zpd"]\nfollow = ["ZPD"]\n')
    (laid / "hl7" / "zpd.csv").write_text("target,source,convert\n")
    assert main(["hl7", "read", "--overlay", str(laid), str(message)]) == 2
    assert "zpd.csv:1: columns must be" in capsys.readouterr().err
