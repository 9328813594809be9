"""Large files as a stream: the same findings at the same places as in one piece, in flat memory."""

from __future__ import annotations

import hashlib
import io
import json
import random
import re
import subprocess
import sys
from pathlib import Path

import clean
import pytest
from faults import ITEM, put

from tests.tiss.test_clean import TODAY, report
from tiss.checking import stream
from tiss.checking.report import Report
from tiss.streams import tap
from tiss.tables.tables import installed
from tiss.wire import build, epilogo, message

ROOT = Path(__file__).resolve().parents[2]


def streamed(raw: bytes) -> Report:
    return stream.validate(io.BytesIO(raw), tables=installed(), today=TODAY)


def facts(found: Report) -> tuple[object, ...]:
    problems = sorted((p.code, p.severity, p.args) for p in found.problems)
    return (found.readable, found.version, found.transaction, found.form, found.guides, found.total, problems)


@pytest.mark.parametrize("count", [1, 2, 50, 51, 99])
@pytest.mark.parametrize("service", [False, True])
def test_a_clean_batch(count: int, service: bool) -> None:
    raw = clean.sadt_batch(count, service=service)
    assert streamed(raw).problems == ()
    assert facts(streamed(raw)) == facts(report(raw))
    assert streamed(raw).hash == report(raw).hash


def spoilt(count: int) -> bytes:
    """A batch with a fault of each layer, early and late."""
    dice = random.Random(4)
    guides = [clean.sadt(number, dice) for number in range(1, count + 1)]
    put(guides[0], f"{ITEM}/0/valorTotal", "1.00")
    put(guides[count - 1], f"{ITEM}/1/procedimento/codigoProcedimento", "40304362")
    put(guides[count - 2], "cabecalhoGuia/numeroGuiaPrestador", "S1")
    put(guides[count - 3], "dadosExecutante/CNES", "")
    put(guides[count - 4], "dadosSolicitante/contratadoSolicitante/cpfContratado", "12345678900")
    put(guides[count - 5], "dadosAtendimento/tipoAtendimento", "99")
    put(guides[count - 6], "observacao", " ")
    return clean.batch("guiaSP-SADT", guides, "4.03.00")


@pytest.mark.parametrize("count", [8, 60, 100])
def test_the_same_findings_at_the_same_places(count: int) -> None:
    raw = spoilt(count)
    one, two = report(raw), streamed(raw)
    assert len(one.problems) >= 7
    assert facts(one) == facts(two)
    assert {(p.code, p.where) for p in one.problems} == {(p.code, p.where) for p in two.problems}
    assert (one.hash.stated, one.hash.computed) == (two.hash.stated, two.hash.computed)


def test_what_only_the_end_tells() -> None:
    raw = clean.sadt_batch(120)
    assert {p.code for p in streamed(raw).problems} == {"table.too-many-guides"}
    wrong = raw.replace(b"4711", b"4712")
    assert {p.code for p in streamed(wrong).problems} == {"table.too-many-guides", "hash.wrong"}
    lying = clean.sadt_batch(3).decode("latin-1").encode("utf-8")
    assert "encoding.utf8-as-latin1" in {p.code for p in streamed(lying).problems}


@pytest.mark.parametrize("cut", [10, 3000, 30_000])
def test_a_cut_file(cut: int) -> None:
    found = streamed(clean.sadt_batch(60)[:cut])
    assert not found.readable
    assert [p.code for p in found.problems] == ["encoding.not-xml.cut"]


def test_hostile_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [p.code for p in streamed(b"<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>").problems] == ["encoding.dtd"]
    assert not streamed(b"").readable
    deep = b"<mensagemTISS xmlns='http://www.ans.gov.br/padroes/tiss/schemas'>" + b"<b>" * 10_000
    assert not streamed(deep).readable
    monkeypatch.setattr(tap, "LARGEST", 100_000)
    assert [p.code for p in streamed(b"<a>" + b"<b/>" * 300_000 + b"</a>").problems] == ["encoding.too-large"]
    assert streamed(clean.sadt_batch(60)).ok


