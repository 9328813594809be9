"""XML signatures (W3C xmldsig-core1): signs a whole document and verifies one, with the defences against wrapping."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from lxml import etree

from canonical.problem import Problem
from signatures import algorithms, certificates, places, reading, writing, xades
from signatures.keys import Signer
from signatures.policy import LOTE_TISS, Expected
from signatures.reading import DS, path
from signatures.structure import Reference, Signature, take_apart
from signatures.trust import Trust
from signatures.verdict import Failure, Outcome, Reason, Verdict
from signatures.xades import Properties

_MOST_CERTIFICATES = 10


def sign(document: bytes, signer: Signer, *, place: Literal["root"] = "root") -> bytes:
    """The document with an enveloped signature over its root: exclusive C14N, RSA-SHA256, X.509 in KeyInfo.

    It goes where the schema wants it: last in mensagemTISS as ds:Signature, last in a web-service message as the ANS
    wrapper, else as last child of the root. Every other byte stays. Raises Refused when the document is not XML, has
    a DTD or is signed already.
    """
    parsed, spot = writing.document_to_sign(document)
    return writing.sign_document(parsed, spot, signer, certificates=writing.certificates_of(signer))


def verify(document: bytes, *, trust: Trust, at: datetime.datetime, policy: Expected = LOTE_TISS) -> Verdict:
    """The verdict on the signature over the document's root, judged for the moment `at`.

    `at` is when the signature is known to have existed: a certificate that had expired or was revoked by then fails.
    Never raises for anything in `document`.
    """
    return judge(lambda: _of_document(document), trust=trust, at=at, policy=policy)


def judge(find: Callable[[], Intact], *, trust: Trust, at: datetime.datetime, policy: Expected) -> Verdict:
    """The verdict on what `find` gives, or on the Failure it raises."""
    try:
        intact = find()
    except Failure as failure:
        return Verdict(outcome=failure.outcome, reason=failure.reason, problems=(failure.problem,), time=at)
    properties = intact.properties
    verdict = Verdict(
        outcome=Outcome.PASSED,
        time=at,
        problems=properties.warnings if properties else (),
        covered=intact.covered,
        octets=intact.octets,
        signer=certificates.holder(intact.certificate),
        certificate=intact.certificate,
        policy=properties.policy.oid if properties and properties.policy else None,
        claimed_at=properties.claimed_at if properties else None,
    )
    try:
        chain = trust.chain(intact.certificate, intact.others, at, policy)
        warnings = xades.check_policy(properties, chain, policy)
    except Failure as failure:
        problems = (failure.problem, *verdict.problems)
        return dataclasses.replace(verdict, outcome=failure.outcome, reason=failure.reason, problems=problems)
    return dataclasses.replace(verdict, problems=(*verdict.problems, *warnings))


@dataclass(frozen=True, slots=True, kw_only=True)
class Intact:
    """A signature whose value and digests fit: the covered octets and paths, and whose key made it."""

    octets: bytes
    covered: tuple[str, ...]
    certificate: x509.Certificate
    others: tuple[x509.Certificate, ...]
    properties: Properties | None


def _of_document(raw: bytes) -> Intact:
    document = reading.read(raw)
    if isinstance(document, Problem):
        unreadable = document.code.startswith("signature.unreadable")
        raise Failure(Reason.UNREADABLE if unreadable else Reason.FORMAT_FAILURE, document)
    return intact(document.root)


def intact(root: etree._Element, node: etree._Element | None = None, covers: etree._Element | None = None) -> Intact:
    """The signature of a document, or that of a guide in it (`node`); raises Failure. The tree loses the signature.

    `covers` is the guide, where its signature stands beside it.
    """
    signature = take_apart(root, node, covers)
    certificate, others = _signing_certificate(signature)
    covered = [path(root)]
    for reference in signature.references:
        if reference.target is not None:
            _compare(reference, reading.canonical_part(reference.target, reference.method))
            covered.append(path(reference.target))
    properties = xades.properties_of(signature, certificate)
    whole = next(reference for reference in signature.references if reference.target is None)
    held = covers if covers is not None else places.held(signature.node)
    detach(signature.node)
    if whole.alone and held is not None:
        octets = reading.canonical_part(held, whole.method)
    else:
        octets = reading.canonical_document(root, whole.method)
    _compare(whole, octets)
    return Intact(octets=octets, covered=tuple(covered), certificate=certificate, others=others, properties=properties)


def _compare(reference: Reference, octets: bytes) -> None:
    if hashlib.new(reference.digest, octets).digest() != reference.stated:
        where = "/" if reference.target is None else path(reference.target)
        raise Failure(Reason.HASH_FAILURE, Problem("signature.hash", where))


def detach(node: etree._Element) -> None:
    """Take a signature out as the enveloped transform does: what stands behind it stays."""
    parent = node.getparent()
    if parent is None:
        raise RuntimeError("a signature has a parent")
    previous = node.getprevious()
    if previous is not None:
        previous.tail = (previous.tail or "") + (node.tail or "")
    else:
        parent.text = (parent.text or "") + (node.tail or "")
    parent.remove(node)


def _signing_certificate(signature: Signature) -> tuple[x509.Certificate, tuple[x509.Certificate, ...]]:
    """The certificate of KeyInfo under whose key the signature verifies, and the others; raises Failure."""
    found = _certificates(signature.key_info)
    octets = reading.canonical_part(signature.info, signature.method)
    for certificate in found:
        if algorithms.fits(certificate, signature.value, octets, signature.algorithm):
            _refuse_other_key(signature.key_info, certificate)
            return certificate, tuple(other for other in found if other != certificate)
    if not algorithms.strong(found[0]):
        raise Failure(Reason.CRYPTO_CONSTRAINTS_FAILURE, Problem("signature.key-size", path(signature.key_info)))
    raise Failure(Reason.SIG_CRYPTO_FAILURE, Problem("signature.value", path(signature.node)))


def _certificates(key_info: etree._Element) -> list[x509.Certificate]:
    nodes = key_info.findall(f"{{{DS}}}X509Data/{{{DS}}}X509Certificate")
    if not nodes or len(nodes) > _MOST_CERTIFICATES:
        raise Failure(Reason.NO_SIGNING_CERTIFICATE_FOUND, Problem("signature.no-certificate", path(key_info)))
    found = []
    for node in nodes:
        try:
            certificate = x509.load_der_x509_certificate(algorithms.from_base64(node.text) or b"")
            certificate.public_key()
        except (ValueError, UnsupportedAlgorithm):
            problem = Problem("signature.certificate.malformed", path(node))
            raise Failure(Reason.NO_SIGNING_CERTIFICATE_FOUND, problem) from None
        found.append(certificate)
    return found


def _refuse_other_key(key_info: etree._Element, certificate: x509.Certificate) -> None:
    """A KeyValue beside the certificate must be the certificate's key (xmldsig-core1 4.5)."""
    for value in key_info.findall(f"{{{DS}}}KeyValue"):
        key = certificate.public_key()
        stated = value.find(f"{{{DS}}}RSAKeyValue")
        if stated is None or not isinstance(key, rsa.RSAPublicKey):
            continue  # the certificate decides; other kinds of KeyValue say nothing more
        numbers = [algorithms.from_base64(stated.findtext(f"{{{DS}}}{name}")) for name in ("Modulus", "Exponent")]
        public = key.public_numbers()
        if [int.from_bytes(number or b"", "big") for number in numbers] != [public.n, public.e]:
            raise Failure(Reason.SIG_CONSTRAINTS_FAILURE, Problem("signature.certificate.other", path(value)))
