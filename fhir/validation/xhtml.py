"""Narrative (R4 §2.6.9): well-formed XHTML of the elements and attributes R4 allows, with something to read in it."""

from __future__ import annotations

import html
import re

from lxml import etree

XHTML = "http://www.w3.org/1999/xhtml"
_XML = "{http://www.w3.org/XML/1998/namespace}"
_ELEMENTS = """
a abbr acronym address area b bdo big blockquote br caption cite code col colgroup dd del dfn div dl dt em h1 h2 h3 h4
h5 h6 hr i img ins kbd li map ol p pre q s samp small span strong sub sup table tbody td tfoot th thead tr tt u ul var
"""
_ATTRIBUTES = """
abbr accesskey align alt axis bgcolor border cellpadding cellspacing char charoff charset cite class clear color colspan
compact coords dir frame headers height href hreflang hspace id idref ismap lang longdesc name nohref noshade nowrap rel
rev rowspan rules scope shape size span src start style summary tabindex target title type usemap valign value vspace
width
"""
_ALLOWED_ELEMENTS = frozenset(_ELEMENTS.split())
_ALLOWED_ATTRIBUTES = frozenset((*_ATTRIBUTES.split(), *(_XML + name for name in ("lang", "space", "id"))))
_NAMED = re.compile(r"&([A-Za-z][A-Za-z0-9]*);")
_PREDEFINED = frozenset(("amp", "lt", "gt", "quot", "apos"))


def is_proper(div: str) -> bool:
    """Whether the text is a `div` of allowed elements and attributes that shows something."""
    if "<!" in div.replace("<!--", "") or "<?" in div:
        return False
    named = _NAMED.sub(lambda m: m[0] if m[1] in _PREDEFINED else html.escape(html.unescape(m[0])), div)
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(named.encode("utf-8"), parser)
    except (etree.XMLSyntaxError, ValueError):
        return False
    name = etree.QName(root)  # many senders forget the namespace; what it would say is plain
    known = name.localname == "div" and name.namespace in (XHTML, None)
    return known and all(_allowed(node, name.namespace) for node in root.iter()) and _shows(root)


def _allowed(node: etree._Element, namespace: str | None) -> bool:
    if not isinstance(node.tag, str):
        return node.tag is etree.Comment
    name = etree.QName(node)
    known = name.namespace == namespace and name.localname in _ALLOWED_ELEMENTS
    return known and all(attribute in _ALLOWED_ATTRIBUTES for attribute in map(str, node.attrib))


def _shows(root: etree._Element) -> bool:
    return bool("".join(map(str, root.itertext())).strip()) or root.find(".//{*}img") is not None
