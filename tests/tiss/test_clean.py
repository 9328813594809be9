"""Clean batches give no finding at all, in every size, version and form; their hash agrees with independent code."""

from __future__ import annotations

import datetime
import hashlib
import random
import re
from concurrent.futures import ThreadPoolExecutor
from html import unescape

import clean
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tiss.checking.report import Contract, Report, validate
from tiss.tables.tables import installed
from tiss.wire import soap

TODAY = datetime.date(2026, 11, 22)
VERSIONS = ("4.02.00", "4.03.00")


def report(raw: bytes, contract: Contract | None = None) -> Report:
    return validate(raw, tables=installed(), today=TODAY, contract=contract)


def independent_hash(raw: bytes) -> str:
    """Leaf texts by a regular expression over the text, hash left out; MD5 in ISO-8859-1."""
    text = raw.decode("iso-8859-1")
    leaves = re.findall(r"<(?:ans:)?([\w.-]+)>([^<]*)</(?:ans:)?\1>", text)
    joined = "".join(unescape(value) for name, value in leaves if name != "hash")
    return hashlib.md5(joined.encode("iso-8859-1")).hexdigest()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    count=st.integers(1, 6),
    items=st.integers(1, 6),
    expenses=st.integers(0, 6),
    seed=st.integers(0, 10_000),
    version=st.sampled_from(VERSIONS),
    service=st.booleans(),
)
def test_sadt(count: int, items: int, expenses: int, seed: int, version: str, service: bool) -> None:
    raw = clean.sadt_batch(count, version, items=items, expenses=expenses, service=service, seed=seed)
    found = report(raw)
    assert found.problems == ()
    assert (found.ok, found.guides, found.version) == (True, count, version)
    assert found.hash.stated == found.hash.computed == independent_hash(raw)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(count=st.integers(1, 8), seed=st.integers(0, 10_000), version=st.sampled_from(VERSIONS), service=st.booleans())
def test_consulta(count: int, seed: int, version: str, service: bool) -> None:
    raw = clean.consulta_batch(count, version, service=service, seed=seed)
    found = report(raw)
    assert found.problems == ()
    assert found.guides == count
    assert found.hash.computed == independent_hash(raw)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_full_batch(version: str) -> None:
    found = report(clean.sadt_batch(100, version, items=5, expenses=4))
    assert found.problems == ()
    assert found.guides == 100


def test_the_total_is_the_sum_of_the_guides() -> None:
    dice = random.Random(3)
    guides = [clean.sadt(n, dice) for n in range(1, 4)]
    raw = clean.batch("guiaSP-SADT", guides, "4.03.00")
    cents = sum(round(float(guide["valorTotal"]["valorTotalGeral"]) * 100) for guide in guides)
    assert report(raw).total == f"{cents // 100}.{cents % 100:02d}"
    visits = [clean.consulta(n, dice) for n in range(1, 4)]
    paid = sum(round(float(g["dadosAtendimento"]["procedimento"]["valorProcedimento"]) * 100) for g in visits)
    assert report(clean.batch("guiaConsulta", visits, "4.03.00")).total == f"{paid // 100}.{paid % 100:02d}"


def test_an_indented_file_has_the_same_hash_and_no_finding() -> None:
    raw = clean.sadt_batch(2)
    indented = re.sub(rb">(?=<ans:|</ans:\w+></)", b">\n  ", raw)
    assert indented != raw
    found = report(indented)
    assert found.problems == ()
    assert found.hash.computed == report(raw).hash.computed


def test_a_cnpj_with_letters_is_good_from_4_03() -> None:
    head = clean.header("ENVIO_LOTE_GUIAS", "4.03.00", provider={"CNPJ": clean.LETTER_CNPJ})
    guides = [clean.consulta(1, random.Random(1))]
    assert report(clean.batch("guiaConsulta", guides, "4.03.00", head=head)).problems == ()


def test_without_tables_and_day_what_needs_them_is_left_out() -> None:
    raw = clean.sadt_batch(1).replace(b"40304361", b"40304362")
    found = validate(raw, tables=None)
    assert {problem.code for problem in found.problems} <= {"hash.wrong"}


def test_an_unlisted_operator_is_known_by_contract() -> None:
    ans = clean.unknown_operator()
    raw = clean.sadt_batch(1).replace(clean.OPERATOR.encode(), ans.encode())
    from tiss.wire import build, message

    parsed = message.read(raw)
    assert isinstance(parsed, message.Tiss)
    build.seal(parsed.root)
    raw = build.serialize(parsed.root)
    assert [problem.code for problem in report(raw).problems] == ["table.operator"]
    assert report(raw, Contract(known_operator=True)).problems == ()


XSI = b' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="%s"'


@pytest.mark.parametrize(
    "location", [b"http://www.ans.gov.br/padroes/tiss/schemas tissV4_03_00.xsd", b"urn:x file:///nowhere/x.xsd"]
)
def test_a_schema_location_is_no_fault_and_not_followed(location: bytes) -> None:
    raw = clean.sadt_batch(1).replace(b"<ans:mensagemTISS", b"<ans:mensagemTISS" + XSI % location)
    assert report(raw).problems == ()


def test_other_prefixes_and_comments_are_no_fault() -> None:
    raw = clean.sadt_batch(2)
    bare = re.sub(rb"<(/?)ans:", rb"<\1", raw).replace(b"xmlns:ans", b"xmlns")
    renamed = raw.replace(b"ans:", b"tiss-4:").replace(b"xmlns:ans=", b"xmlns:tiss-4=")
    noted = raw.replace(b"<ans:guiasTISS>", b"<!-- lote --><?x y?><ans:guiasTISS>").replace(b"S2<", b"S<!-- x -->2<")
    for changed in (bare, renamed, noted):
        found = report(changed)
        assert found.problems == ()
        assert found.hash.computed == report(raw).hash.computed
    broken = bare.replace(b"<CNES>2077485</CNES>", b"<CNES>2077485</CNES><X/>", 1)
    assert ("xsd.content.unknown", True) in [
        (problem.code, problem.where.endswith("guiaSP-SADT[1]/dadosExecutante/X"))
        for problem in report(broken).problems
    ]


def test_a_message_saved_with_its_envelope() -> None:
    raw = clean.sadt_batch(2, service=True)
    found = report(soap.envelope(raw))
    assert found.problems == ()
    assert (found.form, found.guides, found.hash.computed) == ("service", 2, independent_hash(raw))
    assert [problem.code for problem in report(soap.fault("HashInvalido", "x")).problems] == ["header.namespace"]


def test_threads_do_not_mix_their_findings() -> None:
    good = clean.sadt_batch(3)
    bad = good.replace(b"<ans:CNES>2077485</ans:CNES>", b"", 1)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(report, [good, bad] * 10))
    for index, one in enumerate(found):
        assert ("xsd.content" in {p.code for p in one.problems} or "xsd.missing" in {p.code for p in one.problems}) == (
            index % 2 == 1
        )
