"""Reading by markup: the quick way from bytes and the long way over the tree find the same, whatever the message."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Any

import clean
import made
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree
from shared_files import samples

from tiss.rules import fragments, marked, texts
from tiss.rules.layout import Unit
from tiss.rules.runs import Extract
from tiss.wire import epilogo, message, transactions, versions


def both(raw: bytes) -> tuple[Extract, Extract, bool]:
    """The quick reading and the long one, and whether the quick way could be gone."""
    parsed = message.read(raw)
    assert isinstance(parsed, message.Tiss)
    quick = marked._quickly(parsed, raw)
    long = fragments.extract(fragments.cut(marked.spelled(parsed.root), parsed, raw))
    assert "".join(long.parts) == epilogo.leaf_text(parsed.root)
    held = fragments.cut(quick or marked.spelled(parsed.root), parsed, raw)
    return fragments.extract(held), long, quick is not None


def facts(unit: Unit) -> list[tuple[str, str, dict[str, str]]]:
    return [(inner.place, inner.label, inner.texts) for inner in unit.below()]


def same(raw: bytes) -> bool:
    one, two, quick = both(raw)
    assert facts(one.whole) == facts(two.whole)
    assert (one.parts, one.identifiers, one.blank) == (two.parts, two.identifiers, two.blank)
    return quick


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(count=st.integers(1, 4), items=st.integers(1, 4), expenses=st.integers(0, 4), seed=st.integers(0, 99))
def test_batches(count: int, items: int, expenses: int, seed: int) -> None:
    assert same(clean.sadt_batch(count, items=items, expenses=expenses, seed=seed))


@pytest.mark.parametrize("version", ["4.02.00", "4.03.00"])
def test_every_sample(version: str) -> None:
    for path in sorted((samples("tiss") / version).glob("*.xml")):
        assert same(path.read_bytes()), path.name


def test_places_are_those_of_the_tree() -> None:
    raw = clean.sadt_batch(3)
    parsed = message.read(raw)
    assert isinstance(parsed, message.Tiss)
    known = {message.place(node) for node in parsed.root.iter()}
    one, _, _ = both(raw)
    for unit in one.whole.below():
        assert unit.place in known
        assert all(unit.at(role) in known for role in unit.texts)


VARIANTS = {
    "comments": lambda raw: raw.replace(b"<ans:guiasTISS>", b"<!-- a --><ans:guiasTISS><?x y?>"),
    "comment in a text": lambda raw: raw.replace(b"S2<", b"S<!-- x -->2<"),
    "CDATA": lambda raw: raw.replace(b">S2<", b"><![CDATA[S2]]><"),
    "no prefix": lambda raw: re.sub(rb"<(/?)ans:", rb"<\1", raw).replace(b"xmlns:ans", b"xmlns"),
    "another prefix": lambda raw: raw.replace(b"ans:", b"t-4.x:").replace(b"xmlns:ans=", b"xmlns:t-4.x="),
    "two prefixes": lambda raw: raw.replace(
        b"<ans:CNES>2077485</ans:CNES>",
        b'<b:CNES xmlns:b="http://www.ans.gov.br/padroes/tiss/schemas">2077485</b:CNES>',
        1,
    ),
    "indented": lambda raw: re.sub(rb">(?=<ans:)", b">\r\n\t", raw),
    "a tag in an attribute": lambda raw: raw.replace(b"<ans:numeroLote>", b"<ans:numeroLote x='a>b/>'>"),
    "greater-than in a text": lambda raw: raw.replace(b">S2<", b">S>2<"),
    "references": lambda raw: raw.replace(b">S2<", b">&#83;&amp;2<"),
    "empty elements": lambda raw: raw.replace(b">S2<", b"><").replace(b"<ans:senha>A1</ans:senha>", b"<ans:senha/>"),
    "UTF-16": lambda raw: raw.decode("latin-1").replace("ISO-8859-1", "UTF-16").encode("utf-16"),
    "blank before the root": lambda raw: raw.replace(b"?>", b"?>\n\n  ", 1).replace(b"\n\n  \n", b"\n\n"),
    "after the root": lambda raw: raw + b"\n<!-- end -->\n",
    "signature": lambda raw: raw.replace(
        b"</ans:mensagemTISS>",
        b'<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignatureValue>abc</ds:SignatureValue>'
        b"</ds:Signature></ans:mensagemTISS>",
    ),
    "strange elements": lambda raw: raw.replace(b"<ans:guiasTISS>", b"<ans:guiasTISS><x><ans:CNPJ>1</ans:CNPJ></x>"),
}


@pytest.mark.parametrize("change", VARIANTS.values(), ids=VARIANTS.keys())
def test_variants(change: object) -> None:
    raw = clean.sadt_batch(3)
    changed = change(raw)  # type: ignore[operator]
    assert changed != raw
    same(changed)


def test_every_transaction_in_both_forms() -> None:
    for name in transactions.table():
        for service in (False, True):
            assert same(made.message(name, "4.03.00", service=service))


def test_what_was_seen_before_is_read_the_same() -> None:
    dice = random.Random(3)
    first = clean.sadt_batch(5, seed=8)
    before = facts(both(first)[0].whole)
    for _ in range(20):
        both(clean.sadt_batch(2, items=dice.randint(1, 9), expenses=dice.randint(0, 9)))
    assert facts(both(first)[0].whole) == before


def test_texts_of_other_markup_are_not_mixed() -> None:
    parsed = etree.fromstring(clean.consulta_batch(1))
    for node in list(parsed.iter("{*}numeroGuiaPrestador")):
        node.getparent().remove(node)  # type: ignore[union-attr]
    raw = etree.tostring(parsed, xml_declaration=True, encoding="ISO-8859-1")
    assert isinstance(raw, bytes)
    assert "number" not in both(raw)[0].whole.rows[0].texts


@pytest.mark.parametrize("version", ["4.02.00", "4.03.00"])
@pytest.mark.parametrize("service", [False, True])
def test_blanks_are_looked_for_wherever_the_schema_lets_them_pass(version: str, service: bool) -> None:
    for raw in (clean.consulta_batch(1, version, service=service), clean.sadt_batch(1, version, service=service)):
        parsed = message.read(raw)
        assert isinstance(parsed, message.Tiss)
        schema, let = versions.schema(version, service=service), set()
        for leaf in [node for node in parsed.root.iter(etree.Element) if not len(node)]:
            held, leaf.text = leaf.text, " "
            if schema.validate(parsed.root):
                let.add(etree.QName(leaf).localname)
            leaf.text = held
        assert let
        assert let <= (texts.may_be_blank(version, service=service) or set())


def _element(name: str) -> etree._Element:
    return etree.Element(f"{{{versions.NAMESPACE}}}{name}")


BETWEEN: dict[str, Callable[[Any], object]] = {
    "nothing": lambda guide: None,
    "blanks": lambda guide: setattr(guide, "tail", "\n "),
    "an empty element": lambda guide: guide.addnext(_element("x")),
    "an empty guide": lambda guide: guide.addnext(_element("guiaSP-SADT")),
    "another guide": lambda guide: guide.addnext(_element("guiaConsulta")),
    "a guide less": lambda guide: guide.getparent().remove(guide),
    "a text less": lambda guide: guide.remove(guide[-1]),
    "an attribute": lambda guide: guide.set("x", ">"),
}


@pytest.mark.parametrize("between", BETWEEN)
@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 8, 9, 40])
def test_equal_guides_are_read_together_as_far_as_they_are_equal(count: int, between: str) -> None:
    guide = clean.sadt(1, random.Random(1))
    parsed = message.read(clean.batch("guiaSP-SADT", [guide] * count, "4.03.00"))
    assert isinstance(parsed, message.Tiss)
    guides = list(parsed.root.iter(f"{{{versions.NAMESPACE}}}guiaSP-SADT"))
    BETWEEN[between](guides[count // 2])
    raw: Any = etree.tostring(parsed.root, encoding="ISO-8859-1", xml_declaration=True)
    assert same(raw) == same(raw)  # markup is known by its spelling from the second time on
