"""Takes a signature apart and refuses everything that would let a signature stand for something it does not cover.

One Signature, at the one place the document's kind allows; no second SignedInfo anywhere; no Id twice; a Reference
over the document element; further References only into this Signature; allow-listed algorithms only.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from lxml import etree

from canonical.problem import Problem
from signatures import algorithms, filters, places
from signatures.places import Place
from signatures.reading import DS, INCLUSIVE, Canonical, path
from signatures.verdict import Failure, Reason

SIGNED_PROPERTIES_TYPE = "http://uri.etsi.org/01903#SignedProperties"
_INFO = f"{{{DS}}}SignedInfo"
_SKELETON = frozenset(("Id", "MimeType", "Encoding"))
_MOST_REFERENCES = 3
_ID_VALUES = etree.XPath(
    "//@Id | //@ID | //@id | //@xml:id", namespaces={"xml": "http://www.w3.org/XML/1998/namespace"}
)
_ID_NAMES = ("Id", "ID", "id", "{http://www.w3.org/XML/1998/namespace}id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One ds:Reference: what it covers (None: the document), how it is canonicalised, and the digest it states.

    `alone`: the document's root, or the guide, is named by its Id or picked out, so what stands around it is not
    covered.
    """

    target: etree._Element | None
    alone: bool
    method: Canonical
    digest: str
    stated: bytes
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A signature taken apart: its element, SignedInfo with its canonicalisation, algorithm, value and References."""

    node: etree._Element
    info: etree._Element
    method: Canonical
    algorithm: str
    value: bytes
    key_info: etree._Element
    references: tuple[Reference, ...]


def take_apart(
    root: etree._Element, node: etree._Element | None = None, covers: etree._Element | None = None
) -> Signature:
    """The signature of the document, or that of a guide in it (`node`), which stands where it must; raises Failure.

    `covers` is the element a signature must cover that stands beside it, not inside.
    """
    place = places.place_of(root) if node is None else Place(str(node.tag))
    if place is None:
        raise Failure(Reason.NO_SIGNATURE, Problem("signature.no-place", path(root)))
    node = _only_signature(root, place) if node is None else node
    _refuse_double_ids(root)
    info, value, key_info = _children(node)
    method = _canonicalisation(_one(info, "CanonicalizationMethod"))
    signature_method = _one(info, "SignatureMethod")
    algorithm = algorithms.named("signature", signature_method.get("Algorithm"))
    if algorithm is None or len(signature_method):
        raise _weak(signature_method)
    octets = algorithms.from_base64(value.text)
    if octets is None or len(value):
        raise _malformed(value)
    return Signature(
        node=node,
        info=info,
        method=method,
        algorithm=algorithm,
        value=octets,
        key_info=key_info,
        references=_references(info, node, place, covers),
    )


def _only_signature(root: etree._Element, place: Place) -> etree._Element:
    """The signature at its place; a signature anywhere else is refused, but for those of single guides."""
    found = [node for node in root if node.tag == place.tag]
    ours = found[0] if found else None
    guides = False
    for node in root.iter(*places.signature_tags()):
        if _is_guide_signature(node):
            guides = True
        elif ours is None or (node is not ours and not _is_info_of(node, ours)):
            raise Failure(Reason.FORMAT_FAILURE, Problem("signature.misplaced", path(node)))
    if ours is None:
        raise Failure(Reason.NO_SIGNATURE, Problem("signature.guides-only" if guides else "signature.none", path(root)))
    if etree.QName(root).namespace == places.TISS and ours.getnext() is not None:
        raise Failure(Reason.FORMAT_FAILURE, Problem("signature.misplaced", path(ours)))
    return ours


def _is_guide_signature(node: etree._Element) -> bool:
    """Whether `node` is the closing signature of a single guide, or its SignedInfo: content, for the whole message."""
    guide = node.getparent() if node.tag == _INFO else node
    parent = guide.getparent() if guide is not None else None
    if guide is None or parent is None:
        return False
    if guide.tag == places.SIGNATURE and parent.tag == places.GUIDE:
        guide, parent = parent, parent.getparent()
    if guide.tag == places.SIGNATURE or parent is None:
        return parent is not None and parent.tag == places.GUIDES
    return guide.tag == places.GUIDE and parent[-1] is guide


def _is_info_of(node: etree._Element, signature: etree._Element) -> bool:
    return node.tag == _INFO and node.getparent() is signature


def _refuse_double_ids(root: etree._Element) -> None:
    values = _ID_VALUES(root)
    if isinstance(values, list) and len(values) > 1 and len(set(values)) != len(values):
        raise Failure(Reason.FORMAT_FAILURE, Problem("signature.double-id", path(root)))


def _children(node: etree._Element) -> tuple[etree._Element, etree._Element, etree._Element]:
    """SignedInfo, SignatureValue and KeyInfo, in this order, followed by ds:Object only."""
    children = [child for child in node if isinstance(child.tag, str)]
    names = [str(child.tag) for child in children]
    wanted = [f"{{{DS}}}{name}" for name in ("SignedInfo", "SignatureValue", "KeyInfo")]
    if names[:2] == wanted[:2] and names[2:3] != wanted[2:]:
        raise Failure(Reason.NO_SIGNING_CERTIFICATE_FOUND, Problem("signature.no-certificate", path(node)))
    if names[:3] != wanted or any(name != f"{{{DS}}}Object" for name in names[3:]):
        raise _malformed(node)
    for holder in (node, children[2], *children[2].iter(f"{{{DS}}}X509Data"), *children[3:]):
        _refuse_stray(holder)
    return children[0], children[1], children[2]


def _refuse_stray(holder: etree._Element) -> None:
    """A part of the signature that no digest covers holds its elements only: no texts, no foreign attributes."""
    texts = [holder.text, *(child.tail for child in holder)]
    if not _SKELETON.issuperset(holder.attrib) or any(text and text.strip() for text in texts):
        raise _malformed(holder)


def _references(
    info: etree._Element, node: etree._Element, place: Place, covers: etree._Element | None
) -> tuple[Reference, ...]:
    nodes = info.findall(f"{{{DS}}}Reference")
    if not nodes or len(nodes) > _MOST_REFERENCES or len(nodes) + 2 != len([c for c in info if isinstance(c.tag, str)]):
        raise _malformed(info)
    references = tuple(_reference(found, node, place, covers) for found in nodes)
    if sum(reference.target is None for reference in references) != 1:
        raise Failure(Reason.SIG_CONSTRAINTS_FAILURE, Problem("signature.not-covered", path(info)))
    return references


def _reference(
    reference: etree._Element, node: etree._Element, place: Place, covers: etree._Element | None
) -> Reference:
    target = _target(reference, node, covers)
    digest_method = _one(reference, "DigestMethod")
    digest = algorithms.named("digest", digest_method.get("Algorithm"))
    if digest is None:
        raise _weak(digest_method)
    stated = algorithms.from_base64(_one(reference, "DigestValue").text)
    if stated is None:
        raise _malformed(reference)
    method, picked = _transforms(reference, node, place, enveloped=target is None and covers is None)
    return Reference(
        target=target,
        alone=picked or bool(reference.get("URI")),
        method=method,
        digest=digest,
        stated=stated,
        type=reference.get("Type", ""),
    )


def _target(reference: etree._Element, node: etree._Element, covers: etree._Element | None) -> etree._Element | None:
    """What a Reference points at: None for the document (or what is to be covered), else an element inside this very
    Signature.
    """
    uri = reference.get("URI")
    root = covers if covers is not None else places.held(node)
    if uri is None or root is None:
        raise _malformed(reference)
    if (uri == "" and covers is None) or (uri.startswith("#") and uri[1:] in _ids(root)):
        if reference.get("Type"):
            raise _malformed(reference)
        return None
    for inside in node.iter("*"):
        if uri.startswith("#") and uri[1:] in _ids(inside) and _may_be_signed(inside, node):
            return inside
    raise Failure(Reason.SIG_CONSTRAINTS_FAILURE, Problem("signature.not-covered", path(reference)))


def _may_be_signed(inside: etree._Element, node: etree._Element) -> bool:
    """KeyInfo of this Signature, or XAdES SignedProperties at their place in it."""
    if inside.getparent() is node:
        return inside.tag == f"{{{DS}}}KeyInfo"
    return etree.QName(inside).localname == "SignedProperties"


def _ids(node: etree._Element) -> list[str]:
    return [value for name in _ID_NAMES if (value := node.get(name)) is not None]


def _transforms(
    reference: etree._Element, node: etree._Element, place: Place, *, enveloped: bool
) -> tuple[Canonical, bool]:
    """The canonicalisation of a Reference, and whether it picks out the guide alone.

    The enveloped transform, or an XPath that says the same, must be there exactly for what holds the signature.
    """
    method: Canonical | None = None
    removed = picked = False
    holder = reference.find(f"{{{DS}}}Transforms")
    for step in [] if holder is None else [child for child in holder if isinstance(child.tag, str)]:
        kind = algorithms.named("transform", step.get("Algorithm"))
        if step.tag != f"{{{DS}}}Transform" or method is not None:
            raise _weak(step)
        if kind == "enveloped":
            removed = True
        elif kind in ("xpath", "filter2"):
            kept = filters.read(step, node, place) if enveloped else None
            if kept is None:
                raise _weak(step)
            removed, picked = removed or kept.takes_out, picked or kept.picks
        else:
            method = _canonicalisation(step)
    if removed != enveloped:
        raise Failure(Reason.SIG_CONSTRAINTS_FAILURE, Problem("signature.transforms", path(reference)))
    # a same-document reference never has comments, whatever the canonicalisation (xmldsig-core1 4.4.3.3)
    return dataclasses.replace(method or INCLUSIVE, comments=False), picked


def _canonicalisation(step: etree._Element) -> Canonical:
    uri = step.get("Algorithm")
    children = [child for child in step if isinstance(child.tag, str)]
    prefixes: tuple[str, ...] = ()
    if len(children) == 1 and children[0].tag == "{http://www.w3.org/2001/10/xml-exc-c14n#}InclusiveNamespaces":
        prefixes = tuple((children[0].get("PrefixList") or "").split())
        if "#default" in prefixes:  # libxml2's binding drops it silently, so the octets would be wrong
            raise _weak(step)
    elif children:
        raise _weak(step)
    found = algorithms.canonicalisation(uri, prefixes)
    if found is None:
        raise _weak(step)
    return found


def _one(parent: etree._Element, name: str) -> etree._Element:
    found = parent.findall(f"{{{DS}}}{name}")
    if len(found) != 1:
        raise _malformed(parent)
    return found[0]


def _weak(node: etree._Element) -> Failure:
    return Failure(Reason.CRYPTO_CONSTRAINTS_FAILURE, Problem("signature.algorithm", path(node)))


def _malformed(node: etree._Element) -> Failure:
    return Failure(Reason.FORMAT_FAILURE, Problem("signature.malformed", path(node)))
