"""`ponte schemas …`: import from folder, ZIP, ZIP in ZIP, one file; altered files refused unless marked."""

from __future__ import annotations

import datetime
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from shared_files import samples, standards

from api.cli.main import main
from schemas_xsd import catalogue
from tiss.checking.report import validate
from tiss.wire import versions


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty place for installed schemas."""
    folder = tmp_path / "schemas ção"
    monkeypatch.setenv("PONTE_SCHEMAS", str(folder))
    return folder


def taken(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return {row["version"]: row for row in map(json.loads, capsys.readouterr().out.splitlines())}


def pack(folder: Path, *, inner: bool = False, change: str = "") -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            content = path.read_bytes()
            archive.writestr(f"Schemas/{path.name}", content + b"\n<!-- x -->" if path.name == change else content)
    if not inner:
        return made.getvalue()
    outer = io.BytesIO()
    with zipfile.ZipFile(outer, "w") as archive:
        archive.writestr("a/Padrao.zip", made.getvalue())
    return outer.getvalue()


def test_a_folder_of_versions(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schemas", "import", "--json", str(standards("tiss"))]) == 0
    found = taken(capsys)
    assert set(found) == set(catalogue.schema_sets())
    assert {row["state"] for row in found.values()} == {"installed"}
    assert versions.installed() == tuple(catalogue.schema_sets())
    assert main(["schemas", "list", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {row["state"] for row in rows if row["kind"] == "tiss"} == {"installed"}
    for version in ("3.05.00", "4.01.00"):
        for path in sorted((samples("tiss") / version).glob("*.xml")):
            report = validate(path.read_bytes(), tables=None, today=datetime.date(2026, 11, 22))
            assert report.version == version
            assert not [p for p in report.problems if p.code.startswith(("xsd.", "hash.", "header."))], path.name


@pytest.mark.parametrize("inner", [False, True])
def test_a_zip(place: Path, tmp_path: Path, inner: bool, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "Padrao_TISS.zip"
    source.write_bytes(pack(standards("tiss") / "4.01.00", inner=inner))
    assert main(["schemas", "import", "--json", str(source)]) == 0
    assert taken(capsys) == {"4.01.00": {"version": "4.01.00", "state": "installed", "files": []}}
    assert versions.installed() == ("4.01.00",)
    assert (place / "tiss" / "4.01.00" / "tissLoteGuiasV4_01_00.wsdl").is_file()


def test_one_file_of_a_set(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schemas", "import", "--json", str(standards("tiss") / "3.05.00" / "tissV3_05_00.xsd")]) == 0
    assert list(taken(capsys)) == ["3.05.00"]


def test_altered_files(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "alterado.zip"
    source.write_bytes(pack(standards("tiss") / "4.03.00", change="tissSimpleTypesV4_03_00.xsd"))
    assert main(["schemas", "import", "--json", str(source)]) == 1
    assert taken(capsys)["4.03.00"] == {
        "version": "4.03.00",
        "state": "refused",
        "files": ["tissSimpleTypesV4_03_00.xsd"],
    }
    assert versions.installed() == ()
    assert main(["schemas", "import", "--unverified", str(source)]) == 0
    assert "UNVERIFIED" in capsys.readouterr().out
    assert versions.unverified("4.03.00")
    assert catalogue.schema_sets()["4.03.00"].state() == "unverified"
    raw = next((samples("tiss") / "4.03.00").glob("SITUACAO_PROTOCOLO*Erro*")).read_bytes()
    assert "header.version-unverified" in [problem.code for problem in validate(raw, tables=None).problems]
    assert main(["schemas", "check"]) == 1
    capsys.readouterr()
    assert main(["schemas", "import", "--json", str(standards("tiss") / "4.03.00")]) == 0
    assert not versions.unverified("4.03.00")
    assert catalogue.schema_sets()["4.03.00"].state() == "installed"


def test_a_file_altered_after_installation_is_seen(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schemas", "import", str(standards("tiss") / "4.02.00")]) == 0
    target = place / "tiss" / "4.02.00" / "tissSimpleTypesV4_02_00.xsd"
    target.write_bytes(target.read_bytes() + b"\n")
    assert catalogue.schema_sets()["4.02.00"].state() == "altered"
    assert main(["schemas", "check", "--json"]) == 1
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert [row["ok"] for row in rows if row["name"] == "4.02.00"] == [False]


def test_incomplete_unknown_and_unreadable(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "some"
    folder.mkdir()
    (folder / "tissV4_03_00.xsd").write_bytes((standards("tiss") / "4.03.00" / "tissV4_03_00.xsd").read_bytes())
    assert main(["schemas", "import", "--json", str(folder)]) == 1
    row = taken(capsys)["4.03.00"]
    assert row["state"] == "incomplete" and "tissGuiasV4_03_00.xsd" in row["files"]
    (folder / "tissV4_03_00.xsd").rename(folder / "tissV9_99_00.xsd")
    assert main(["schemas", "import", "--json", str(folder)]) == 1
    assert taken(capsys)["9.99.00"]["state"] == "unknown"
    (folder / "tissV9_99_00.xsd").unlink()
    (folder / "x.zip").write_bytes(b"PK\x03\x04 nothing")
    for path in (folder, folder / "x.zip", tmp_path / "nada"):
        assert main(["schemas", "import", str(path)]) == 2
    assert not place.exists() or not list(place.rglob("*.xsd"))
