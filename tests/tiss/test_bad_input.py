"""Hostile and broken files: a clear finding in bounded time and memory, never an exception."""

from __future__ import annotations

import io
import re
import resource
import time
import zipfile

import clean
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tiss.test_clean import report
from tiss.answers import replies
from tiss.answers import values as answers
from tiss.rules import case
from tiss.rules.contract import Contract
from tiss.wire import files, message, soap

NS = b'xmlns="http://www.ans.gov.br/padroes/tiss/schemas"'
BOMB = (
    b"<!DOCTYPE a [<!ENTITY x0 'lol'>"
    + b"".join(
        b"<!ENTITY x%d '&x%d;&x%d;&x%d;&x%d;&x%d;&x%d;&x%d;&x%d;&x%d;&x%d;'>" % (n, *([n - 1] * 10))
        for n in range(1, 10)
    )
    + b"]><a>&x9;</a>"
)
HOSTILE = {
    "external entity": b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
    "external DTD": b'<!DOCTYPE a SYSTEM "http://127.0.0.1:1/a.dtd"><a/>',
    "parameter entity": b'<!DOCTYPE a [<!ENTITY % p SYSTEM "http://127.0.0.1:1/p">%p;]><a/>',
    "billion laughs": BOMB,
    "late DTD": b"<?xml version='1.0'?>" + b"<!--" + b" " * 70_000 + b"-->" + BOMB,
    "DTD in UTF-16": ("<?xml version='1.0' encoding='UTF-16'?>" + BOMB.decode()).encode("utf-16"),
    "depth 10000": b"<a " + NS + b">" + b"<b>" * 10_000,
    "depth 10000, closed": b"<mensagemTISS " + NS + b">" + b"<b>" * 10_000 + b"</b>" * 10_000 + b"</mensagemTISS>",
    "NUL": b"<mensagemTISS " + NS + b"><a>\x00</a></mensagemTISS>",
    "20000 attributes": b"<a " + b" ".join(b"a%d='1'" % n for n in range(20_000)) + b"/>",
    "unknown encoding": b"<?xml version='1.0' encoding='X-NOPE'?><mensagemTISS " + NS + b"/>",
    "UTF-16 under Latin-1": "<?xml version='1.0' encoding='ISO-8859-1'?><a/>".encode("utf-16"),
    "binary": bytes(range(256)) * 40,
    "PDF": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    "HTML": b"<!doctype html><html><body>erro</body></html>",
    "JSON": b'{"a": 1}',
    "empty": b"",
    "blank": b" \n\t ",
    "BOM only": b"\xef\xbb\xbf",
    "other namespace": b"<a xmlns='urn:x'/>",
    "no namespace": b"<mensagemTISS/>",
    "undeclared reference": b"<mensagemTISS " + NS + b">&nope;</mensagemTISS>",
}


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile(raw: bytes) -> None:
    begun = time.thread_time()
    found = report(raw)
    assert time.thread_time() - begun < 0.2
    assert not found.readable
    assert not found.ok
    assert len(found.problems) == 1
    problem = found.problems[0]
    assert problem.code.startswith(("encoding.", "header."))
    assert problem.text() and problem.remedy() and "{" not in problem.text() + problem.remedy("en")
    for read in (replies.read, soap.read):
        assert not isinstance(read(raw), answers.Reply)


def test_what_is_said_of_them() -> None:
    said = {name: report(raw).problems[0].code for name, raw in HOSTILE.items()}
    assert {said[name] for name in ("external entity", "external DTD", "billion laughs", "late DTD")} == {
        "encoding.dtd"
    }
    assert said["DTD in UTF-16"] == "encoding.dtd"
    assert said["depth 10000, closed"] == "encoding.too-deep"
    assert said["NUL"] == "encoding.nul"
    assert said["unknown encoding"] == "encoding.unknown"
    assert said["empty"] == said["blank"] == "encoding.empty"
    assert said["other namespace"] == said["no namespace"] == "header.namespace"


def test_latin1_under_a_utf8_header() -> None:
    raw = clean.sadt_batch(1).replace(b"ISO-8859-1", b"UTF-8")
    found = report(raw)
    assert [problem.code for problem in found.problems] == ["encoding.latin1-as-utf8"]
    assert found.problems[0].where == "line 2"


