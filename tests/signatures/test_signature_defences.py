"""Nothing but the untouched, wholly covered document passes: tampering, wrapping, double ids, weak algorithms, DTD."""

from __future__ import annotations

import copy
import datetime
from collections.abc import Callable, Iterator

import pytest
from lxml import etree

from signatures import demo_pki, xades, xmldsig
from signatures.demo_pki import DemoPki, Subject
from signatures.keys import Signer
from signatures.trust import Trust
from signatures.verdict import Outcome, Reason, Verdict

DSIG = "http://www.w3.org/2000/09/xmldsig#"
DS = f"{{{DSIG}}}"
ANS = "{http://www.ans.gov.br/padroes/tiss/schemas}"
EVIL = "MALVADO"
Judge = Callable[[bytes | etree._Element], Verdict]


@pytest.fixture
def judge(trust: Trust, at: datetime.datetime) -> Judge:
    def verify(document: bytes | etree._Element) -> Verdict:
        raw = document if isinstance(document, bytes) else etree.tostring(document)
        return xmldsig.verify(raw, trust=trust, at=at)  # type: ignore[arg-type]

    return verify


@pytest.fixture(params=["xmldsig", "xades-ad-rb"])
def signed(
    request: pytest.FixtureRequest, document: bytes, signer: Signer, trust: Trust, at: datetime.datetime
) -> bytes:
    if request.param == "xmldsig":
        return xmldsig.sign(document, signer)
    return xades.sign(document, signer, trust=trust, at=at)


def refused(verdict: Verdict) -> bool:
    """Failed, and not one octet is handed on."""
    return verdict.outcome is Outcome.FAILED and verdict.octets == b"" and verdict.covered_root is None


def variants(signed: bytes) -> Iterator[tuple[str, etree._Element]]:
    """One changed copy for each text, tail, attribute, removal and order of the document, inside the signature too."""
    root = etree.fromstring(signed)
    for index, node in enumerate(root.iter("*")):
        for kind in ("text", "attribute", "new attribute", "removed", "moved", "renamed"):
            twin = copy.deepcopy(root)
            target = list(twin.iter("*"))[index]
            if _change(kind, target):
                yield f"{kind} of {etree.QName(node).localname} {index}", twin


def _change(kind: str, target: etree._Element) -> bool:
    parent = target.getparent()
    if kind == "text":
        target.text = "x" + (target.text or "")
    elif kind == "attribute" and target.attrib:
        name = next(iter(target.attrib))
        target.set(name, target.attrib[name] + "x")
    elif kind == "new attribute" and not target.tag.startswith(DS):
        target.set("novo", "1")
    elif kind == "renamed" and not target.tag.startswith(DS):
        target.tag = target.tag + "x"
    elif kind == "removed" and parent is not None:
        parent.remove(target)
    elif kind == "moved" and parent is not None and target.getnext() is not None:
        parent.append(target)
    else:
        return False
    return True


def test_every_change_is_found(signed: bytes, judge: Judge) -> None:
    assert judge(signed).outcome is Outcome.PASSED
    harmless = []
    seen = 0
    for name, twin in variants(signed):
        seen += 1
        if not refused(judge(twin)):
            harmless.append(name)
    assert seen > 40
    # Where the one signature stands among the children of a document without schema says nothing, and neither do the
    # order of certificates and those of the issuers, which a verifier may know himself.
    free = ("moved of texto", "moved of X509Certificate", "removed of X509Certificate")
    assert [name for name in harmless if not name.startswith(free)] == []


def test_a_second_signature(signed: bytes, judge: Judge) -> None:
    root = etree.fromstring(signed)
    for place in (root, root[0], root[-1]):
        twin = copy.deepcopy(root)
        target = next(node for node in twin.iter("*") if root.getroottree().getpath(place) == _path(node))
        target.append(copy.deepcopy(twin[-1]))
        assert judge(twin).reason is Reason.FORMAT_FAILURE


def _path(node: etree._Element) -> str:
    return node.getroottree().getpath(node)


