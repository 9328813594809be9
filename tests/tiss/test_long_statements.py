"""Statements as a stream: the same findings at the same places as in one piece, sums over what was let go, flat memory."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from itertools import count
from pathlib import Path

import long_statements as long
import pytest

from tests.tiss.test_clean import TODAY, report
from tiss.checking import stream
from tiss.checking.report import Report
from tiss.streams import slices
from tiss.tables.tables import installed

ROOT = Path(__file__).resolve().parents[2]


def streamed(raw: bytes) -> Report:
    return stream.validate(io.BytesIO(raw), tables=installed(), today=TODAY)


def places(found: Report) -> set[tuple[str, str, tuple[tuple[str, str], ...]]]:
    """Findings with their places; the first of its kind may have its number or not."""
    return {(p.code, p.where.replace("[1]", ""), p.args) for p in found.problems}


def made(**wanted: object) -> bytes:
    return b"".join(long.sealed(long.pieces(3, 4, statements=2, **wanted)))  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "AT_ONCE", 2)


def test_a_clean_statement() -> None:
    raw = made()
    one, two = report(raw), streamed(raw)
    assert (one.problems, two.problems) == ((), ())
    assert (one.total, one.hash, one.version, one.transaction) == (two.total, two.hash, two.version, two.transaction)


FAULTS = {
    "an item's amount": ("<ans:valorInformado>12.34", "<ans:valorInformado>12.35"),
    "an item's code": ("<ans:codigoTabela>22", "<ans:codigoTabela>99"),
    "a guide's total": ("<ans:valorLiberadoGuia>123.40", "<ans:valorLiberadoGuia>123.41"),
    "a guide without number": ("<ans:numeroGuiaPrestador>", "<ans:numero>"),
    "a protocol's total": ("<ans:valorProcessadoProtocolo>493.60", "<ans:valorProcessadoProtocolo>493.61"),
    "a protocol without total": ("valorInformadoProtocolo>", "valorProtocolo>"),
    "a statement's total": ("<ans:valorInformadoGeral>1480.80", "<ans:valorInformadoGeral>1480.81"),
    "a blank": ("<ans:numeroLotePrestador>", "<ans:numeroLotePrestador> "),
    "a stray element": ("<ans:relacaoGuias>", "<ans:stray/><ans:relacaoGuias>"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_told_at_their_places(name: str) -> None:
    wrong, right = FAULTS[name]
    turn = count(1)

    def spoil(piece: str) -> str:
        return piece.replace(wrong, right, 1) if wrong in piece and next(turn) % 2 == 0 else piece

    raw = made(spoil=spoil)
    one, two = report(raw), streamed(raw)
    assert one.problems
    assert places(one) == places(two)
    assert (one.hash, one.total) == (two.hash, two.total)


def test_flat_memory(tmp_path: Path) -> None:
    """Held whole, 11 MB take more than 100 MB; what counts as large is set so low that a test can be short."""
    path = tmp_path / "demonstrativo.xml"
    with path.open("wb") as file:
        file.writelines(long.sealed(long.pieces(20, 100)))
    script = (
        "import sys, tiss.wire.files; tiss.wire.files.LARGEST = 2 * 1024 * 1024; from api.cli.main import main;"
        "code = main(['tiss', 'validate', '--json', sys.argv[1]]);"
        # the peak of this program alone: getrusage would count what the starting process held before
        "peak = open('/proc/self/status').read().partition('VmHWM:')[2].split()[0]; sys.stderr.write(peak); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    found = json.loads(done.stdout)
    assert path.stat().st_size > 10 * 1024 * 1024
    assert (done.returncode, found["problems"], found["transaction"]) == (0, [], "DEMONSTRATIVO_ANALISE_CONTA")
    assert int(done.stderr.strip().splitlines()[-1]) < 80 * 1024  # KiB
