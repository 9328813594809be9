"""What the schema is spared: parts of equal markup are called sound only where libxml2 finds nothing in all of them."""

from __future__ import annotations

import random
from functools import cache

import clean
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from tests.tiss.test_structure import VARIANTS
from tiss.rules import fragments
from tiss.schema import alike, facets
from tiss.wire import build, message, versions

VERSIONS = ("4.02.00", "4.03.00")
TEXTS = (
    " ", "0", "1", "01", "10", "99", "100", "999", "-1", "+1", "1.", ".5", "1.0", "1.00", "12.345", "0.0001", "1e3", "1,0",
    "123456789.12", "99999999.99", "00000000001.00", "9" * 18, "9" * 30, "٣", "S", "N", "A", "a1", "OLM", "OLMVDIP", "Ação", "é" * 20,
    "x" * 21, "x" * 500, "x" * 1001, "x y", "x\ty", "x\ny", " x", "x ", "2026-02-28", "2026-02-29", "2024-02-29", "2026-02-30",
    "2026-04-31", "2026-12-31", "2026-13-01", "2026-00-10", "1849-12-31", "1850-01-01", "1900-01-01", "2100-01-01", "2026-11-20Z",
    "2026-11-20-03:00", "26-11-20", "07:00:00", "24:00:00", "23:59:60", "7:00:00", "07:00", "07:00:00.5", "07:00:00Z", "true", "TRUE",
    "112223330001", "11222333000181", "12345678901", "000515", "40304361", "J18", "J18.9",
)  # fmt: skip


@cache
def judge(version: str) -> etree.XMLSchema:
    """A schema with an element of each simple type, under the type's name."""
    folder = versions.at(version).folder
    types = next(folder.glob("tissSimpleTypes*.xsd")).resolve().as_uri()
    elements = "".join(f'<element name="{name}" type="a:{name}"/>' for name in named(version))
    text = (
        f'<schema xmlns="http://www.w3.org/2001/XMLSchema" xmlns:a="{versions.NAMESPACE}"'
        f' targetNamespace="{versions.NAMESPACE}"><include schemaLocation="{types}"/>{elements}</schema>'
    )
    return etree.XMLSchema(etree.fromstring(text))


def named(version: str) -> list[str]:
    return [name for name in facets.takers(version) or {} if name.startswith(("st_", "dm_"))]


def takes(version: str, name: str, text: str) -> bool:
    node = etree.Element(f"{{{versions.NAMESPACE}}}{name}")
    node.text = text
    return bool(judge(version).validate(node))


@pytest.mark.parametrize("version", VERSIONS)
def test_what_a_type_is_said_to_take_it_takes(version: str) -> None:
    takers = facets.takers(version)
    assert takers is not None
    for name in named(version):
        good = [text for text in TEXTS if takers[name]([text])]
        assert all(takes(version, name, text) for text in good), name
        assert not good or takers[name](good)
        assert not any(takers[name]([*good, text]) for text in TEXTS if not takes(version, name, text)), name


@pytest.mark.parametrize("version", VERSIONS)
def test_the_codes_of_every_type_are_taken(version: str) -> None:
    takers = facets.takers(version) or {}
    for path in versions.at(version).folder.glob("tissSimpleTypes*.xsd"):
        for node in etree.parse(str(path)).iter("{*}simpleType"):
            name, codes = node.get("name", ""), [code.get("value", "") for code in node.iter("{*}enumeration")]
            if codes and name in takers:
                assert takers[name](codes), name
                assert all(takes(version, name, code) for code in codes[:5]), name


def test_the_schemas_of_every_version_are_understood(every_version: tuple[str, ...]) -> None:
    for version in every_version:
        assert facets.takers(version), version


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_text_of_any_type(data: st.DataObject) -> None:
    takers = facets.takers("4.03.00") or {}
    name = data.draw(st.sampled_from(named("4.03.00")))
    text = data.draw(st.text("0123456789.-:+ATZaz é\u0663", min_size=1, max_size=12))
    assert takes("4.03.00", name, text) or not takers[name]([text, text])