def test_an_ordinary_signature_beside_the_wrapper(service_batch: bytes, signer: Signer, judge: Judge) -> None:
    root = etree.fromstring(xmldsig.sign(service_batch, signer))
    extra = etree.fromstring(xmldsig.sign(b"<a/>", signer))[-1]
    root.insert(0, extra)
    assert judge(root).reason is Reason.FORMAT_FAILURE


# --- wrapping, after Somorovsky et al., "On Breaking SAML" (XSW 1 to 8): `root` is signed by its Id -----------------


@pytest.fixture
def by_id(signer: Signer, judge: Judge) -> etree._Element:
    """A document signed through its Id, as the attacks need it; it passes as it is."""
    from signxml import XMLSigner

    root = etree.fromstring(b'<pedido Id="a1"><valor>10</valor></pedido>')
    maker = XMLSigner(c14n_algorithm="http://www.w3.org/2001/10/xml-exc-c14n#")  # type: ignore[arg-type]
    made = maker.sign(root, key=signer.key, cert=[signer.certificate], reference_uri="a1", id_attribute="Id")  # type: ignore[arg-type]
    document = etree.fromstring(etree.tostring(made))
    assert judge(document).outcome is Outcome.PASSED
    return document


def wrapped(number: int, original: etree._Element, evil_id: str) -> etree._Element:
    """The XSW variant: who reads the evil element by its place, and the signed one by its Id, is deceived."""
    evil = etree.Element("pedido", Id=evil_id)
    etree.SubElement(evil, "valor").text = EVIL
    bare = copy.deepcopy(original)
    signature = bare.find(f"{DS}Signature")
    assert signature is not None
    bare.remove(signature)
    root = etree.Element("pedidos")
    if number == 1:  # evil root, its Signature holds the signed original
        signature.append(copy.deepcopy(original))
        evil.append(signature)
        return evil
    if number == 2:  # evil root with the original before its detached Signature
        evil.extend([bare, signature])
        return evil
    if number == 3:  # evil and signed element side by side
        root.extend([evil, copy.deepcopy(original)])
    elif number == 4:  # the signed element inside the evil one
        evil.append(copy.deepcopy(original))
        return evil
    elif number == 5:  # the Signature moved to the evil element, the original beside it
        evil.append(signature)
        root.extend([evil, bare])
    elif number == 6:  # the original inside the Signature, inside the evil element
        signature.append(bare)
        evil.append(signature)
        root.append(evil)
    elif number == 7:  # the original in an extension element
        etree.SubElement(root, "extensao").append(copy.deepcopy(original))
        root.append(evil)
    else:  # the original in a ds:Object of the Signature
        etree.SubElement(signature, f"{DS}Object").append(bare)
        evil.append(signature)
        return evil
    return root


@pytest.mark.parametrize("evil_id", ["a1", "evil"])
@pytest.mark.parametrize("number", range(1, 9))
def test_wrapping(number: int, evil_id: str, by_id: etree._Element, judge: Judge) -> None:
    document = wrapped(number, by_id, evil_id)
    assert refused(judge(document))
    assert not judge(etree.tostring(document)).covered  # type: ignore[arg-type]


@pytest.mark.parametrize("number", range(1, 9))
def test_wrapping_of_an_empty_uri(number: int, signer: Signer, judge: Judge) -> None:
    original = etree.fromstring(xmldsig.sign(b'<pedido Id="a1"><valor>10</valor></pedido>', signer))
    assert judge(original).outcome is Outcome.PASSED
    assert refused(judge(wrapped(number, original, "evil")))


def test_double_ids(signer: Signer, judge: Judge) -> None:
    for name in ("Id", "ID", "id"):
        signed = xmldsig.sign(f'<a Id="x"><b {name}="x"/></a>'.encode(), signer)
        verdict = judge(signed)
        assert (verdict.reason, verdict.as_problem().code) == (Reason.FORMAT_FAILURE, "signature.double-id")


# --- what a Reference and its algorithms may say -------------------------------------------------------------------

