"""Signatures of single guides (`assinaturaDigitalGuia`): each is judged like a message's, for what it covers.

Guides have no Id in the schema, so their signatures have `URI=""`. What that meant to the signer is tried in turn: the
guide as a document of its own, signed before it came into the batch; or the whole message, as it was when the guide was
signed. Signatures that name their guide by an Id it has all the same may stand in it or beside it; those with an XPath
that picks their guide are read by `filters`. A ds:Signature inside `assinaturaDigitalGuia`, which the schema does not
take, is judged all the same, with that wrapper as part of the guide and without it.
"""

from __future__ import annotations

import copy
import dataclasses
import datetime
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lxml import etree

from canonical.problem import Problem
from signatures import places, reading, xmldsig
from signatures.policy import LOTE_TISS, Expected
from signatures.reading import path
from signatures.trust import Trust
from signatures.verdict import Failure, Reason, Verdict
from signatures.xmldsig import Intact

MOST = 100  # the most guides a batch may have
_WHOLE_MESSAGES = 64 * 1024 * 1024  # how much is canonicalised in search of what a signature covers
_ELSEWHERE = ("signature.algorithm",)  # an expression that picks nothing here may pick the guide in the whole message
_MISFITS = (Reason.HASH_FAILURE, Reason.SIG_CRYPTO_FAILURE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """A signature of a document and its verdict: `where` it is, by path and position."""

    where: str
    verdict: Verdict


def judged(document: bytes, *, trust: Trust, at: datetime.datetime, policy: Expected = LOTE_TISS) -> list[Seal]:
    """The verdicts on the message's signature, if it has one, and on those of its guides; at most MOST of these."""
    if not any(mark in document for mark in (b"SignedInfo", b"assinaturaDigitalGuia")):
        return []
    read = reading.read(document)
    if isinstance(read, Problem):
        return []
    found: list[Seal] = []
    whole = xmldsig.verify(document, trust=trust, at=at, policy=policy)
    if whole.reason is not Reason.NO_SIGNATURE:
        found.append(Seal(where=path(read.root), verdict=whole))
    signatures = _of_guides(read.root)
    for number in range(min(len(signatures), MOST)):
        where = _place(signatures[number])
        verdict = xmldsig.judge(_finder(document, read.root, number, where), trust=trust, at=at, policy=policy)
        found.append(Seal(where=where, verdict=verdict))
    for node, guide in _beside(read.root)[: MOST - len(found)]:
        where = _path_of(guide)
        verdict = xmldsig.judge(
            lambda node=node, guide=guide: xmldsig.intact(guide, node, guide),  # type: ignore[misc]
            trust=trust,
            at=at,
            policy=policy,
        )
        found.append(Seal(where=where, verdict=dataclasses.replace(verdict, covered=_covered(verdict, where))))
    return found


def _covered(verdict: Verdict, where: str) -> tuple[str, ...]:
    return (where, *verdict.covered[1:]) if verdict.covered else ()


def _beside(root: etree._Element) -> list[tuple[etree._Element, etree._Element]]:
    """Signatures that stand beside guides in the batch, each with the guide it names by its Id."""
    found = []
    for box in root.iter(places.GUIDES):
        named = {identity: guide for guide in box for name in ("Id", "ID", "id") if (identity := guide.get(name))}
        for node in box.iterchildren(places.SIGNATURE):
            uris = [reference.get("URI", "") for reference in node.iter(f"{{{reading.DS}}}Reference")]
            guide = next((named[uri[1:]] for uri in uris if uri[1:] in named), None)
            if guide is not None:
                found.append((node, guide))
    return found


def _of_guides(root: etree._Element) -> list[etree._Element]:
    return [node for node in root.iter(places.GUIDE) if node.getparent() is not None]


def _finder(document: bytes, root: etree._Element, number: int, where: str) -> Callable[[], Intact]:
    def find() -> Intact:
        first: Failure | None = None
        for attempt in _attempts(document, root, number):
            try:
                found = attempt()
            except Failure as failure:
                first = first or failure
                if failure.reason not in _MISFITS and failure.problem.code not in _ELSEWHERE:
                    break
            else:
                return dataclasses.replace(found, covered=(where, *found.covered[1:]))
        raise first if first is not None else RuntimeError("a signature is tried at least once")

    return find


def _attempts(document: bytes, root: etree._Element, number: int) -> Iterator[Callable[[], Intact]]:
    """The readings of the signature of guide `number`, the likeliest first."""
    signatures = _of_guides(root)
    guide = signatures[number].getparent()
    if guide is None or guide[-1] is not signatures[number]:
        yield lambda: _misplaced(signatures[number])
        return
    forms: tuple[_Form, ...] = (_wrapped, _unwrapped) if places.inner(signatures[number]) is not None else (_itself,)
    for form in forms:
        yield lambda form=form: _of_lone(_alone(guide), form)  # type: ignore[misc]
        yield lambda form=form: _of_lone(_bare(guide), form)  # type: ignore[misc]
    if len(document) * len(signatures) <= _WHOLE_MESSAGES:
        for kept in (range(len(signatures)), range(number + 1), (number,)):
            for form in forms:
                yield lambda kept=frozenset(kept), form=form: _in_message(  # type: ignore[misc]
                    document, number, kept, form
                )


_Form = Callable[[etree._Element], etree._Element]


def _itself(wrapper: etree._Element) -> etree._Element:
    """The signature, as the schema has it: the wrapper."""
    return wrapper


def _wrapped(wrapper: etree._Element) -> etree._Element:
    """The ds:Signature in a wrapper that was there when the guide was signed, and stays when the signature is out."""
    found = places.inner(wrapper)
    return wrapper if found is None else found


def _unwrapped(wrapper: etree._Element) -> etree._Element:
    """The ds:Signature in the place of a wrapper that was put around it afterwards."""
    found, guide = places.inner(wrapper), wrapper.getparent()
    if found is None or guide is None:
        return wrapper
    found.tail = wrapper.tail
    guide.replace(wrapper, found)
    return found


def _of_lone(guide: etree._Element, form: _Form) -> Intact:
    """The signature of a guide that is a document of its own."""
    return xmldsig.intact(guide, form(guide[-1]))


def _misplaced(node: etree._Element) -> Intact:
    raise Failure(Reason.FORMAT_FAILURE, Problem("signature.misplaced", path(node)))


def _alone(guide: etree._Element) -> etree._Element:
    """The guide as a document of its own, with every namespace in force where it stands."""
    text = etree.tostring(guide, with_tail=False, encoding="utf-8")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True, strip_cdata=False)
    return etree.fromstring(text, parser)


