"""XAdES after ICP-Brasil (DOC-ICP-15.03, AD-RB): the signed properties, written and checked.

SigPolicyHash carries the policy's inner digest (pa:SignPolicyDigest), not the digest of its file. The signing
certificate is bound by SigningCertificate version 1, as the policies ask.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
from dataclasses import dataclass
from xml.sax.saxutils import escape

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from canonical.errors import Refused
from canonical.problem import Problem
from signatures import algorithms, policy, reading, writing
from signatures.keys import Signer
from signatures.policy import Expected, SignaturePolicy
from signatures.reading import DS, path
from signatures.structure import SIGNED_PROPERTIES_TYPE, Signature
from signatures.trust import Chain, Trust
from signatures.verdict import Failure, Outcome, Reason

XADES = "http://uri.etsi.org/01903/v1.3.2#"
_SHA1 = "http://www.w3.org/2000/09/xmldsig#sha1"
_QUALIFYING = f"{{{DS}}}Object/{{{XADES}}}QualifyingProperties"


@dataclass(frozen=True, slots=True, kw_only=True)
class Properties:
    """What the signed properties say: their element, when the signature was made, under which policy; warnings."""

    node: etree._Element
    claimed_at: datetime.datetime | None
    policy: SignaturePolicy | None
    warnings: tuple[Problem, ...]


def sign(document: bytes, signer: Signer, *, trust: Trust, at: datetime.datetime) -> bytes:
    """The document signed as XAdES-AD-RB at `at`, under the newest policy that allows the root of the signer's chain.

    `trust` must hold that root, in a real or in a test pool. Raises Refused when the document cannot be signed or no
    chain or policy fits.
    """
    parsed, place = writing.document_to_sign(document)
    try:
        chain = trust.chain(signer.certificate, signer.chain, at, Expected())
    except Failure as failure:
        raise Refused(failure.problem.text("en"), code=failure.problem.code) from None
    chosen = policy.for_root("xades-ad-rb", chain.root, at, test=chain.test)
    identity = "id-" + hashlib.sha256(signer.der + parsed.raw + at.isoformat().encode()).hexdigest()[:24]
    part = _part(signer, chosen, at, identity)
    return writing.sign_document(parsed, place, signer, certificates=[signer.der], signature_id=identity, part=part)


def _part(signer: Signer, chosen: SignaturePolicy, at: datetime.datetime, identity: str) -> writing.Part:
    properties_id, reference_id = f"{identity}-signed", f"{identity}-ref"
    text = _signed_properties(signer.certificate, chosen, at, (properties_id, reference_id))
    digest = hashlib.sha256(reading.canonical_part(etree.fromstring(text))).digest()
    return writing.Part(
        id=properties_id,
        type=SIGNED_PROPERTIES_TYPE,
        digest=base64.b64encode(digest).decode("ascii"),
        reference_id=reference_id,
        object=(
            f'<ds:Object><xades:QualifyingProperties xmlns:xades="{XADES}" Target="#{identity}">'
            f"{text}</xades:QualifyingProperties></ds:Object>"
        ),
    )


def _signed_properties(
    certificate: x509.Certificate, chosen: SignaturePolicy, at: datetime.datetime, ids: tuple[str, str]
) -> str:
    der = certificate.public_bytes(Encoding.DER)
    cert_digest = base64.b64encode(hashlib.sha256(der).digest()).decode("ascii")
    issuer = escape(certificate.issuer.rfc4514_string()).encode("ascii", "xmlcharrefreplace").decode("ascii")
    method = f'<ds:DigestMethod Algorithm="{writing.SHA256}"></ds:DigestMethod>'
    return (
        f'<xades:SignedProperties xmlns:xades="{XADES}" xmlns:ds="{DS}" Id="{ids[0]}">'
        "<xades:SignedSignatureProperties>"
        f"<xades:SigningTime>{at.isoformat(timespec='seconds')}</xades:SigningTime>"
        f"<xades:SigningCertificate><xades:Cert><xades:CertDigest>{method}"
        f"<ds:DigestValue>{cert_digest}</ds:DigestValue></xades:CertDigest><xades:IssuerSerial>"
        f"<ds:X509IssuerName>{issuer}</ds:X509IssuerName>"
        f"<ds:X509SerialNumber>{certificate.serial_number}</ds:X509SerialNumber>"
        "</xades:IssuerSerial></xades:Cert></xades:SigningCertificate>"
        "<xades:SignaturePolicyIdentifier><xades:SignaturePolicyId><xades:SigPolicyId>"
        f'<xades:Identifier Qualifier="OIDAsURN">urn:oid:{chosen.oid}</xades:Identifier></xades:SigPolicyId>'
        f"<xades:SigPolicyHash>{method}<ds:DigestValue>{chosen.digest}</ds:DigestValue></xades:SigPolicyHash>"
        f"<xades:SigPolicyQualifiers><xades:SigPolicyQualifier><xades:SPURI>{chosen.url}</xades:SPURI>"
        "</xades:SigPolicyQualifier></xades:SigPolicyQualifiers></xades:SignaturePolicyId>"
        "</xades:SignaturePolicyIdentifier></xades:SignedSignatureProperties>"
        f'<xades:SignedDataObjectProperties><xades:DataObjectFormat ObjectReference="#{ids[1]}">'
        "<xades:MimeType>text/xml</xades:MimeType></xades:DataObjectFormat></xades:SignedDataObjectProperties>"
        "</xades:SignedProperties>"
    )


def properties_of(signature: Signature, certificate: x509.Certificate) -> Properties | None:
    """The signed properties of a signature, checked against its References and certificate; None for plain XMLDSig.

    SignedProperties must be the only ones, at their place in this Signature, and be the target of exactly one
    Reference of their Type. Raises Failure.
    """
    every = list(signature.node.iter(f"{{{XADES}}}SignedProperties"))
    typed = [reference for reference in signature.references if reference.type == SIGNED_PROPERTIES_TYPE]
    holders = signature.node.findall(_QUALIFYING)
    _refuse_other_objects(signature.node)
    if not every and not typed and not holders:
        return None
    if len(every) != 1 or len(typed) != 1 or len(holders) != 1 or every[0].getparent() is not holders[0]:
        raise _loose(signature.node)
    identity = signature.node.get("Id")
    if typed[0].target is not every[0] or not identity or holders[0].get("Target") != f"#{identity}":
        raise _loose(every[0])
    warnings = _check_certificate(every[0], certificate)
    return Properties(node=every[0], claimed_at=_claimed_at(every[0]), policy=_policy(every[0]), warnings=warnings)


def _refuse_other_objects(node: etree._Element) -> None:
    """A ds:Object holds the qualifying properties and nothing else, which nobody would have signed."""
    for found in node.findall(f"{{{DS}}}Object"):
        names = [child.tag for child in found]
        if names != [f"{{{XADES}}}QualifyingProperties"]:
            raise _loose(found)
        holder = found[0]
        texts = [holder.text, *(child.tail for child in holder)]
        if set(holder.attrib) - {"Id", "Target"} or any(text and text.strip() for text in texts):
            raise _loose(holder)


def check_policy(properties: Properties | None, chain: Chain, expected: Expected) -> tuple[Problem, ...]:
    """Raise Failure when the policy is not one that is asked for, or does not allow the root of the chain.

    For an explicitly trusted root outside ICP-Brasil there is a warning: validators of the policy will refuse it.
    """
    found = properties.policy if properties else None
    if expected.policies and (found is None or found.profile not in expected.policies):
        raise Failure(Reason.SIG_CONSTRAINTS_FAILURE, Problem("signature.policy.missing"))
    if found is None:
        return ()
    if chain.test:
        return (Problem("signature.policy.outside"),)
    if chain.root not in found.roots:
        raise Failure(Reason.SIG_CONSTRAINTS_FAILURE, Problem("signature.policy.root"))
    return ()


def _check_certificate(node: etree._Element, certificate: x509.Certificate) -> tuple[Problem, ...]:
    """CertDigest must be of the certificate that verified, and the serial number its own. The issuer's name is
    written in too many ways to be compared, and adds nothing to the digest."""
    base = f"{{{XADES}}}SignedSignatureProperties"
    certs = node.findall(f"{base}/{{{XADES}}}SigningCertificate/{{{XADES}}}Cert")
    certs += node.findall(f"{base}/{{{XADES}}}SigningCertificateV2/{{{XADES}}}Cert")
    if not certs:
        raise _loose(node)
    digest = certs[0].find(f"{{{XADES}}}CertDigest")
    method = digest.find(f"{{{DS}}}DigestMethod") if digest is not None else None
    if digest is None or method is None:
        raise _loose(node)
    uri = method.get("Algorithm")
    name = "sha1" if uri == _SHA1 else algorithms.named("digest", uri)
    if name is None:
        raise Failure(Reason.CRYPTO_CONSTRAINTS_FAILURE, Problem("signature.algorithm", path(method)))
    computed = hashlib.new(name, certificate.public_bytes(Encoding.DER), usedforsecurity=False).digest()
    serial = certs[0].findtext(f"{{{XADES}}}IssuerSerial/{{{DS}}}X509SerialNumber")
    stated = algorithms.from_base64(digest.findtext(f"{{{DS}}}DigestValue"))
    if stated != computed or (serial is not None and serial.strip() != str(certificate.serial_number)):
        raise Failure(Reason.SIG_CONSTRAINTS_FAILURE, Problem("signature.certificate.other", path(certs[0])))
    return (Problem("signature.certificate.sha1", path(certs[0])),) if name == "sha1" else ()


def _policy(node: etree._Element) -> SignaturePolicy | None:
    """The policy named, when its inner digest is stated; its DigestMethod is not looked at, since common signers
    write the document's method beside the SHA-256 value."""
    identifier = next(node.iter(f"{{{XADES}}}SignaturePolicyId"), None)
    if identifier is None:
        return None
    oid = (identifier.findtext(f"{{{XADES}}}SigPolicyId/{{{XADES}}}Identifier") or "").strip()
    found = policy.by_oid(oid.removeprefix("urn:oid:"))
    where = path(identifier)
    if found is None:
        raise Failure(Reason.POLICY_PROCESSING_ERROR, Problem("signature.policy.unknown", where), Outcome.INDETERMINATE)
    stated = algorithms.from_base64(identifier.findtext(f"{{{XADES}}}SigPolicyHash/{{{DS}}}DigestValue"))
    if stated != base64.b64decode(found.digest):
        raise Failure(Reason.SIG_CONSTRAINTS_FAILURE, Problem("signature.policy.digest", where))
    return found


def _claimed_at(node: etree._Element) -> datetime.datetime | None:
    text = node.findtext(f"{{{XADES}}}SignedSignatureProperties/{{{XADES}}}SigningTime")
    if text is None:
        return None
    try:
        moment = datetime.datetime.fromisoformat(text.strip())
    except ValueError:
        raise Failure(Reason.FORMAT_FAILURE, Problem("signature.malformed", path(node))) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)


def _loose(node: etree._Element) -> Failure:
    return Failure(Reason.SIG_CONSTRAINTS_FAILURE, Problem("signature.properties", path(node)))