REPLACEMENTS = {
    "sha1 digest": (b"http://www.w3.org/2001/04/xmlenc#sha256", b"http://www.w3.org/2000/09/xmldsig#sha1"),
    "md5 digest": (b"http://www.w3.org/2001/04/xmlenc#sha256", b"http://www.w3.org/2001/04/xmldsig-more#md5"),
    "rsa-sha1": (b"xmldsig-more#rsa-sha256", b"xmldsig-more#rsa-sha1"),
    "hmac": (b"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", b"http://www.w3.org/2000/09/xmldsig#hmac-sha1"),
    "xslt": (b"http://www.w3.org/2000/09/xmldsig#enveloped-signature", b"http://www.w3.org/TR/1999/REC-xslt-19991116"),
    "free xpath": (
        b'<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"></ds:Transform>',
        b'<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116"><ds:XPath>'
        b"not(ancestor-or-self::ans:loteGuias)</ds:XPath></ds:Transform>",
    ),
    "base64": (b"http://www.w3.org/2000/09/xmldsig#enveloped-signature", b"http://www.w3.org/2000/09/xmldsig#base64"),
    "unknown c14n": (b"http://www.w3.org/2001/10/xml-exc-c14n#", b"http://www.w3.org/2001/10/xml-exc-c14n2#"),
}


@pytest.mark.parametrize("change", REPLACEMENTS)
def test_algorithms_outside_the_list(change: str, batch: bytes, signer: Signer, judge: Judge) -> None:
    """Also when the weak SignedInfo was really signed by the holder: the value is made again over it."""
    signed = resigned(xmldsig.sign(batch, signer).replace(*REPLACEMENTS[change]), signer)
    verdict = judge(signed)
    assert refused(verdict)
    assert verdict.reason in (Reason.CRYPTO_CONSTRAINTS_FAILURE, Reason.SIG_CONSTRAINTS_FAILURE)


def resigned(document: bytes, signer: Signer) -> bytes:
    """The document with a fresh, fitting SignatureValue over its SignedInfo as it stands."""
    import base64

    root = etree.fromstring(document)
    info = next(root.iter(f"{DS}SignedInfo"))
    value = next(root.iter(f"{DS}SignatureValue"))
    octets = etree.tostring(info, method="c14n", exclusive=True, with_tail=False)
    value.text = base64.b64encode(signer.sign(octets)).decode()  # type: ignore[arg-type]
    return etree.tostring(root)  # type: ignore[return-value]


REFERENCES = {
    "no uri": (b'<ds:Reference URI="">', b"<ds:Reference>"),
    "a part only": (b'<ds:Reference URI="">', b'<ds:Reference URI="#x">'),
    "elsewhere": (b'<ds:Reference URI="">', b'<ds:Reference URI="http://exemplo.invalid/a.xml">'),
    "a file": (b'<ds:Reference URI="">', b'<ds:Reference URI="file:///etc/hosts">'),
    "a type": (b'<ds:Reference URI="">', b'<ds:Reference Type="urn:x" URI="">'),
    "not enveloped": (
        b'<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"></ds:Transform>',
        b"",
    ),
}


@pytest.mark.parametrize("change", REFERENCES)
def test_references_that_do_not_cover_the_document(change: str, signer: Signer, judge: Judge) -> None:
    signed = xmldsig.sign(b'<a><b Id="x">1</b></a>', signer).replace(*REFERENCES[change])
    assert refused(judge(resigned(signed, signer)))


def test_no_reference_and_too_many(batch: bytes, signer: Signer, judge: Judge) -> None:
    root = etree.fromstring(xmldsig.sign(batch, signer))
    info = next(root.iter(f"{DS}SignedInfo"))
    reference = info[-1]
    for _ in range(3):
        info.append(copy.deepcopy(reference))
        assert refused(judge(resigned(etree.tostring(root), signer)))  # type: ignore[arg-type]
    for node in info.findall(f"{DS}Reference"):
        info.remove(node)
    assert refused(judge(resigned(etree.tostring(root), signer)))  # type: ignore[arg-type]


# --- keys ------------------------------------------------------------------------------------------------------------


