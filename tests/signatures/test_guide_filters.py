"""Guide signatures that name or pick their guide: by its Id, inside or beside it, or by an XPath of a usual kind."""

from __future__ import annotations

import base64
import datetime
import hashlib

import pytest
from lxml import etree

from signatures import reading, xmldsig
from signatures.keys import Signer
from signatures.trust import Trust
from signatures.verdict import Outcome, Reason
from signatures.writing import ENVELOPED, EXCLUSIVE, RSA_SHA256, SHA256
from tests.signatures.test_guide_signatures import ANS, DS, HERE, guide_of, judged, written

XPATH = "http://www.w3.org/TR/1999/REC-xpath-19991116"
FILTER2 = "http://www.w3.org/2002/06/xmldsig-filter2"
OWN = "not(ancestor-or-self::ans:assinaturaDigitalGuia)"
SELF = "ancestor-or-self::ans:guiaConsulta[ans:cabecalhoConsulta/ans:numeroGuiaPrestador='{}']"
SUBTRACT = ("subtract", "//ans:assinaturaDigitalGuia")
NUMBER = f"{ANS}cabecalhoConsulta/{ANS}numeroGuiaPrestador"


@pytest.fixture
def root(batch: bytes) -> etree._Element:
    return etree.fromstring(batch)


def xpath(*terms: str) -> str:
    inner = " and ".join(terms)
    return f'<ds:Transform Algorithm="{XPATH}"><ds:XPath>{inner}</ds:XPath></ds:Transform>'


def filters(*steps: tuple[str, str]) -> str:
    inner = "".join(f'<f:XPath Filter="{kind}">{text}</f:XPath>' for kind, text in steps)
    return f'<ds:Transform Algorithm="{FILTER2}" xmlns:f="{FILTER2}">{inner}</ds:Transform>'


def signature(name: str, uri: str, transforms: str, octets: bytes) -> etree._Element:
    """A signature with its reference, not signed yet."""
    digest = base64.b64encode(hashlib.sha256(octets).digest()).decode()
    return etree.fromstring(
        f'<{name} xmlns:ans="{ANS[1:-1]}" xmlns:ds="{DS[1:-1]}"><ds:SignedInfo>'
        f'<ds:CanonicalizationMethod Algorithm="{EXCLUSIVE}"/><ds:SignatureMethod Algorithm="{RSA_SHA256}"/>'
        f'<ds:Reference URI="{uri}"><ds:Transforms>{transforms}<ds:Transform Algorithm="{EXCLUSIVE}"/></ds:Transforms>'
        f'<ds:DigestMethod Algorithm="{SHA256}"/><ds:DigestValue>{digest}</ds:DigestValue></ds:Reference>'
        f"</ds:SignedInfo><ds:SignatureValue/><ds:KeyInfo><ds:X509Data/></ds:KeyInfo></{name}>"
    )


def sign(node: etree._Element, signer: Signer) -> None:
    """Fill in value and certificate of a signature where it stands."""
    info, value = node[0], node[1]
    value.text = base64.b64encode(signer.sign(reading.canonical_part(info))).decode()
    for der in (signer.der,):
        etree.SubElement(node[2][0], f"{DS}X509Certificate").text = base64.b64encode(der).decode()


def close(root: etree._Element, number: int, transforms: str, signer: Signer, *, whole: bool = False) -> None:
    """The guide closed by a signature over itself, or over the message without the signatures of guides."""
    guide = guide_of(root, number)
    covered = etree.fromstring(written(root)) if whole else guide
    octets = reading.canonical_document(covered) if whole else reading.canonical_part(guide)
    node = signature("ans:assinaturaDigitalGuia", "", transforms, octets)
    guide.append(node)
    sign(node, signer)


def numbers(root: etree._Element) -> list[str]:
    return [guide_of(root, at).findtext(NUMBER) or "" for at in (0, 1)]


