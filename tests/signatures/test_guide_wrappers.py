"""A ds:Signature inside assinaturaDigitalGuia: other tools write it so, and it is judged for the guide as it was signed."""

from __future__ import annotations

import datetime
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree
from signxml import SignatureConfiguration, XMLSigner, XMLVerifier
from signxml.algorithms import CanonicalizationMethod

from signatures import xmldsig
from signatures.demo_pki import DemoPki
from signatures.keys import Signer
from signatures.trust import Trust
from signatures.verdict import Outcome, Reason
from tests.signatures.test_guide_signatures import ANS, DS, HERE, guide_of, judged, written

EXCLUSIVE = CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0
INCLUSIVE = CanonicalizationMethod.CANONICAL_XML_1_0
PLACE = f'<ans:assinaturaDigitalGuia xmlns:ans="{ANS[1:-1]}"><ds:Signature xmlns:ds="{DS[1:-1]}" Id="placeholder"/></ans:assinaturaDigitalGuia>'


def wrapper(guide: etree._Element) -> etree._Element:
    """Room for a signature, as signxml fills it."""
    guide.append(etree.fromstring(PLACE))
    return guide[-1]


def by_signxml(root: etree._Element, signer: Signer, method: CanonicalizationMethod, uri: str | None) -> etree._Element:
    pem = [c.public_bytes(Encoding.PEM).decode() for c in (signer.certificate, *signer.chain)]
    made: etree._Element = XMLSigner(c14n_algorithm=method).sign(root, key=signer.key, cert=pem, reference_uri=uri)
    return made


def alone(root: etree._Element, number: int, signer: Signer, method: CanonicalizationMethod, uri: str | None) -> bytes:
    """The guide, with the wrapper in it, signed as a document of its own; the octets that were signed last."""
    guide = guide_of(root, number)
    lone = etree.fromstring(etree.tostring(guide, with_tail=False))
    if uri:
        lone.set("Id", uri)
    wrapper(lone)
    signed = by_signxml(lone, signer, method, f"#{uri}" if uri else None)
    signed.tail = guide.tail
    parent = guide.getparent()
    assert parent is not None
    parent.replace(guide, signed)
    return written(signed)


@pytest.fixture
def root(batch: bytes) -> etree._Element:
    return etree.fromstring(batch)


@pytest.mark.parametrize("uri", [None, "guia"])
@pytest.mark.parametrize("method", [EXCLUSIVE, INCLUSIVE])
def test_a_wrapper_that_was_there_when_signed(
    root: etree._Element,
    signer: Signer,
    trust: Trust,
    at: datetime.datetime,
    method: CanonicalizationMethod,
    uri: str | None,
) -> None:
    for number in (0, 1):
        alone(root, number, signer, method, f"{uri}{number}" if uri else None)
    found = judged(written(root), trust, at)
    assert [(seal.where, seal.verdict.outcome) for seal in found] == [
        (f"{HERE}[1]", Outcome.PASSED), (f"{HERE}[2]", Outcome.PASSED)
    ]  # fmt: skip
    whole = judged(xmldsig.sign(written(root), signer), trust, at)
    assert {seal.verdict.outcome for seal in whole} == {Outcome.PASSED} and len(whole) == 3
    next(guide_of(root, 1).iter(f"{ANS}valorProcedimento")).text = "0.01"
    assert [seal.verdict.reason for seal in judged(written(root), trust, at)] == [None, Reason.HASH_FAILURE]


@pytest.mark.parametrize("method", [EXCLUSIVE, INCLUSIVE])
def test_a_wrapper_put_around_it_afterwards(
    root: etree._Element, signer: Signer, trust: Trust, at: datetime.datetime, method: CanonicalizationMethod
) -> None:
    guide = guide_of(root, 0)
    signed = by_signxml(etree.fromstring(etree.tostring(guide, with_tail=False)), signer, method, None)
    etree.SubElement(guide, f"{ANS}assinaturaDigitalGuia").append(signed[-1])
    (found,) = judged(written(root), trust, at)
    assert (found.where, found.verdict.outcome) == (f"{HERE}[1]", Outcome.PASSED)


@pytest.mark.parametrize("method", [EXCLUSIVE, INCLUSIVE])
@pytest.mark.parametrize("before", [True, False])
def test_over_the_whole_message(
    root: etree._Element,
    signer: Signer,
    trust: Trust,
    at: datetime.datetime,
    method: CanonicalizationMethod,
    before: bool,
) -> None:
    if before:
        wrapper(guide_of(root, 1))
    signed = by_signxml(root, signer, method, None)
    if not before:
        etree.SubElement(guide_of(signed, 1), f"{ANS}assinaturaDigitalGuia").append(signed[-1])
    (found,) = judged(written(signed), trust, at)
    assert (found.where, found.verdict.outcome) == (f"{HERE}[2]", Outcome.PASSED)
    next(signed.iter(f"{ANS}numeroLote")).text = "999"
    assert [seal.verdict.reason for seal in judged(written(signed), trust, at)] == [Reason.HASH_FAILURE]


def test_others_say_the_same_of_the_guide(
    root: etree._Element, signer: Signer, pki: DemoPki, trust: Trust, at: datetime.datetime, tmp_path: Path
) -> None:
    lone = alone(root, 0, signer, INCLUSIVE, None)
    expected = SignatureConfiguration(location=".//", expect_references=1, verification_time=at)
    XMLVerifier().verify(lone, x509_cert=signer.certificate, expect_config=expected)  # type: ignore[arg-type]
    tool = shutil.which("xmlsec1")
    if tool is None:
        pytest.skip("xmlsec1 is not installed (Debian package xmlsec1)")
    file, anchor, authority = (tmp_path / name for name in ("guide.xml", "root.pem", "authority.pem"))
    anchor.write_bytes(pki.root.public_bytes(Encoding.PEM))
    authority.write_bytes(pki.authority.public_bytes(Encoding.PEM))
    command = [tool, "--verify", "--trusted-pem", str(anchor), "--untrusted-pem", str(authority)]
    command += ["--verification-time", at.strftime("%Y-%m-%d %H:%M:%S"), str(file)]
    changed = lone.replace(b"<ans:valorProcedimento>", b"<ans:valorProcedimento>9", 1)
    for content, good in ((lone, True), (changed, False)):
        file.write_bytes(content)
        assert (subprocess.run(command, capture_output=True, check=False).returncode == 0) is good
        root = etree.fromstring(written(root))
        parent = guide_of(root, 0).getparent()
        assert parent is not None
        parent.replace(guide_of(root, 0), etree.fromstring(content))
        outcomes = [seal.verdict.outcome for seal in judged(written(root), trust, at)]
        assert outcomes == [Outcome.PASSED if good else Outcome.FAILED]


@pytest.mark.parametrize("fault", ["text", "attribute", "two", "element"])
def test_a_wrapper_that_holds_more_fails(
    root: etree._Element, signer: Signer, trust: Trust, at: datetime.datetime, fault: str
) -> None:
    alone(root, 0, signer, EXCLUSIVE, None)
    node = guide_of(root, 0)[-1]
    if fault == "text":
        node.text = "9"
    elif fault == "attribute":
        node.set("novo", "1")
    elif fault == "two":
        node.append(etree.fromstring(etree.tostring(node[0])))
    else:
        etree.SubElement(node, f"{ANS}valorTotal").text = "9.99"
    (found,) = judged(written(root), trust, at)
    assert found.verdict.outcome is Outcome.FAILED