def repeated(path: Path, size: int) -> int:
    """Write a batch of at least `size` bytes, and tell how many guides it has; its hash is right."""
    raw = clean.sadt_batch(100)
    start, end = raw.index(b"<ans:guiaSP-SADT>"), raw.rindex(b"</ans:guiasTISS>")
    times = size // (end - start) + 1
    with path.open("wb") as file:
        file.write(raw[:start])
        for _ in range(times):
            file.write(raw[start:end])
        file.write(raw[end:])
    return times * 100


@pytest.mark.slow
def test_200_mb_in_flat_memory(tmp_path: Path) -> None:
    path = tmp_path / "grande.xml"
    guides = repeated(path, 200 * 1024 * 1024)
    script = (
        "import sys; from api.cli.main import main; code = main(['tiss', 'validate', '--json', sys.argv[1]]);"
        # the peak of this program alone: getrusage would count what the starting process held before
        "peak = open('/proc/self/status').read().partition('VmHWM:')[2].split()[0]; sys.stderr.write(peak); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    found = json.loads(done.stdout)
    assert done.returncode == 1
    assert found["guides"] == guides
    assert {p["code"] for p in found["problems"]} >= {"table.too-many-guides", "duplicate.guide", "more"}
    assert int(done.stderr.strip().splitlines()[-1]) < 300 * 1024  # KiB


def test_what_stands_around_the_guides_is_checked_too() -> None:
    raw = clean.sadt_batch(60)
    junk = raw.replace(b"</ans:guiasTISS>", b"</ans:guiasTISS><ans:x>1</ans:x>")
    headless = raw.replace(b"<ans:Padrao>4.03.00</ans:Padrao>", b"<ans:Padrao>4.03.00</ans:Padrao><ans:y/>")
    for changed, where in ((junk, "/loteGuias/x"), (headless, "/cabecalho/y")):
        places = [(p.code, p.where.endswith(where)) for p in streamed(changed).problems]
        assert ("xsd.content.unknown", True) in places


def test_build_and_seal_agree_with_the_stream() -> None:
    parsed = message.read(clean.consulta_batch(70))
    assert isinstance(parsed, message.Tiss)
    build.seal(parsed.root)
    assert streamed(build.serialize(parsed.root)).ok


RECIPES = {
    "utf-8": lambda text, raw: text.encode(),
    "utf-16": lambda text, raw: text.encode("utf-16-le"),
    "upper-case": lambda text, raw: text.upper().encode("latin-1"),
    "lower-case": lambda text, raw: text.lower().encode("latin-1"),
    "no-blanks": lambda text, raw: "".join(text.split()).encode("latin-1"),
    "no-accents": lambda text, raw: text.translate(str.maketrans("çãíé", "caie")).encode("latin-1"),
    "line-end": lambda text, raw: text.encode() + b"\n",
    "with-hash": lambda text, raw: text.encode() + b"0" * 32,
    "body-only": lambda text, raw: text[text.index("4711") :].encode("latin-1"),
    "xml-text": lambda text, raw: re.sub(rb"<ans:hash>[^<]*", b"<ans:hash>", raw),
    "": lambda text, raw: b"another file",
}


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("service", [False, True])
def test_a_wrong_recipe_is_named_as_in_one_piece(name: str, service: bool) -> None:
    raw = clean.sadt_batch(60, service=service)
    read = message.read(raw)
    assert isinstance(read, message.Tiss)
    wrong = hashlib.md5(RECIPES[name](epilogo.leaf_text(read.root), raw)).hexdigest()
    spoilt = re.sub(rb"<ans:hash>[^<]*", b"<ans:hash>" + wrong.encode(), raw)
    codes = [problem.code for problem in streamed(spoilt).problems]
    assert codes == [problem.code for problem in report(spoilt).problems] == [f"hash.wrong.{name}".rstrip(".")]


@pytest.mark.parametrize(("stated", "name"), [("x", "shape"), ("0" * 40, "sha-1"), ("0" * 64, "sha-2")])
def test_a_hash_that_is_no_md5(stated: str, name: str) -> None:
    raw = re.sub(rb"<ans:hash>[^<]*", b"<ans:hash>" + stated.encode(), clean.sadt_batch(2))
    assert {p.code for p in streamed(raw).problems} >= {f"hash.wrong.{name}"}
