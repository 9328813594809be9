"""XPath transforms of usual kinds, read by what they keep: the signature taken out, one guide picked out, or both.

XPath (xmldsig-core1 6.6.3) and XPath Filter 2.0 can say anything, also what nobody sees; so only expressions of known
forms are read, and one that picks must pick exactly the guide whose signature it stands in. Anything else is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lxml import etree

from signatures import places
from signatures.places import Place
from signatures.reading import DS

FILTER2 = "{http://www.w3.org/2002/06/xmldsig-filter2}XPath"
_XPATH = f"{{{DS}}}XPath"
_LONGEST = 400
_NAME = r"(?P<prefix>[\w-]+):(?P<name>[\w-]+)"
_OWN = re.compile(rf"not\(ancestor-or-self::{_NAME}\)\Z")
_HERE = re.compile(
    rf"count\(ancestor-or-self::{_NAME}\|here\(\)/ancestor::(?P=prefix):(?P=name)\[1\]\)"
    r">count\(ancestor-or-self::(?P=prefix):(?P=name)\)\Z"
)
_TEST = (
    r"\[(?:(?:\./|\.//)?(?:[\w-]+:[\w-]+/){0,3}[\w-]+:[\w-]+|@(?:Id|ID|id))=(?P<quote>['\"])[\w./-]{1,60}(?P=quote)\]"
)
_SELF = re.compile(rf"ancestor-or-self::{_NAME}(?P<test>{_TEST})?\Z")
_SUBTRACTED = re.compile(rf"(?://|here\(\)/ancestor(?:-or-self)?::){_NAME}(?:\[1\])?\Z")
_INTERSECTED = re.compile(rf"/(?:/|(?:[\w-]+:[\w-]+/){{1,6}}){_NAME}(?P<test>{_TEST}|\[\d{{1,3}}\])?\Z")
_ANY = re.compile(rf"//\*(?P<test>{_TEST})\Z")


@dataclass(frozen=True, slots=True)
class Kept:
    """What a transform does: takes out signatures of guides, or the one it stands in; picks out its guide alone."""

    takes_out: bool = False
    picks: bool = False


def read(step: etree._Element, node: etree._Element, place: Place) -> Kept | None:
    """What an XPath or Filter 2.0 transform of the signature `node` does; None for an expression of another kind."""
    children = [child for child in step if isinstance(child.tag, str)]
    if not children or any((child.text is None or len(child.text) > _LONGEST or len(child)) for child in children):
        return None
    if len(children) == 1 and children[0].tag == _XPATH:
        found = [_term(term, children[0], node, place) for term in _terms(children[0])]
    elif all(child.tag == FILTER2 for child in children):
        found = [_filter(child, node, place) for child in children]
    else:
        return None
    known = [one for one in found if one is not None]
    if len(known) != len(found):
        return None
    return Kept(any(one.takes_out for one in known), any(one.picks for one in known))


def _terms(xpath: etree._Element) -> list[str]:
    """The terms of an expression, joined by `and`, without their blanks."""
    return ["".join(term.split()) for term in re.split(r"\sand\s", xpath.text or "")]


def _term(text: str, xpath: etree._Element, node: etree._Element, place: Place) -> Kept | None:
    taken = _OWN.match(text) or _HERE.match(text)
    if taken is not None:
        return Kept(takes_out=True) if _named(taken, xpath) in _own(node, place) else None
    picked = _SELF.match(text)
    if picked is None:
        return None
    path = f"//{picked['prefix']}:{picked['name']}{picked['test'] or ''}"
    return Kept(picks=True) if _picks(path, xpath, node) else None


def _filter(child: etree._Element, node: etree._Element, place: Place) -> Kept | None:
    text = "".join((child.text or "").split())
    kind = child.get("Filter")
    if kind == "subtract":
        taken = _SUBTRACTED.match(text)
        return Kept(takes_out=True) if taken is not None and _named(taken, child) in _own(node, place) else None
    if kind != "intersect" or not (_INTERSECTED.match(text) or _ANY.match(text)):
        return None
    return Kept(picks=True) if _picks(text, child, node) else None


def _own(node: etree._Element, place: Place) -> tuple[str, ...]:
    """The names a signature goes by: its own and, in a guide, that of the wrapper it may stand in."""
    guide = places.held(node)
    return (place.tag, places.GUIDE) if guide is not None and places.is_guide(guide) else (place.tag,)


def _named(match: re.Match[str], holder: etree._Element) -> str:
    """The expanded name an expression speaks of; empty where its prefix is not declared."""
    namespace = holder.nsmap.get(match["prefix"])
    return f"{{{namespace}}}{match['name']}" if namespace else ""


def _picks(path: str, holder: etree._Element, node: etree._Element) -> bool:
    """Whether a path selects the guide that a signature closes, and nothing else."""
    guide = places.held(node)
    names = {prefix: uri for prefix, uri in holder.nsmap.items() if prefix}
    if guide is None or not places.is_guide(guide):
        return False
    try:
        found = node.getroottree().xpath(path, namespaces=names)
    except etree.XPathError:
        return False
    return isinstance(found, list) and len(found) == 1 and found[0] is guide
