"""Findings of the official schema in a biller's words: which field by its name in the manual, what is wrong, what to write."""

from __future__ import annotations

import copy
import csv
import random
import re
from pathlib import Path

import clean
import made
import pytest
from lxml import etree

import tiss.schema
from canonical.problem import Problem, catalogue
from tests.tiss.test_clean import TODAY, report
from tiss.checking import offers, repair
from tiss.schema import names
from tiss.tables.tables import installed
from tiss.wire import shapes, transactions, versions

NS = f"{{{versions.NAMESPACE}}}"
FOLDER = Path(tiss.schema.__file__).parent
SADT = clean.sadt_batch(1, "4.03.00", items=1, expenses=1)
# what a person who bills does not know: words of XML Schema, and of programs
_JARGON = re.compile(
    r"\b(elementos?|facet|pattern|enumeration|schema|XSD|raiz|cvc|namespace|datatype)\b", re.IGNORECASE
)


def said(raw: bytes) -> dict[str, Problem]:
    return {problem.code: problem for problem in report(raw).problems if problem.code.startswith("xsd.")}


def changed(name: str, text: str, raw: bytes = SADT) -> bytes:
    """The first field of a name with another text."""
    return re.sub(rf"(<ans:{name}>)[^<]*".encode(), rf"\g<1>{text}".encode(), raw, count=1)


CASES = {
    "a date that is none": ("dataAtendimento", "2026-02-31", "xsd.datatype.date", "Data do atendimento", "2026-11-20"),
    "letters for an amount": ("valorProcedimento", "dez", "xsd.datatype.number", "Valor do procedimento", "12.50"),
    "an amount too large": ("valorProcedimento", "1234567890123.45", "xsd.digits", "cabem 8 antes do ponto e 2 depois", "12.50"),
    "letters for the ANS number": ("registroANS", "12A456", "xsd.pattern.digits", "Registro ANS", "326305"),
    "a code of no table": ("tipoConsulta", "9", "xsd.enumeration", "Tipo de consulta", "1"),
    "a text too long": ("observacao", "x" * 501, "xsd.max-length", "Observação", "até 500 caracteres"),
    "a CNPJ of nothing": ("CNPJ", "11.222.333/XX", "xsd.pattern.cnpj", "CNPJ de 14 posições", "11222333000181"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "text", "code", "words", "example"), CASES.values(), ids=CASES.keys())
def test_a_value_is_told_by_the_name_of_its_field_with_an_example(
    name: str, text: str, code: str, words: str, example: str
) -> None:
    raw = clean.consulta_batch(1, "4.03.00")
    raw = raw.replace(b"</ans:guiaConsulta>", b"<ans:observacao>a</ans:observacao></ans:guiaConsulta>", 1)
    if name == "CNPJ":
        raw = re.sub(
            rb"<ans:codigoPrestadorNaOperadora>[^<]*</ans:codigoPrestadorNaOperadora>", b"<ans:CNPJ>1</ans:CNPJ>", raw
        )
    found = said(changed(name, text, raw))[code]
    assert words in found.text()
    assert f"({name})" in found.text() or f"campo {name} " in found.text()
    assert example in found.remedy()
    assert text not in found.text() + found.remedy(), "the value itself is never told"


def test_what_is_missing_is_told_by_its_name_and_the_group_that_lacks_it() -> None:
    raw = SADT.replace(b"<ans:atendimentoRN>N</ans:atendimentoRN>", b"", 1)
    found = said(raw)["xsd.missing"]
    assert found.text() == (
        "Falta no grupo Dados do beneficiário (dadosBeneficiario) o que é obrigatório: "
        "campo Atendimento a RN (atendimentoRN)."
    )


def test_one_of_several_is_asked_for_as_one_and_not_as_all() -> None:
    raw = re.sub(rb"(<ans:destino>).*?(</ans:destino>)", rb"\1\2", SADT)
    found = said(raw)["xsd.missing.one"]
    assert "falta um destes" in found.text() and "campo Registro ANS (registroANS)" in found.text()
    assert found.where.endswith("/destino")


def test_every_element_of_every_version_has_a_name() -> None:
    with (FOLDER / "names.csv").open(encoding="utf-8", newline="") as file:
        rows = [(row["element"], row["kind"]) for row in csv.DictReader(file)]
    assert rows == sorted(set(rows)) and {kind for _, kind in rows} == {names.FIELD, names.GROUP}
    known = set(rows)
    lacking = set()
    for version in versions.installed():
        for service in (False, True):
            table = shapes.of(version, service=service)
            for shape in table.types.values():
                for part in shape.parts:
                    if not part.name.startswith("{") and part.type in table.types:
                        kind = names.FIELD if table.types[part.type].simple else names.GROUP
                        lacking |= {(part.name, kind)} - known
    assert not lacking


