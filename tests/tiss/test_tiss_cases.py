"""tests/cases/tiss/<version>/<case>/: in.xml and the report it must give. `--accept` writes the reports anew."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest

from tiss.answers import replies
from tiss.checking.report import validate
from tiss.tables.tables import installed
from tiss.wire import message, versions

FOLDER = Path(__file__).resolve().parents[1] / "cases" / "tiss"
CASES = sorted(path.parent for path in FOLDER.glob("*/*/in.xml"))
TODAY = datetime.date(2026, 11, 22)


@pytest.mark.parametrize("case", CASES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_case(case: Path, request: pytest.FixtureRequest) -> None:
    version = case.parent.name
    if version not in versions.installed():
        pytest.skip(f"the schemas of {version} are not installed")
    raw = (case / "in.xml").read_bytes()
    found = validate(raw, tables=installed(), today=TODAY).as_json("in.xml")
    text = json.dumps(found, ensure_ascii=False, indent=1) + "\n"
    expected = case / "report.json"
    if request.config.getoption("--accept"):
        expected.write_text(text, encoding="utf-8")
    assert text == expected.read_text(encoding="utf-8")
    assert found["version"] == version
    parsed = message.read(raw)
    assert isinstance(parsed, message.Tiss)
    assert replies.of(parsed).version == version


def test_there_are_cases_of_every_pinned_version() -> None:
    from schemas_xsd.catalogue import schema_sets

    pinned = {version for version, found in schema_sets().items() if found.pinned}
    assert {case.parent.name for case in CASES} == pinned
