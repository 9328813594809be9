"""`ponte fhir validate`: keys, exit codes, one document or many."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from api.cli.main import main

GOOD = '{"resourceType":"Patient","birthDate":"1980"}'
XML = '<Patient xmlns="http://hl7.org/fhir"><birthDate value="{}"/></Patient>'
BAD = '{"resourceType":"Patient","birthDate":"yesterday"}'


@pytest.mark.parametrize(
    ("text", "exit_code", "oks"),
    [
        (GOOD, 0, [True]), (BAD, 1, [False]), (f"{GOOD}\n{BAD}\n\n{GOOD}\n", 1, [True, False, True]), ("{", 2, [False]), ("", 2, [False]),
        (XML.format("1980"), 0, [True]), (XML.format("yesterday"), 1, [False]), ("<Patient", 2, [False]),
        (f"{GOOD}\n{{\n", 2, [True, False]), (json.dumps({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": json.loads(BAD)}]}, indent=1), 1, [False]),
    ],
)  # fmt: skip
def test_validate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, exit_code: int, oks: list[bool]
) -> None:
    path = tmp_path / "São Paulo.json"
    path.write_text(text, encoding="utf-8")
    assert main(["fhir", "validate", str(path), "--json"]) == exit_code
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["ok"] for line in lines] == oks
    assert all(
        set(line) == {"file", "ok", "outcome"} and line["outcome"]["resourceType"] == "OperationOutcome"
        for line in lines
    )
    assert main(["fhir", "validate", str(path)]) == exit_code
    assert "yesterday" not in capsys.readouterr().out


def test_what_cannot_be_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "good.json"
    path.write_text(GOOD, encoding="utf-8")
    assert main(["fhir", "validate", str(path), "--profile", "http://example.org/p"]) == 2
    assert "profile not installed" in capsys.readouterr().err
    assert main(["fhir", "validate", str(tmp_path / "none.json"), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["ok"] is False
    assert main(["fhir", "validate", str(path), str(tmp_path)]) == 2