def judged(raw: bytes) -> tuple[bool, bool]:
    """Whether a message is called sound, and whether libxml2 finds nothing in it; never the first alone."""
    parsed = message.read(raw)
    assert isinstance(parsed, message.Tiss)
    sound = alike.sound(fragments.pieces(parsed, raw), parsed.version)
    right = bool(versions.schema(parsed.version, service=parsed.service).validate(parsed.root))
    assert right or not sound
    return sound, right


@pytest.mark.parametrize("service", [False, True])
@pytest.mark.parametrize("version", VERSIONS)
def test_batches_of_equal_guides_are_spared(version: str, service: bool) -> None:
    assert judged(clean.consulta_batch(60, version, service=service)) == (True, True)
    mixed = clean.sadt_batch(60, version=version, service=service)
    judged(mixed)  # markup is known whole from the second time it is seen
    assert judged(mixed) == judged(mixed) == (True, True)
    assert judged(clean.consulta_batch(3, version, service=service)) == (False, True)


def test_as_many_guides_as_the_schema_lets_follow_each_other() -> None:
    for seed in range(2):  # the markup is known from the second time on
        for count in (98, 99, 100):
            assert judged(clean.consulta_batch(count, seed=seed)) == (True, True)
        for count in (101, 102, 200):
            assert judged(clean.consulta_batch(count, seed=seed)) == (False, False)


@pytest.mark.parametrize("change", VARIANTS.values(), ids=VARIANTS.keys())
def test_variants(change: object) -> None:
    raw = clean.sadt_batch(24)
    judged(change(raw))  # type: ignore[operator]
    judged(change(raw.replace(b"S2<", b"S9<")))  # type: ignore[operator]


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 5), visit=st.booleans(), data=st.data())
def test_any_fault_anywhere(seed: int, visit: bool, data: st.DataObject) -> None:
    raw = clean.consulta_batch(45, seed=seed) if visit else clean.sadt_batch(20, items=2, expenses=0, seed=seed)
    parsed = message.read(raw)
    assert isinstance(parsed, message.Tiss)
    leaves = [node for node in parsed.root.iter(etree.Element) if not len(node)]
    for _ in range(data.draw(st.integers(0, 2))):
        leaves[data.draw(st.integers(0, len(leaves) - 1))].text = data.draw(st.sampled_from(TEXTS))
    one = leaves[data.draw(st.integers(0, len(leaves) - 1))]
    above = one.getparent()
    assert above is not None
    what = data.draw(st.sampled_from(("nothing", "twice", "gone", "attribute", "moved", "stranger")))
    if what == "twice":
        above.append(etree.fromstring(etree.tostring(one)))
    elif what == "gone":
        above.remove(one)
    elif what == "attribute":
        above.set("x", "1")
    elif what == "moved":
        above.insert(0, one)
    elif what == "stranger":
        etree.SubElement(above, "x").text = "1"
    if data.draw(st.booleans()):
        etree.indent(parsed.root)
    judged(build.serialize(parsed.root))


def test_blanks_between_elements_may_differ() -> None:
    dice = random.Random(4)
    parsed = message.read(clean.consulta_batch(50))
    assert isinstance(parsed, message.Tiss)
    for node in parsed.root.iter("{*}guiaConsulta"):
        node.tail = " \n" * dice.randint(1, 3)
    assert judged(build.serialize(parsed.root)) == (True, True)
    node.tail = "x"
    assert judged(build.serialize(parsed.root)) == (False, False)


def test_a_schema_of_more_than_is_understood_is_left_to_libxml2() -> None:
    for inner, plain in (
        ('<element name="a" type="string"/>', True),
        ('<element name="a" fixed="1"/>', False),
        ('<element name="a"><unique name="u"/></element>', False),
        ('<complexType name="t"><sequence maxOccurs="2"/></complexType>', False),
        ('<complexType name="t"><sequence><element name="b" minOccurs="2"/></sequence></complexType>', False),
        ('<complexType name="t"><all/></complexType>', False),
    ):
        node = etree.fromstring(f'<schema xmlns="http://www.w3.org/2001/XMLSchema">{inner}</schema>')
        assert all(map(facets._understood, node.iter(etree.Element))) is plain, inner