def test_another_certificate_in_key_info(batch: bytes, signer: Signer, pki: DemoPki, judge: Judge) -> None:
    import base64

    other = pki.issue(Subject(name="Outra de Teste", cnpj="11222333000181", cpf="52998224725"))
    signed = xmldsig.sign(batch, signer)
    swapped = signed.replace(base64.b64encode(signer.der), base64.b64encode(other.der))
    assert swapped != signed
    assert judge(swapped).reason is Reason.SIG_CRYPTO_FAILURE


def test_a_key_value_of_another_key(batch: bytes, signer: Signer, judge: Judge) -> None:
    value = (
        b"<ds:KeyValue><ds:RSAKeyValue><ds:Modulus>AQAB</ds:Modulus><ds:Exponent>AQAB</ds:Exponent>"
        b"</ds:RSAKeyValue></ds:KeyValue><ds:X509Data>"
    )
    signed = xmldsig.sign(batch, signer).replace(b"<ds:X509Data>", value)
    assert judge(signed).as_problem().code == "signature.certificate.other"


def test_a_key_without_certificate(batch: bytes, signer: Signer, judge: Judge) -> None:
    root = etree.fromstring(xmldsig.sign(batch, signer))
    for node in root.iter(f"{DS}X509Data"):
        node.clear()
    assert judge(root).reason is Reason.NO_SIGNING_CERTIFICATE_FOUND
    key_info = next(root.iter(f"{DS}KeyInfo"))
    key_info.getparent().remove(key_info)  # type: ignore[union-attr]
    assert judge(root).reason is Reason.NO_SIGNING_CERTIFICATE_FOUND


def test_a_weak_key(batch: bytes, pki: DemoPki, judge: Judge) -> None:
    weak = pki.issue(Subject(name="Fraca de Teste", cpf="52998224725"), demo_pki.Use(bits=1024))
    assert judge(xmldsig.sign(batch, weak)).reason is Reason.CRYPTO_CONSTRAINTS_FAILURE


# --- XML tricks ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "doctype",
    [
        b"<!DOCTYPE a>",
        b'<!DOCTYPE a SYSTEM "file:///etc/hosts">',
        b'<!DOCTYPE a [<!ENTITY e "x">]>',
        b'<!DOCTYPE a [<!ATTLIST a Id CDATA "x">]>',
    ],
)
def test_dtd(doctype: bytes, signer: Signer, judge: Judge) -> None:
    verdict = judge(doctype + xmldsig.sign(b"<a/>", signer))
    assert (verdict.reason, verdict.as_problem().code) == (Reason.FORMAT_FAILURE, "signature.dtd")
    wide = "<?xml version='1.0' encoding='UTF-16'?><!DOCTYPE a><a/>".encode("utf-16")
    assert judge(wide).as_problem().code == "signature.dtd"


def test_a_comment_does_not_split_a_text(signer: Signer, judge: Judge) -> None:
    """Canonical XML drops comments; what is handed on has none either, so a reader cannot stop at one."""
    signed = xmldsig.sign(b"<a><valor>1000</valor></a>", signer).replace(b"1000", b"10<!-- -->00", 1)
    covered = judge(signed).covered_root
    assert covered is not None
    assert covered.findtext("valor") == "1000"


def test_depth(signer: Signer, judge: Judge) -> None:
    deep = b"<a>" * 100_000 + b"</a>" * 100_000
    assert judge(deep).outcome is Outcome.FAILED


def test_broken_bytes_never_raise_and_never_deceive(signed: bytes, judge: Judge) -> None:
    """Bytes changed, cut and doubled at random (with a fixed seed): only the untouched content ever passes."""
    import random

    dice = random.Random(7)
    whole = judge(signed).octets
    for _ in range(150):
        broken = bytearray(signed)
        at = dice.randrange(len(broken))
        kind = dice.randrange(3)
        if kind == 0:
            broken[at] = dice.randrange(256)
        elif kind == 1:
            del broken[at : at + dice.randrange(1, 200)]
        else:
            broken[at:at] = broken[at : at + dice.randrange(1, 200)]
        verdict = judge(bytes(broken))
        assert verdict.outcome is not Outcome.PASSED or verdict.octets == whole
