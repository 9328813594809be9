"""`ponte tiss …`: JSON keys, exit codes and words a faturista can use."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import clean
import pytest

from api.cli.main import main

KEYS = ["file", "version", "transaction", "ok", "guides", "total", "hash", "problems"]


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "lote bom.xml"
    path.write_bytes(clean.sadt_batch(2).replace(b">2026-", b">2025-"))
    return reseal(path)


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    path = tmp_path / "ruim.xml"
    path.write_bytes(clean.consulta_batch(2).replace(b">10101012<", b">10101013<", 1).replace(b">4711<", b">4712<"))
    return reseal(path)


def reseal(path: Path) -> Path:
    from tiss.wire import build, message

    parsed = message.read(path.read_bytes())
    assert isinstance(parsed, message.Tiss)
    build.seal(parsed.root)
    path.write_bytes(build.serialize(parsed.root))
    return path


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.fixture(autouse=True)
def today(monkeypatch: pytest.MonkeyPatch) -> None:
    import datetime

    from api.cli import tiss

    monkeypatch.setattr(tiss, "_today", lambda: datetime.date(2026, 11, 22))


def test_json_of_a_clean_file(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tiss", "validate", "--json", str(good)]) == 0
    (found,) = lines(capsys)
    assert list(found) == KEYS
    assert list(found["hash"]) == ["stated", "computed", "encoding"]
    assert (found["ok"], found["guides"], found["version"]) == (True, 2, "4.03.00")
    assert found["transaction"] == "ENVIO_LOTE_GUIAS"
    assert found["problems"] == []


def test_json_of_several_files(good: Path, bad: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tiss", "validate", "--json", str(good), str(bad)]) == 1
    one, two = lines(capsys)
    assert one["ok"] and not two["ok"]
    assert [problem["code"] for problem in two["problems"]] == ["table.code"]
    assert list(two["problems"][0]) == ["code", "severity", "where", "text", "remedy", "guide", "glosa"]
    assert two["problems"][0]["guide"] == "C1"
    assert "Guia 1, item 1" in two["problems"][0]["text"]
    assert main(["tiss", "validate", "--json", str(good), str(tmp_path / "nada.xml"), str(bad)]) == 2
    found = lines(capsys)
    assert [line["ok"] for line in found] == [True, False, False]
    assert list(found[1]) == KEYS
    assert found[1]["problems"][0]["code"] == "encoding.unreadable"


def test_english_and_version(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tiss", "validate", "--json", "--lang", "en", "--version", "4.02.00", str(good)]) == 1
    (found,) = lines(capsys)
    assert [problem["code"] for problem in found["problems"]] == ["header.version-contract"]
    assert found["problems"][0]["text"].startswith("The file is of version 4.03.00")


def test_plain_words(bad: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tiss", "validate", str(bad)]) == 1
    out = capsys.readouterr().out
    assert "TISS 4.03.00, ENVIO_LOTE_GUIAS, 2 guias, R$ " in out
    assert "ERRO" in out and "como corrigir:" in out and "não deve ser enviado" in out


def test_zip(good: Path, bad: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "lotes.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(good, "a/um.xml")
        archive.write(bad, "dois.xml")
    assert main(["tiss", "validate", "--json", str(path)]) == 1
    assert [(line["file"].rpartition("lotes.zip/")[2], line["ok"]) for line in lines(capsys)] == [
        ("a/um.xml", True),
        ("dois.xml", False),
    ]


def test_a_standard_name_must_fit(good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tiss", "validate", "--json", str(good)]) == 0
    digest = lines(capsys)[0]["hash"]["computed"].upper()
    for number, codes in (("4711".zfill(20), []), ("4712".zfill(20), ["header.file-name"])):
        path = tmp_path / f"{number}_{digest}.xml"
        path.write_bytes(good.read_bytes())
        assert main(["tiss", "validate", "--json", str(path)]) == 0
        assert [problem["code"] for problem in lines(capsys)[0]["problems"]] == codes


def test_hash(good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tiss", "hash", str(good)]) == 0
    assert capsys.readouterr().out.strip() in good.read_text("latin-1")
    (tmp_path / "x").write_bytes(b"<a")
    assert main(["tiss", "hash", str(tmp_path / "x")]) == 2


def spec(**changes: Any) -> dict[str, Any]:
    lote = {"numeroLote": "1", "guiasTISS": {"guiaConsulta": [clean.consulta(1, __import__("random").Random(1))]}}
    message = {
        "cabecalho": clean.header("ENVIO_LOTE_GUIAS", "4.03.00"),
        "prestadorParaOperadora": {"loteGuias": lote},
    }
    return {"version": "4.03.00", "form": "file", "message": message} | changes


def test_build(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    described, made = tmp_path / "spec.json", tmp_path / "feito.xml"
    described.write_text(json.dumps(spec()), encoding="utf-8")
    assert main(["tiss", "build", str(described), "--out", str(made), "--json"]) == 0
    (found,) = lines(capsys)
    assert found["ok"] and found["file"] == str(made)
    assert main(["tiss", "validate", "--json", str(made)]) == 0
    service = spec(form="service")
    body = service["message"].pop("prestadorParaOperadora")
    service["message"] |= body
    described.write_text(json.dumps(service), encoding="utf-8")
    assert main(["tiss", "build", str(described), "--out", str(made)]) == 0
    assert b"<ans:loteGuiasWS" in made.read_bytes()


def test_build_reports_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    described, made = tmp_path / "spec.json", tmp_path / "feito.xml"
    wrong: list[tuple[Any, int, str]] = [
        (spec(version="1.0"), 2, "build.spec"),
        (spec(form="x"), 2, "build.spec"),
        (spec(root="naoExiste"), 2, "build.element"),
        (spec(message={"nada": "1"}), 2, "build.element"),
        (spec(message={"cabecalho": {"origem": {"nada": "1"}}}), 2, "build.element"),
        (spec(message=[]), 2, "build.spec"),
        ([], 2, "build.spec"),
    ]
    for document, code, problem in wrong:
        described.write_text(json.dumps(document), encoding="utf-8")
        assert main(["tiss", "build", str(described), "--out", str(made), "--json"]) == code
        assert [found["code"] for found in lines(capsys)[0]["problems"]] == [problem]
        assert not made.exists()
    described.write_text("{", encoding="utf-8")
    assert main(["tiss", "build", str(described), "--json", "--out", str(made)]) == 2
    incomplete = spec()
    del incomplete["message"]["cabecalho"]["destino"]
    described.write_text(json.dumps(incomplete), encoding="utf-8")
    assert main(["tiss", "build", str(described), "--out", str(made)]) == 1


def test_show(good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tiss", "show", str(good)]) == 0
    out = capsys.readouterr().out
    assert "lote 4711" in out and "guiaSP-SADT nº S2" in out and "40304361" in out
    assert main(["tiss", "show", str(tmp_path / "nada")]) == 2


def test_usage() -> None:
    assert main(["tiss"]) == 2
    assert main(["tiss", "voar"]) == 2
    assert main(["tiss", "validate"]) == 2


def test_a_small_file_takes_less_than_a_second(good: Path) -> None:
    """Processor time, Python's start included: a busy machine must not fail the test."""
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-X", "utf8", "-m", "api.cli", "tiss", "validate", "--json", str(good)]
    took = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, cwd=root, env=dict(os.environ), capture_output=True, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        assert done.returncode == 0
        assert json.loads(done.stdout)["ok"]
    assert min(took) < 1.0