@pytest.mark.parametrize("cut", [1, 20, 300, 5000, 7000])
def test_truncated(cut: int) -> None:
    found = report(clean.sadt_batch(2)[:cut])
    assert not found.readable
    assert found.problems[0].code.startswith("encoding.not-xml")
    assert found.problems[0].where.startswith("line ")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_bytes_changed_at_random_never_raise(data: st.DataObject) -> None:
    raw = bytearray(clean.sadt_batch(1))
    for _ in range(data.draw(st.integers(1, 6))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    found = report(bytes(raw))
    found.as_json("x")
    replies.read(bytes(raw))
    soap.read(bytes(raw))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(index=st.integers(1, 100), text=st.text(max_size=30))
def test_any_text_in_any_leaf_never_raises(index: int, text: str) -> None:
    parsed = message.read(clean.sadt_batch(1))
    assert isinstance(parsed, message.Tiss)
    leaves = [node for node in parsed.root.iter() if not len(node)]
    try:
        leaves[index % len(leaves)].text = text
    except ValueError:
        return  # XML cannot carry it
    from lxml import etree

    raw = etree.tostring(parsed.root, xml_declaration=True, encoding="ISO-8859-1")
    assert isinstance(raw, bytes)
    report(raw).as_json("x")


def test_a_large_file_is_checked_in_bounded_memory_and_time() -> None:
    one = clean.sadt_batch(100, items=20, expenses=10)
    start, end = one.index(b"<ans:guiaSP-SADT>"), one.rindex(b"</ans:guiasTISS>")
    raw = one[:start] + one[start:end] * (24 * 1024 * 1024 // (end - start)) + one[end:]
    before, begun = _most_memory(), time.thread_time()
    found = report(raw)
    assert time.thread_time() - begun < 20
    assert found.readable
    assert "table.too-many-guides" in {problem.code for problem in found.problems}
    assert max(_counts(found.problems).values()) <= case.MOST
    assert any(problem.code == "more" for problem in found.problems)
    assert _most_memory() - before < 700 * 1024


def test_an_empty_field_the_schema_lets_pass_is_told() -> None:
    raw = clean.sadt_batch(1).replace(
        b"<ans:atendimentoRN>N</ans:atendimentoRN>",
        b"<ans:atendimentoRN>N</ans:atendimentoRN><ans:tipoIdent>01</ans:tipoIdent><ans:identificadorBeneficiario/>",
    )
    found = [problem for problem in report(raw).problems if problem.code != "hash.wrong"]
    assert [problem.code for problem in found] == ["encoding.blank-optional"]
    assert found[0].where.endswith("/dadosBeneficiario/identificadorBeneficiario")


def test_no_finding_repeats_content() -> None:
    secret = "MARIA CANARIO DA SILVA"
    base = clean.sadt_batch(1)
    for before in (
        b">4.03.00<",
        b">000515<",
        b">40304361<",
        b">22<",
        b">S1<",
        b">35<",
        b">225125<",
        b">2026-11-20<",
        b">1.00<",
    ):
        raw = base.replace(before, f">{secret}<".encode())
        assert raw != base or before == b">1.00<"
        for contract in (None, Contract(version="4.03.00", operator="000515")):
            for problem in report(raw, contract).problems:
                said = f"{problem.args} {problem.where} {problem.text('pt')} {problem.remedy('en')}"
                assert secret not in said, (before, problem)


def _counts(problems: tuple[object, ...]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for problem in problems:
        counts[problem.code] = counts.get(problem.code, 0) + 1  # type: ignore[attr-defined]
    return counts


def _most_memory() -> int:
    """The most this process has held so far, in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def test_a_file_beyond_the_limit_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(message, "LARGEST", 1000)
    assert report(clean.sadt_batch(1)).problems[0].code == "encoding.too-large"


def zipped(**members: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_", "."), content)
    return made.getvalue()


def test_zip_members() -> None:
    raw = clean.consulta_batch(1)
    read = dict(files.members("a.zip", zipped(one_xml=raw, two_XML=raw)))
    assert read == {"a.zip/one.xml": raw, "a.zip/two.XML": raw}
    assert [found.code for _, found in files.members("a", zipped(note_txt=b"x")) if not isinstance(found, bytes)] == [
        "encoding.zip-empty"
    ]


def test_zip_bomb_and_broken_zip(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = zipped(big_xml=b"0" * 30_000_000)
    assert len(bomb) < 100_000
    monkeypatch.setattr(files, "MOST_BYTES", 10_000_000)
    begun = time.thread_time()
    assert [found.code for _, found in files.members("a", bomb) if not isinstance(found, bytes)] == [
        "encoding.zip-bomb"
    ]
    assert time.thread_time() - begun < 0.2
    whole = zipped(one_xml=clean.consulta_batch(1))
    for cut in (10, len(whole) // 2, len(whole) - 5):
        assert all(not isinstance(found, bytes) for _, found in files.members("a", whole[:cut]))
    lied = whole.replace(clean.consulta_batch(1)[:0] or b"PK\x01\x02", b"PK\x01\x02")
    damaged = bytearray(lied)
    damaged[60] ^= 0xFF
    for _, found in files.members("a", bytes(damaged)):
        assert not isinstance(found, bytes) or found != clean.consulta_batch(1)


@pytest.mark.parametrize("name", ["sequencialItem", "Padrao", "numeroLote", "registroANS"])
def test_a_digit_that_is_no_number_never_raises(name: str) -> None:
    raw = clean.sadt_batch(1)
    for text in (b"\xb2", b"4.0\xb2.\xb3"):
        changed = re.sub(rb"(<ans:%s>)[^<]*" % name.encode(), lambda match, text=text: match[1] + text, raw)  # type: ignore[misc]
        assert changed != raw and not report(changed).ok


def test_nothing_hidden_within_a_value_cuts_it() -> None:
    kind = b"<tipoTransacao>ENVIO<!-- x -->_LOTE_<?p q?>GUIAS</tipoTransacao>"
    body = b"<cabecalho><identificacaoTransacao>" + kind + b"</identificacaoTransacao></cabecalho>"
    found = message.read(b"<mensagemTISS " + NS + b">" + body + b"</mensagemTISS>")
    assert isinstance(found, message.Tiss) and found.transaction == "ENVIO_LOTE_GUIAS"