def _bare(guide: etree._Element) -> etree._Element:
    """The same with the namespaces it uses only, which inclusive canonicalisation tells apart."""
    alone = copy.deepcopy(_alone(guide))
    etree.cleanup_namespaces(alone)
    return alone


def _in_message(document: bytes, number: int, kept: frozenset[int], form: _Form) -> Intact:
    """The signature over the whole message, which had the signatures of the guides `kept` then, and none of its own."""
    read = reading.read(document)
    if isinstance(read, Problem):
        raise Failure(Reason.UNREADABLE, read)
    signatures = _of_guides(read.root)
    node = signatures[number]
    for other in [one for position, one in enumerate(signatures) if position not in kept]:
        xmldsig.detach(other)
    place = places.place_of(read.root)
    own = read.root.find(place.tag) if place is not None else None
    if own is not None:
        xmldsig.detach(own)
    return xmldsig.intact(read.root, form(node))


def _place(signature: etree._Element) -> str:
    """The path of the guide a signature closes, with its position where it has brothers of its name."""
    guide = signature.getparent()
    return path(signature) if guide is None else _path_of(guide)


def _path_of(guide: etree._Element) -> str:
    """The path of a guide, with its position where it has brothers of its name."""
    brothers = list(guide.itersiblings(str(guide.tag), preceding=True))
    alone = not brothers and guide.getnext() is None
    return path(guide) + ("" if alone else f"[{len(brothers) + 1}]")
