"""Writes an enveloped signature: the digest is taken before anything is inserted, and the document's bytes stay.

The signature is spliced in before the end of the root, so every byte of the document is what it was. SignedInfo is
written in its canonical form, so what is signed needs no second serialisation.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from canonical.errors import Refused
from canonical.problem import Problem
from signatures import places, reading
from signatures.keys import Signer
from signatures.places import Place
from signatures.reading import DS, Document

EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
ENVELOPED = f"{DS}enveloped-signature"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
_ASCII_SUPERSETS = re.compile(r"(UTF-8|US-ASCII|ASCII|ISO-8859-[0-9]+|WINDOWS-125[0-9])\Z")
_CLOSING = re.compile(rb"\s*>\s*\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A further signed part inside the signature (XAdES SignedProperties): its reference, the ds:Object text, and the
    id by which it names the document's Reference."""

    id: str
    type: str
    digest: str
    reference_id: str
    object: str


def document_to_sign(raw: bytes) -> tuple[Document, Place]:
    """The parsed document and its signature's place; raises Refused when it cannot be signed."""
    document = reading.read(raw)
    if isinstance(document, Problem):
        raise Refused(f"the document cannot be signed: {document.text('en')}", code=document.code)
    place = places.place_of(document.root)
    if place is None:
        raise Refused("a document of this kind carries no signature", code="signature.no-place")
    if next(document.root.iter(place.tag, f"{{{DS}}}SignedInfo"), None) is not None and _taken(document.root, place):
        raise Refused("the document is signed already", code="signature.already-signed")
    return document, place


def _taken(root: etree._Element, place: Place) -> bool:
    """Whether anything but signatures of single guides is there."""
    guides = [node.getparent() for node in root.iter(f"{{{DS}}}SignedInfo")]
    return root.find(place.tag) is not None or not all(map(_of_guide, guides))


def _of_guide(node: etree._Element | None) -> bool:
    """Whether a signature is a guide's: the wrapper itself, or what stands in it."""
    if node is not None and node.tag == places.SIGNATURE:
        node = node.getparent()
    return node is not None and node.tag == places.GUIDE


def sign_document(
    document: Document,
    place: Place,
    signer: Signer,
    *,
    certificates: Sequence[bytes],
    signature_id: str = "",
    part: Part | None = None,
) -> bytes:
    """The signed document; `certificates` (DER) go into KeyInfo."""
    digest = _b64(hashlib.sha256(reading.canonical_document(document.root)).digest())
    info = _signed_info(digest, part)
    value = _b64(signer.sign(info.replace("<ds:SignedInfo>", f'<ds:SignedInfo xmlns:ds="{DS}">', 1).encode("ascii")))
    keys = "".join(f"<ds:X509Certificate>{_b64(der)}</ds:X509Certificate>" for der in certificates)
    name, spaces = _wrapper(document.root, place)
    identity = f' Id="{signature_id}"' if signature_id else ""
    text = (
        f"<{name}{spaces}{identity}>{info}<ds:SignatureValue>{value}</ds:SignatureValue>"
        f"<ds:KeyInfo><ds:X509Data>{keys}</ds:X509Data></ds:KeyInfo>{part.object if part else ''}</{name}>"
    )
    return _insert(document, text)


def certificates_of(signer: Signer) -> list[bytes]:
    """The signer's certificate and the intermediates at hand, without the root, which a reader must know himself."""
    issuers = [found for found in signer.chain if found.subject != found.issuer]
    return [signer.der, *(found.public_bytes(Encoding.DER) for found in issuers)]


def _signed_info(digest: str, part: Part | None) -> str:
    """SignedInfo in canonical form but for its namespace declaration, which stands on the wrapper."""
    identity = f' Id="{part.reference_id}"' if part else ""
    references = [_reference(f'{identity} URI=""', (ENVELOPED, EXCLUSIVE), digest)]
    if part is not None:
        references.append(_reference(f' Type="{part.type}" URI="#{part.id}"', (EXCLUSIVE,), part.digest))
    return (
        f"<ds:SignedInfo>{_method('CanonicalizationMethod', EXCLUSIVE)}{_method('SignatureMethod', RSA_SHA256)}"
        f"{''.join(references)}</ds:SignedInfo>"
    )


def _reference(attributes: str, transforms: Sequence[str], digest: str) -> str:
    steps = "".join(_method("Transform", uri) for uri in transforms)
    return (
        f"<ds:Reference{attributes}><ds:Transforms>{steps}</ds:Transforms>"
        f"{_method('DigestMethod', SHA256)}<ds:DigestValue>{digest}</ds:DigestValue></ds:Reference>"
    )


def _method(name: str, uri: str) -> str:
    return f'<ds:{name} Algorithm="{uri}"></ds:{name}>'


def _wrapper(root: etree._Element, place: Place) -> tuple[str, str]:
    """The wrapper's name as written and its namespace declarations."""
    if place.ordinary:
        return "ds:Signature", f' xmlns:ds="{DS}"'
    local = etree.QName(place.tag).localname
    name = f"{root.prefix}:{local}" if root.prefix else local
    if root.prefix == "ds":  # the document uses our prefix for its own namespace: the wrapper takes another
        return f"ans:{local}", f' xmlns:ans="{etree.QName(place.tag).namespace}" xmlns:ds="{DS}"'
    return name, f' xmlns:ds="{DS}"'


def _insert(document: Document, signature: str) -> bytes:
    root, raw = document.root, document.raw
    name = f"{root.prefix}:{etree.QName(root).localname}" if root.prefix else etree.QName(root).localname
    if name.isascii() and _ASCII_SUPERSETS.match(document.encoding):
        at = raw.rfind(f"</{name}".encode("ascii"))
        if at >= 0 and _CLOSING.match(raw[at + len(name) + 2 :]):
            return raw[:at] + signature.encode("ascii") + raw[at:]
    return _rewritten(document, signature)


def _rewritten(document: Document, signature: str) -> bytes:
    """The fallback for an empty root, a wide encoding, or comments after the root: written anew from the tree."""
    root = document.root
    prefix = f":{root.prefix}" if root.prefix else ""
    namespace = etree.QName(root).namespace
    declared = f' xmlns{prefix}="{namespace}"' if namespace else ""
    holder = etree.fromstring(f"<holder{declared}>{signature}</holder>")
    root.append(holder[0])
    octets: bytes = etree.tostring(root.getroottree(), xml_declaration=True, encoding=document.encoding)  # type: ignore[assignment]
    return octets


def _b64(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")
