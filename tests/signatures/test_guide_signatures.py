"""Signatures of single guides: whatever the signer took for the document, what is changed later is told at its guide."""

from __future__ import annotations

import datetime
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree
from signxml import XMLSigner
from signxml.algorithms import CanonicalizationMethod

from signatures import guides, xmldsig
from signatures.guides import Seal
from signatures.keys import Signer
from signatures.trust import Trust
from signatures.verdict import Outcome, Reason

ANS = "{http://www.ans.gov.br/padroes/tiss/schemas}"
DS = "{http://www.w3.org/2000/09/xmldsig#}"
HERE = "/mensagemTISS/prestadorParaOperadora/loteGuias/guiasTISS/guiaConsulta"


@pytest.fixture
def two(batch: bytes) -> bytes:
    """A batch of two guides, indented as other systems write it."""
    root = etree.fromstring(batch)
    assert len(list(root.iter(f"{ANS}guiaConsulta"))) == 2
    etree.indent(root)
    return written(root)


def written(root: etree._Element) -> bytes:
    made: bytes = etree.tostring(root, encoding="ISO-8859-1", xml_declaration=True)
    return made


def guide_of(root: etree._Element, number: int) -> etree._Element:
    return list(root.iter(f"{ANS}guiaConsulta"))[number]


def closed_by(guide: etree._Element, children: list[etree._Element]) -> None:
    etree.SubElement(guide, f"{ANS}assinaturaDigitalGuia").extend(children)


def alone(root: etree._Element, number: int, signer: Signer) -> None:
    """The guide signed as a document of its own, as `ponte sign` does it."""
    guide = guide_of(root, number)
    lone = etree.tostring(guide, with_tail=False, encoding="ISO-8859-1", xml_declaration=True)
    signed = etree.fromstring(xmldsig.sign(lone, signer))
    signed.tail = guide.tail
    parent = guide.getparent()
    assert parent is not None
    parent.replace(guide, signed)


def by_others(root: etree._Element, number: int, signer: Signer) -> None:
    """The guide signed by another library with inclusive canonicalisation, before it came into the batch."""
    guide = guide_of(root, number)
    lone = etree.fromstring(etree.tostring(guide, with_tail=False))
    key, certificates = signer.key, [signer.certificate, *signer.chain]
    signed = XMLSigner(c14n_algorithm=CanonicalizationMethod.CANONICAL_XML_1_0).sign(
        lone, key=key, cert=[c.public_bytes(Encoding.PEM).decode() for c in certificates]
    )
    closed_by(guide, list(signed.find(f"{DS}Signature")))


def in_place(root: etree._Element, number: int, signer: Signer) -> None:
    """The whole message signed as it stands, the signature put into the guide."""
    signed = etree.fromstring(xmldsig.sign(written(root), signer))
    closed_by(guide_of(root, number), list(signed[-1]))


Way = Callable[[etree._Element, int, Signer], None]
WAYS: list[Way] = [alone, by_others, in_place]


def judged(document: bytes, trust: Trust, at: datetime.datetime) -> list[Seal]:
    return guides.judged(document, trust=trust, at=at)


@pytest.mark.parametrize("way", WAYS)
def test_signed_guides_pass_and_a_changed_one_is_named(
    two: bytes, signer: Signer, trust: Trust, at: datetime.datetime, way: Way
) -> None:
    root = etree.fromstring(two)
    way(root, 0, signer)
    way(root, 1, signer)
    found = judged(written(root), trust, at)
    assert [(seal.where, seal.verdict.outcome) for seal in found] == [
        (f"{HERE}[1]", Outcome.PASSED), (f"{HERE}[2]", Outcome.PASSED)
    ]  # fmt: skip
    assert all(seal.verdict.covered[0] == seal.where for seal in found)
    assert all(seal.verdict.signer and seal.verdict.signer.cnpj == "12ABC34501DE35" for seal in found)
    whole = judged(xmldsig.sign(written(root), signer), trust, at)
    assert [seal.where for seal in whole] == ["/mensagemTISS", f"{HERE}[1]", f"{HERE}[2]"]
    assert {seal.verdict.outcome for seal in whole} == {Outcome.PASSED}
    undecided = judged(written(root), Trust(), at)
    assert {(s.verdict.outcome, s.verdict.as_problem().code) for s in undecided} == {
        (Outcome.INDETERMINATE, "signature.trust.none")
    }
    next(guide_of(root, 1).iter(f"{ANS}valorProcedimento")).text = "0.01"
    reasons = [seal.verdict.reason for seal in judged(written(root), trust, at)]
    assert reasons == [None if way is not in_place else Reason.HASH_FAILURE, Reason.HASH_FAILURE]


def test_a_signature_of_another_guide_or_in_another_place_fails(
    two: bytes, signer: Signer, trust: Trust, at: datetime.datetime
) -> None:
    root = etree.fromstring(two)
    alone(root, 0, signer)
    taken = guide_of(root, 0)[-1]
    guide_of(root, 1).append(taken)
    (moved,) = judged(written(root), trust, at)
    assert (moved.where, moved.verdict.reason) == (f"{HERE}[2]", Reason.HASH_FAILURE)
    guide_of(root, 1).insert(0, taken)
    *_, first = judged(written(root), trust, at)
    assert first.verdict.as_problem().code == "signature.misplaced"
    guide_of(root, 1).remove(taken)
    closed_by(guide_of(root, 0), [])
    (empty,) = judged(written(root), trust, at)
    assert empty.verdict.reason is Reason.FORMAT_FAILURE and empty.where == f"{HERE}[1]"


def test_content_slipped_into_a_signature_is_seen(
    two: bytes, signer: Signer, trust: Trust, at: datetime.datetime
) -> None:
    root = etree.fromstring(two)
    alone(root, 0, signer)
    etree.SubElement(guide_of(root, 0)[-1], f"{ANS}valorTotal").text = "9.99"
    (found,) = judged(written(root), trust, at)
    assert found.verdict.outcome is Outcome.FAILED


def test_what_is_not_signed_says_nothing(two: bytes, trust: Trust, at: datetime.datetime) -> None:
    for document in (two, b"", b"<a>SignedInfo", b"<!DOCTYPE a><a>SignedInfo</a>"):
        assert judged(document, trust, at) == []
