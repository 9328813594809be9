"""Files of other systems: what is odd but right passes, what is wrong is told in words that name it, what is safe is mended."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import clean
import pytest
from lxml import etree

from api.cli.main import main
from canonical.problem import Problem
from tests.tiss.test_clean import TODAY, report
from tiss.checking import offers, repair
from tiss.tables.tables import installed
from tiss.wire import epilogo, files, soap

Change = Callable[[bytes], bytes]
RAW = clean.consulta_batch(2)
ACCENTED = clean.sadt_batch(1)  # its texts have accents
DECLARED = RAW.index(b"?>") + 2
NS = b"http://www.ans.gov.br/padroes/tiss/schemas"
ENVELOPE = (
    b'<?xml version="1.0" encoding="ISO-8859-1"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/">'
)


def leaf(name: bytes, how: Callable[[bytes], bytes]) -> Change:
    """Every leaf of a name written in another way."""
    return lambda raw: re.sub(rb"(<ans:%s>)([^<]*)" % name, lambda match: match[1] + how(match[2]), raw)


def noted(text: bytes) -> Change:
    """A note in the first guide."""
    note = b"<ans:observacao>" + text + b"</ans:observacao></ans:guiaConsulta>"
    return lambda raw: raw.replace(b"</ans:guiaConsulta>", note, 1)


RIGHT: dict[str, Change] = {
    "another prefix": lambda raw: raw.replace(b"ans:", b"ansTISS:").replace(b"xmlns:ans=", b"xmlns:ansTISS="),
    "default namespace": lambda raw: re.sub(rb"(</?)ans:", rb"\1", raw).replace(b"xmlns:ans=", b"xmlns="),
    "schema location": lambda raw: raw.replace(
        b"xmlns:ans=",
        b'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="' + NS + b' t.xsd" xmlns:ans=',
    ),
    "a namespace nobody uses": lambda raw: raw.replace(b"xmlns:ans=", b'xmlns="urn:x" xmlns:ans='),
    "CRLF between tags": lambda raw: raw.replace(b"><", b">\r\n\t<"),
    "single quotes": lambda raw: raw.replace(b'"', b"'"),
    "comment before": lambda raw: raw[:DECLARED] + b"<!-- gerado por -->" + raw[DECLARED:],
    "comment in a value": lambda raw: raw.replace(b">10101012<", b">1010<!-- x -->1012<"),
    "instruction in a value": lambda raw: raw.replace(b">10101012<", b">1010<?x y?>1012<"),
    "CDATA": lambda raw: raw.replace(b">10101012<", b"><![CDATA[10101012]]><"),
    "character references": lambda raw: raw.replace(b">10101012<", b">1010&#x31;012<"),
    "hash in upper case": leaf(b"hash", bytes.upper),
    "latin1 by another name": lambda raw: raw.replace(b"ISO-8859-1", b"iso8859-1"),
    "an envelope": lambda raw: ENVELOPE + b"<s:Body>" + raw[DECLARED:] + b"</s:Body></s:Envelope>",
}


@pytest.mark.parametrize("change", RIGHT.values(), ids=RIGHT.keys())
def test_what_is_only_odd_passes(change: Change) -> None:
    raw = change(RAW)
    assert raw != RAW
    found = report(raw)
    assert found.problems == () and found.guides == 2


BROKEN: dict[str, tuple[str, Change]] = {
    "blank line before": ("encoding.not-xml.second", lambda raw: b"\r\n" + raw),
    "two messages": ("encoding.not-xml.second", lambda raw: raw + raw),
    "text before": ("encoding.not-xml.text", lambda raw: b"lote: " + raw),
    "end of a DOS file": ("encoding.not-xml.after", lambda raw: raw + b"\x1a"),
    "text after": ("encoding.not-xml.after", lambda raw: raw + b"fim"),
    "padding": ("encoding.nul", lambda raw: raw + b"\0\0"),
    "unknown prefix": ("encoding.not-xml.prefix", lambda raw: raw.replace(b'xmlns:ans="' + NS + b'"', b"")),
    "bare &": ("encoding.not-xml.ampersand", noted(b"P & B")),
    "&nbsp;": ("encoding.not-xml.ampersand", noted(b"a&nbsp;b")),
    "bare <": ("encoding.not-xml.less-than", noted(b"PA < 12")),
    "control character": ("encoding.not-xml.character", noted(b"a\x0bb")),
    "crossed tags": ("encoding.not-xml.crossed", lambda raw: raw.replace(b"</ans:guiasTISS>", b"</ans:guiaTISS>")),
    "cut within a tag": ("encoding.not-xml.cut", lambda raw: raw[: raw.index(b"</ans:guiaConsulta>") + 9]),
    "cut between tags": ("encoding.not-xml.cut", lambda raw: raw[: raw.index(b"<ans:epilogo>")]),
    "unknown encoding": ("encoding.unknown", lambda raw: raw.replace(b"ISO-8859-1", b"ISO-8859-99")),
    "PDF": ("encoding.other-kind", lambda _: b"%PDF-1.7 ..."),
    "a page": ("encoding.other-kind", lambda _: b"<!DOCTYPE html><html><body>Sess\xe3o expirada</body></html>"),
    "JSON": ("encoding.other-kind", lambda _: b'{"lote": 1}'),
    "old Excel": ("encoding.other-kind", lambda _: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99)),
}  # fmt: skip


@pytest.mark.parametrize(("code", "change"), BROKEN.values(), ids=BROKEN.keys())
def test_what_cannot_be_read_is_told_why(code: str, change: Change) -> None:
    found = report(change(ACCENTED if code == "encoding.unknown" else RAW))
    assert not found.readable and [problem.code for problem in found.problems] == [code]
    for language in ("pt", "en"):
        said = found.problems[0].text(language) + found.problems[0].remedy(language)
        assert "{" not in said and "?" not in re.sub(r"<\?xml.*?\?>", "", said), said


def test_latin1_without_its_declaration() -> None:
    bare, marked = ACCENTED[DECLARED:], b"\xef\xbb\xbf" + ACCENTED
    assert [problem.code for problem in report(bare).problems] == ["encoding.latin1-undeclared"]
    assert [problem.code for problem in report(marked).problems] == ["encoding.bom-only"]


MENDED: dict[str, tuple[str, Change]] = {
    "decimal comma": ("xsd.datatype.comma", leaf(b"valorProcedimento", lambda text: text.replace(b".", b","))),
    "day first": ("xsd.datatype.day-first", leaf(b"dataAtendimento", lambda t: t[8:] + b"/" + t[5:7] + b"/" + t[:4])),
    "date with an hour": ("xsd.datatype.date-hour", leaf(b"dataAtendimento", lambda text: text + b"T00:00:00")),
    "no seconds": ("xsd.datatype.time-short", leaf(b"horaRegistroTransacao", lambda text: text[:5])),
    "no leading zero": ("xsd.enumeration.zero", leaf(b"conselhoProfissional", lambda text: text.lstrip(b"0"))),
    "blanks around a code": ("xsd.enumeration.blanks", leaf(b"UF", lambda text: b" " + text + b" ")),
    "punctuation": ("xsd.pattern.punctuation", leaf(b"registroANS", lambda text: text[:5] + b"-" + text[5:])),
    "version as the catalogue writes it": ("header.version.form", lambda raw: raw.replace(b">4.03.00<", b">04.03.00<")),
    "version without zeros": ("header.version.form", lambda raw: raw.replace(b">4.03.00<", b">v4.3<")),
    "empty optional tag": ("xsd.empty-optional", noted(b"")),
    "xsi:nil": (
        "xsd.empty-optional",
        lambda raw: noted(b"")(raw).replace(
            b"<ans:observacao>", b'<ans:observacao xmlns:x="http://www.w3.org/2001/XMLSchema-instance" x:nil="true">'
        ),
    ),
    "no scheme": ("header.namespace.close", lambda raw: raw.replace(NS, NS.removeprefix(b"http://"))),
    "no namespace": (
        "header.namespace.absent",
        lambda raw: re.sub(rb"(</?)ans:", rb"\1", raw).replace(b' xmlns:ans="' + NS + b'"', b""),
    ),
    "https": ("header.namespace.close", lambda raw: raw.replace(NS, NS.replace(b"http", b"https"))),
    "slash": ("header.namespace.close", lambda raw: raw.replace(NS, NS + b"/")),
    "prefix on the root alone": ("header.namespace.inside", lambda raw: re.sub(rb"(</?)ans:(?!mens)", rb"\1", raw)),
    "xmlns undone inside": (
        "header.namespace.inside",
        lambda raw: (
            re.sub(rb"(</?)ans:", rb"\1", raw)
            .replace(b"xmlns:ans=", b"xmlns=")
            .replace(b"<cabecalhoConsulta>", b'<cabecalhoConsulta xmlns="">')
        ),
    ),
    "root in other capitals": ("xsd.root.case", lambda raw: raw.replace(b"mensagemTISS", b"MensagemTiss")),
    "tag in other capitals": ("xsd.content.case", lambda raw: raw.replace(b"ans:CNES>", b"ans:cnes>")),
    "tags out of order": (
        "xsd.content.order",
        lambda raw: re.sub(
            rb"(<ans:indicacaoAcidente>\d</ans:indicacaoAcidente>)(.*?</ans:dadosAtendimento>)", rb"\2\1", raw
        ),
    ),
    "attribute": ("xsd.attribute", lambda raw: raw.replace(b"<ans:CNES>", b'<ans:CNES tipo="x">')),
    "xsi:type": (
        "xsd.type",
        lambda raw: raw.replace(
            b"<ans:CNES>", b'<ans:CNES xmlns:x="http://www.w3.org/2001/XMLSchema-instance" x:type="ans:guiaConsulta">'
        ),
    ),
    "date without dashes": ("xsd.datatype.date-loose", leaf(b"dataAtendimento", lambda text: text.replace(b"-", b""))),
    "zeros a spreadsheet took": ("xsd.pattern.zero", leaf(b"registroANS", lambda text: text.lstrip(b"0"))),
    "occupation with a hyphen": ("xsd.enumeration.spelled", leaf(b"CBOS", lambda text: text[:4] + b"-" + text[4:])),
    "council by its name": ("xsd.enumeration.spelled", leaf(b"conselhoProfissional", lambda _: b"CRM")),
    "yes and no in words": ("xsd.enumeration.spelled", leaf(b"atendimentoRN", lambda _: "Não".encode("latin-1"))),
    "transaction in lower case": ("header.transaction", leaf(b"tipoTransacao", bytes.lower)),
    "code with points": ("table.code.spelled", leaf(b"codigoProcedimento", lambda _: b"1.01.01.01-2")),
    "blanks around a number": ("encoding.padded", leaf(b"codigoProcedimento", lambda text: text + b"  ")),
    "byte order mark": ("encoding.bom", lambda raw: "\ufeff".encode() + raw.decode("latin-1").encode()),
}


def leaves(raw: bytes) -> list[tuple[str, str]]:
    """All names and texts, the hash left out."""
    return [(str(node.tag), node.text or "") for node in etree.fromstring(raw).iter("{*}*") if node.tag != epilogo.HASH]


def test_an_epilogue_is_made_where_there_is_none() -> None:
    raw = re.sub(rb"<ans:epilogo>.*</ans:epilogo>", b"", RAW)
    assert [problem.code for problem in report(raw).problems] == ["hash.missing"]
    done = repair.repair(raw, tables=installed(), today=TODAY)
    assert isinstance(done, repair.Repaired) and [made.kind for made in done.changes] == ["hash"]
    assert done.report.problems == () and done.content == RAW


@pytest.mark.parametrize(("code", "change"), MENDED.values(), ids=MENDED.keys())
def test_what_is_written_in_another_way_is_named_and_mended(code: str, change: Change) -> None:
    raw = change(RAW)
    found = report(raw)
    wrong = [problem for problem in found.problems if not problem.code.startswith("hash.")]
    assert {problem.code for problem in wrong} == {code}
    in_guides = [problem for problem in wrong if "/guiasTISS/" in problem.where]
    assert all(found.guide(problem) == f"C{number}" for number, problem in enumerate(in_guides, start=1))
    done = repair.repair(raw, tables=installed(), today=TODAY)
    assert isinstance(done, repair.Repaired) and done.report.problems == ()
    assert leaves(done.content) == leaves(RAW)


@pytest.mark.parametrize("value", [b"1.234", b"1,2345", b"12.345.678", b"R$ 12,00", b"doze", b"99/99/2025", b"25:99"])
def test_what_can_be_read_in_two_ways_is_left_to_a_person(value: bytes) -> None:
    for name in (b"valorProcedimento", b"dataAtendimento", b"horaRegistroTransacao"):
        raw = leaf(name, lambda _: value)(RAW)
        done = repair.repair(raw, tables=installed(), today=TODAY)
        assert isinstance(done, repair.Repaired) and not done.report.ok
        assert value in done.content


@pytest.mark.parametrize("version", [b"2.02.03", b"3.02.00", b"3.04.01"])
def test_an_old_version_is_named_and_not_judged_by_a_newer_one(version: bytes) -> None:
    changed = RAW.replace(b">4.03.00<", b">" + version + b"<").replace(b"ans:guiaConsulta>", b"ans:guiaAntiga>")
    told = [problem for problem in report(changed).problems if not problem.code.startswith("hash.")]
    assert [problem.code for problem in told] == ["header.version.old"] and version.decode() in told[0].text()


def test_a_root_in_other_capitals_is_named() -> None:
    for root in (b"MENSAGEMTISS", b"mensagemTiss"):
        (found,) = report(RAW.replace(b"ans:mensagemTISS", b"ans:" + root)).problems
        assert found.code == "xsd.root.case" and "mensagemTISS" in found.text()


@pytest.mark.parametrize(
    "around",
    [
        b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n%s",
        b'--uuid:1\r\nContent-Type: application/xop+xml; charset="UTF-8"\r\n\r\n%s\r\n--uuid:1--\r\n',
        b"HTTP/1.1 200\nA: b\n\n--x\nC: d\n\n%s\n--x\nContent-ID: y\n\nz\n--x--",
    ],
)
def test_headers_of_the_transport_are_told_and_passed_over(around: bytes) -> None:
    found = report(around.replace(b"%s", RAW.rstrip()))
    assert [problem.code for problem in found.problems] == ["header.headers"] and found.ok and found.guides == 2


def test_one_place_is_told_of_once() -> None:
    for raw in (RAW.replace(b">4.03.00<", b">9.99.99<"), leaf(b"UF", lambda _: b"SP")(RAW)):
        places = [p.where for p in report(raw).problems if not p.code.startswith("hash.")]
        assert places and len(places) == len(set(places))


def test_an_operation_around_the_message_is_told_and_read() -> None:
    inner = b'<x:tissLoteGuias_Operation xmlns:x="urn:x">%s</x:tissLoteGuias_Operation>' % RAW[DECLARED:].strip()
    raw = ENVELOPE + b"<s:Body>" + inner + b"</s:Body></s:Envelope>"
    found = report(raw)
    assert [problem.code for problem in found.problems] == ["header.wrapper"] and found.ok and found.guides == 2
    body = soap.read(raw.replace(b"<ans:", b"<x:").replace(b"</ans:", b"</x:").replace(b'"urn:x"', b'"' + NS + b'"'))
    assert isinstance(body, soap.Body) and body.wrapper == "tissLoteGuias_Operation"
    assert report(body.content).guides == 2


def zipped(members: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return made.getvalue()


def test_a_zip_of_everything() -> None:
    deeper = zipped({"mais/fundo.zip": zipped({"a.xml": RAW})})
    raw = zipped(
        {
            "lotes/bom.xml": RAW,
            "lotes/ruim.xml": RAW[:500],
            "lotes/\x1b[2J.xml": RAW,
            "nota.xml": b'<nfeProc xmlns="http://www.portalfiscal.inf.br/nfe"/>',
            "lote sem nome": b"\r\n" + RAW,
            "dentro.zip": zipped({"interno.xml": RAW, "capa.pdf": b"%PDF"}),
            "fundo.zip": deeper,
            "capa.pdf": b"%PDF-1.4",
            "MARIA.jpg": b"\xff\xd8\xff",
            "vazio.xml": b"",
            "__MACOSX/lotes/._bom.xml": b"\0\5\x16\7",
            "Thumbs.db": b"\xd0\xcf\x11\xe0",
        }
    )
    found = dict(files.members("a.zip", raw))
    told = {name: content.code for name, content in found.items() if isinstance(content, Problem)}
    assert told == {"a.zip/fundo.zip/mais/fundo.zip": "encoding.zip-nested", "a.zip": "encoding.zip-other"}
    note = found["a.zip"]
    assert isinstance(note, Problem) and dict(note.args) == {"count": "3"} and not note.blocks
    good = [name for name, content in found.items() if content == RAW]
    assert good == ["a.zip/lotes/bom.xml", "a.zip/lotes/?[2J.xml", "a.zip/dentro.zip/interno.xml"]
    assert set(found) - set(told) - set(good) == {
        "a.zip/lotes/ruim.xml", "a.zip/nota.xml", "a.zip/lote sem nome", "a.zip/vazio.xml"
    }  # fmt: skip


def test_a_zip_that_is_a_sheet_or_empty() -> None:
    sheet = zipped({"[Content_Types].xml": b"<Types/>", "xl/workbook.xml": b"<workbook/>"})
    for raw, code in ((sheet, "encoding.other-kind"), (zipped({}), "encoding.zip-empty")):
        assert raw.startswith(files.ZIPPED)
        assert [content.code for _, content in files.members("a", raw) if isinstance(content, Problem)] == [code]


def test_zips_inside_share_the_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_MEMBERS", 5)
    many = zipped({f"{n}.xml": b"<a/>" for n in range(4)})
    found = dict(files.members("a", zipped({"1.zip": many, "2.zip": many})))
    assert [c.code for c in found.values() if isinstance(c, Problem)] == ["encoding.zip-bomb"] * 2
    monkeypatch.setattr(files, "MOST_BYTES", 3 * len(RAW))
    found = dict(files.members("a", zipped({"1.zip": zipped({"1.xml": RAW}), "2.zip": zipped({"2.xml": RAW})})))
    assert [c.code for c in found.values() if isinstance(c, Problem)] == ["encoding.zip-bomb"]


def test_the_commands_take_a_zip(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = leaf(b"valorProcedimento", lambda text: text.replace(b".", b","))(RAW)
    source, target = tmp_path / "a.zip", tmp_path / "b.zip"
    source.write_bytes(
        zipped({"1.xml": wrong, "dentro.zip": zipped({"2.xml": wrong}), "x.xml": b"<a", "capa.pdf": b"%PDF"})
    )
    assert main(["tiss", "repair", str(source), "--out", str(target)]) == 2
    told = capsys.readouterr()
    assert told.out.count("vírgula decimal") == 4 and "a.zip/x.xml: " in told.err
    made = {name.removeprefix(f"{target}/"): raw for name, raw in files.contents(target)}
    assert set(made) == {"1.xml", "dentro.zip/2.xml", "x.xml"} and made["x.xml"] == b"<a"
    assert {raw for name, raw in made.items() if name != "x.xml"} == {RAW}
    source.write_bytes(zipped({"1.xml": RAW, "2.xml": RAW, "capa.pdf": b"%PDF"}))
    assert main(["tiss", "hash", str(source)]) == 0 == main(["tiss", "show", str(source)])
    assert main(["tiss", "validate", "--json", str(source)]) in (0, 1)
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert last["ok"] and [problem["code"] for problem in last["problems"]] == ["encoding.zip-other"]


@pytest.mark.parametrize("first", [True, False])
def test_two_numbers_where_one_is_asked(first: bool) -> None:
    """Provider code and CNPJ together, in either order: neither order nor number is wrong, and nothing is repaired."""
    one, two = b"<ans:codigoPrestadorNaOperadora>12345</ans:codigoPrestadorNaOperadora>", b"<ans:CNPJ>%s</ans:CNPJ>"
    both = [one, two % clean.CNPJ.encode()]
    raw = RAW.replace(one, b"".join(both if first else both[::-1]))
    (found,) = [problem for problem in report(raw).problems if not problem.code.startswith("hash.")]
    assert found.code == "xsd.content.choice" and {"CNPJ", "codigoPrestadorNaOperadora"} <= set(
        re.findall(r"\w+", found.text())
    )
    assert offers.offered(found) is None
