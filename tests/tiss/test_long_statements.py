"""Statements as a stream: the same findings at the same places as in one piece, sums over what was let go, flat memory."""

from __future__ import annotations

import dataclasses
import io
import json
import subprocess
import sys
from itertools import count
from pathlib import Path

import long_statements as long
import pytest

from tests.tiss.test_clean import TODAY, report
from tiss.answers import replies
from tiss.answers.values import Statement, StatementProtocol
from tiss.checking import stream
from tiss.checking.report import Report
from tiss.streams import slices, statements
from tiss.tables.tables import installed
from tiss.wire import message

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


def told(raw: bytes, size: int = 5_000) -> tuple[list[StatementProtocol], list[tuple[str, str]], statements.Statements]:
    """The protocols a stream of bytes tells, its findings, and the reader with the hash."""
    reader = statements.Statements()
    found = [
        one for start in range(0, len(raw), size) for one in reader.feed(raw[start : start + size])
    ] + reader.close()
    answers = [one.answer for one in found if isinstance(one.answer, Statement)]
    places = [(problem.code, problem.where) for one in found for problem in one.problems]
    return [protocol for answer in answers for protocol in answer.protocols], places, reader


def bare(value: object) -> object:
    """A value without the places in it, which a part of a message cannot know."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = (field.name for field in dataclasses.fields(value))
        return tuple((name, bare(getattr(value, name))) for name in names if name != "where")
    return tuple(map(bare, value)) if isinstance(value, tuple) else value


def test_a_protocol_is_read_guide_by_guide(monkeypatch: pytest.MonkeyPatch) -> None:
    """As much as may be held is less than a protocol: its guides are let go."""
    turn = count(1)
    wrong = "<ans:valorInformado>12,34"

    def spoil(piece: str) -> str:
        at = piece.rfind("<ans:valorInformado>12.34")
        return piece[:at] + wrong + piece[at + len(wrong) :] if at >= 0 and next(turn) == 2 else piece

    raw = made(spoil=spoil)
    parsed = message.read(raw)
    assert isinstance(parsed, message.Tiss)
    whole = replies.of(parsed)
    small = len(raw) // 12
    monkeypatch.setattr(statements, "LARGEST", small)
    protocols, places, reader = told(raw, small // 4)
    assert bare(tuple(protocols)) == bare(
        tuple(p for one in whole.answers if isinstance(one, Statement) for p in one.protocols)
    )
    assert (reader.stated, reader.computed("declared")) == (report(raw).hash.stated, report(raw).hash.computed)
    (problem,) = whole.problems
    ((code, where),) = places
    assert code == problem.code and where.replace("[1]", "") == problem.where.replace("[1]", "")
    assert "dadosProtocolo[2]/relacaoGuias[4]/" in where


def test_a_protocol_of_too_many_lines_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statements, "MOST_LINES", 4 * (1 + long.ITEMS) - 1)
    with pytest.raises(statements.Unreadable) as refused:
        told(made())
    assert refused.value.problem.code == "statement.lines"
    monkeypatch.setattr(statements, "MOST_LINES", 4 * (1 + long.ITEMS))
    assert len(told(made())[0]) == 6