PICKS = {
    "XPath": lambda number: xpath(SELF.format(number), OWN),
    "XPath, the other way round": lambda number: xpath(OWN, SELF.format(number)),
    "two XPaths": lambda number: xpath(SELF.format(number)) + xpath(OWN),
    "XPath without a number": lambda _: xpath("ancestor-or-self::ans:guiaConsulta", OWN),  # signed before the batch
    "XPath and enveloped": lambda number: xpath(SELF.format(number)) + f'<ds:Transform Algorithm="{ENVELOPED}"/>',
    "filters": lambda number: filters(
        ("intersect", f"//ans:guiaConsulta[.//ans:numeroGuiaPrestador='{number}']"), SUBTRACT
    ),
    "filters, the own signature": lambda number: filters(
        ("intersect", f"//ans:guiaConsulta[.//ans:numeroGuiaPrestador='{number}']"),
        ("subtract", "here()/ancestor::ans:assinaturaDigitalGuia[1]"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", PICKS)
def test_an_xpath_that_picks_its_guide(
    root: etree._Element, signer: Signer, trust: Trust, at: datetime.datetime, way: str
) -> None:
    for number, own in enumerate(numbers(root)):
        close(root, number, PICKS[way](own), signer)
    found = judged(written(root), trust, at)
    assert [(seal.where, seal.verdict.outcome) for seal in found] == [
        (f"{HERE}[1]", Outcome.PASSED), (f"{HERE}[2]", Outcome.PASSED)
    ]  # fmt: skip
    next(guide_of(root, 1).iter(f"{ANS}valorProcedimento")).text = "0.01"
    assert [seal.verdict.reason for seal in judged(written(root), trust, at)] == [None, Reason.HASH_FAILURE]


def test_a_path_that_counts_guides(root: etree._Element, signer: Signer, trust: Trust, at: datetime.datetime) -> None:
    above = "/ans:mensagemTISS/ans:prestadorParaOperadora/ans:loteGuias/ans:guiasTISS"
    close(root, 1, filters(("intersect", f"{above}/ans:guiaConsulta[2]"), SUBTRACT), signer)
    (found,) = judged(written(root), trust, at)
    assert (found.where, found.verdict.outcome) == (f"{HERE}[2]", Outcome.PASSED)


@pytest.mark.parametrize("transforms", [xpath(OWN), filters(SUBTRACT)], ids=["XPath", "filters"])
def test_an_xpath_that_leaves_out_the_signatures_of_guides(
    root: etree._Element, signer: Signer, trust: Trust, at: datetime.datetime, transforms: str
) -> None:
    for number in (0, 1):
        bare = etree.fromstring(written(root))
        for node in list(bare.iter(f"{ANS}assinaturaDigitalGuia")):
            xmldsig.detach(node)
        guide = guide_of(root, number)
        node = signature("ans:assinaturaDigitalGuia", "", transforms, reading.canonical_document(bare))
        guide.append(node)
        sign(node, signer)
    assert [seal.verdict.outcome for seal in judged(written(root), trust, at)] == [Outcome.PASSED] * 2
    next(root.iter(f"{ANS}numeroLote")).text = "999"
    assert {seal.verdict.reason for seal in judged(written(root), trust, at)} == {Reason.HASH_FAILURE}


@pytest.mark.parametrize(
    "text",
    [
        "true()", "not(ancestor-or-self::ans:valorProcedimento)", "ancestor-or-self::ans:cabecalhoConsulta", "1=1 or 2=2",
        "self::ans:guiaConsulta", f"{OWN} or true()",
        "ancestor-or-self::ans:guiaConsulta[ans:cabecalhoConsulta/ans:numeroGuiaPrestador='nenhuma']",
    ],
)  # fmt: skip
def test_an_xpath_of_another_kind_or_over_something_else_fails(
    root: etree._Element, signer: Signer, trust: Trust, at: datetime.datetime, text: str
) -> None:
    close(root, 0, xpath(text) + xpath(OWN), signer)
    (found,) = judged(written(root), trust, at)
    assert found.verdict.outcome is Outcome.FAILED and found.where == f"{HERE}[1]"


def test_one_that_picks_another_guide_fails(
    root: etree._Element, signer: Signer, trust: Trust, at: datetime.datetime
) -> None:
    first, second = numbers(root)
    octets = reading.canonical_part(guide_of(root, 1))
    node = signature("ans:assinaturaDigitalGuia", "", xpath(SELF.format(second), OWN), octets)
    guide_of(root, 0).append(node)
    sign(node, signer)
    (found,) = judged(written(root), trust, at)
    assert first != second and found.verdict.outcome is Outcome.FAILED


@pytest.mark.parametrize("beside", [False, True])
def test_a_guide_named_by_its_id(
    root: etree._Element, signer: Signer, trust: Trust, at: datetime.datetime, beside: bool
) -> None:
    guide = guide_of(root, 1)
    guide.set("Id", "G2")
    octets = reading.canonical_part(guide)
    name = "ds:Signature" if beside else "ans:assinaturaDigitalGuia"
    node = signature(name, "#G2", "" if beside else f'<ds:Transform Algorithm="{ENVELOPED}"/>', octets)
    if beside:
        guide.addnext(node)
    else:
        guide.append(node)
    sign(node, signer)
    (found,) = judged(written(root), trust, at)
    assert (found.where, found.verdict.outcome, found.verdict.covered[0]) == (f"{HERE}[2]", Outcome.PASSED, found.where)
    whole = judged(xmldsig.sign(written(root), signer), trust, at) if not beside else []
    assert {seal.verdict.outcome for seal in whole} <= {Outcome.PASSED}
    next(guide.iter(f"{ANS}valorProcedimento")).text = "0.01"
    (found,) = judged(written(root), trust, at)
    assert found.verdict.reason is Reason.HASH_FAILURE
    guide_of(root, 0).set("Id", "G2")
    assert {seal.verdict.outcome for seal in judged(written(root), trust, at)} == {Outcome.FAILED}