def test_an_example_is_taken_by_the_field_it_is_for() -> None:
    for version in versions.installed():
        for service in (False, True):
            table = shapes.of(version, service=service)
            for shape in table.types.values():
                for part in shape.parts:
                    inner = table.types.get(part.type)
                    if inner is None or not inner.simple or part.name.startswith("{"):
                        continue
                    text = names.example(part.name, inner)
                    assert text.strip(), part.name
                    assert text in inner.codes or not inner.codes, (version, part.name)
                    assert inner.longest is None or len(text) <= inner.longest, (version, part.name)
                    assert inner.shortest is None or len(text) >= inner.shortest, (version, part.name)
                    assert all(re.fullmatch(pattern, text) for pattern in inner.patterns), (version, part.name)


def test_the_words_know_no_word_of_xml_schema() -> None:
    for code, words in catalogue().items():
        if code == "xsd" or code.startswith("xsd."):
            assert not _JARGON.search(words.text["pt"] + " " + words.remedy["pt"]), code


@pytest.mark.parametrize("name", sorted(transactions.table()))
def test_a_message_with_any_fault_is_told_in_whole_sentences(name: str) -> None:
    """An element of each message removed, moved, emptied, renamed, doubled, or with a text that is none of its own."""
    dice = random.Random(name)
    root = etree.fromstring(made.message(name, "4.03.00"))
    inner = [node for node in root.iter(etree.Element) if node is not root and node.tag.startswith(NS)]
    for position in dice.sample(range(len(inner)), min(8, len(inner))):
        for fault in FAULTS:
            again = copy.deepcopy(root)
            nodes = [node for node in again.iter(etree.Element) if node is not again and node.tag.startswith(NS)]
            fault(nodes[position])
            for problem in said(etree.tostring(again, xml_declaration=True, encoding="ISO-8859-1")).values():
                for text in (problem.text(), problem.remedy(), problem.text("en"), problem.remedy("en")):
                    assert text and "{" not in text and "?" not in text and "  " not in text, (problem.code, text)


def _removed(node: etree._Element) -> None:
    node.getparent().remove(node)  # type: ignore[union-attr]


def _moved(node: etree._Element) -> None:
    parent = node.getparent()
    assert parent is not None
    above = parent.getparent()
    (parent if above is None else above).append(node)


def _emptied(node: etree._Element) -> None:
    del node[:]
    node.text = None


def _renamed(node: etree._Element) -> None:
    node.tag = f"{node.tag}Novo"


def _doubled(node: etree._Element) -> None:
    node.addnext(copy.deepcopy(node))


def _strange(node: etree._Element) -> None:
    if not len(node):
        node.text = "31/02/2026 " * 60


FAULTS = (_removed, _moved, _emptied, _renamed, _doubled, _strange)


@pytest.mark.parametrize("version", ["4.02.00", "4.03.00"])
def test_zeros_a_spreadsheet_took_from_a_cnpj_come_back_also_where_it_may_have_letters(version: str) -> None:
    number = "001222330001" + clean.cnpj_digits("001222330001")
    raw = re.sub(
        rb"<ans:codigoPrestadorNaOperadora>[^<]*</ans:codigoPrestadorNaOperadora>",
        f"<ans:CNPJ>{number[2:]}</ans:CNPJ>".encode(),
        clean.consulta_batch(1, version),
    )
    found = said(raw)
    assert set(found) == {"xsd.pattern.zero"}
    told = offers.offered(found["xsd.pattern.zero"])
    assert told is not None and told["kind"] == "zeros"
    mended = repair.repair(raw, tables=installed(), today=TODAY)
    assert number.encode() in mended.content and not said(mended.content)


def test_what_the_header_lacks_beside_the_version_is_told_too() -> None:
    raw = re.sub(rb"<ans:origem>.*?</ans:Padrao>", b"", SADT, flags=re.DOTALL)
    assert raw != SADT
    told = {(problem.code, problem.where): problem for problem in report(raw).problems}
    where = "/mensagemTISS/cabecalho"
    assert ("header.version.missing", where) in told
    lacking = told["xsd.missing", where]
    assert "(origem)" in lacking.text() and "(destino)" in lacking.text() and "Padrao" not in lacking.text()


def test_a_lacking_version_alone_is_told_once() -> None:
    raw = re.sub(rb"<ans:Padrao>[^<]*</ans:Padrao>", b"", SADT)
    assert [p.code for p in report(raw).problems if not p.code.startswith("hash.")] == ["header.version.missing"]


def test_a_message_without_its_header_is_told_so() -> None:
    raw = re.sub(rb"<ans:cabecalho>.*?</ans:cabecalho>", b"", SADT, flags=re.DOTALL)
    found = next(problem for problem in report(raw).problems if problem.code.startswith("header.version.missing"))
    assert (found.code, found.where) == ("header.version.missing.header", "/mensagemTISS")
    assert "cabeçalho" in found.text() and "4.03.00" in found.remedy()
