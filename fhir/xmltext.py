"""FHIR XML (R4 §2.6.1): the same document as JSON, read and written by the definitions table.

Decimals keep every digit and elements their order. Foreign XML is read without DTD, entities or network. What the
definitions do not know is kept under its name, so that the validator reports it like any unknown element.
"""

from __future__ import annotations

import html
import re
from functools import cache
from typing import Any

from jiter import LosslessFloat
from lxml import etree

from canonical.problem import Problem
from fhir.definitions.table import Element, choice_key, is_primitive, resource_types, type_named

NAMESPACE = "http://hl7.org/fhir"
XHTML = "http://www.w3.org/1999/xhtml"
_DEEPEST = 100
MOST_ATTRIBUTES = 20  # of an element: id, url or value, and xsi:schemaLocation on a root
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?\Z")
_WHOLE = re.compile(r"-?[0-9]{1,18}\Z")
_WHOLES = frozenset(("integer", "positiveInt", "unsignedInt"))
_NAMED = re.compile(r"&([A-Za-z][A-Za-z0-9]{1,30});")
_PREDEFINED = frozenset(("amp", "lt", "gt", "quot", "apos"))
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")


class _Unreadable(Exception):
    """The document is no FHIR XML; `problem` says why."""

    def __init__(self, code: str, **named: str) -> None:
        super().__init__(code)
        self.problem = Problem(code, "$this", args=tuple(named.items()))


def _parser() -> etree.XMLParser:
    return etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )


def parse(raw: bytes) -> Any | Problem:
    """The document as parsed JSON would be; a Problem when it is no FHIR XML, has a DTD or nests too deep."""
    root = tree(raw)
    if isinstance(root, Problem):
        return root
    try:
        return _resource(root, 1)
    except _Unreadable as error:
        return error.problem


def tree(raw: bytes) -> Any | Problem:
    """The root element of XML from outside; a Problem when it is no XML or has a DTD."""
    try:
        root = etree.fromstring(raw, _parser())
    except (etree.XMLSyntaxError, ValueError):
        return Problem("fhir.xml.syntax", "$this")
    return Problem("fhir.xml.doctype", "$this") if _has_doctype(root) else root


def element(document: Any) -> Any:
    """A valid resource (parsed JSON) as the root element of its XML."""
    return _written(document, None)


def removed(node: Any) -> None:
    """Take an element out of its parent; the text behind it stays."""
    parent, before, tail = node.getparent(), node.getprevious(), node.tail
    parent.remove(node)
    if tail and before is not None:
        before.tail = (before.tail or "") + tail
    elif tail:
        parent.text = (parent.text or "") + tail


def _has_doctype(node: Any) -> bool:
    return bool(node.getroottree().docinfo.doctype)


def _resource(node: Any, depth: int) -> dict[str, Any]:
    name = _local(node)
    return {"resourceType": name, **_object(node, name, depth)}


def _local(node: Any) -> str:
    """The name of an element of the FHIR namespace."""
    found = etree.QName(node)
    if found.namespace != NAMESPACE:
        raise _Unreadable("fhir.xml.namespace")
    return str(found.localname)


@cache
def _fields(type_name: str) -> dict[str, tuple[Element, str]]:
    """The JSON keys of a type in the order of its definition: each with its element and the type found there."""
    found = type_named(type_name)
    fields: dict[str, tuple[Element, str]] = {}
    for element in found.elements.values() if found else ():
        for name in element.types:
            fields[choice_key(element, name) if element.choice else element.name] = (element, name)
    return fields


def _object(node: Any, type_name: str, depth: int) -> dict[str, Any]:
    """The members of an element; attributes first (`id`, and `url` of extensions)."""
    if depth > _DEEPEST:
        raise _Unreadable("fhir.json.too-deep", limit=str(_DEEPEST))
    _refuse_text(node)
    if wide(node):
        raise _Unreadable("fhir.xml.attributes", limit=str(MOST_ATTRIBUTES))
    members: dict[str, Any] = {str(name): str(value) for name, value in node.attrib.items()}
    fields = _fields(type_name)
    for child in node:
        if etree.QName(child).namespace == XHTML and etree.QName(child).localname == "div":
            members["div"] = etree.tostring(child, encoding="unicode", with_tail=False)
            _refuse_text(child, tail_only=True)
            continue
        name = _local(child)
        element, kind = fields.get(name, (None, ""))
        _add(members, name, element, _content(child, kind, depth + 1))
    return {k: v for k, v in members.items() if not (isinstance(v, list) and all(item is None for item in v))}


def wide(node: Any) -> bool:
    """Whether an element has more attributes than FHIR has any use for: lxml reads n of them in the square of n."""
    return len(node.attrib) > MOST_ATTRIBUTES


def _refuse_text(node: Any, *, tail_only: bool = False) -> None:
    """Text between elements is no part of FHIR; dropping it would lose it silently."""
    texts = [node.tail] if tail_only else [node.text, *(child.tail for child in node)]
    if any(text and not text.isspace() for text in texts):
        raise _Unreadable("fhir.xml.text")


def _content(node: Any, kind: str, depth: int) -> tuple[Any, Any]:
    """The value of an element and, for primitives, what stands beside it (`_key` of JSON)."""
    if kind == "Resource":
        _refuse_text(node)
        if len(node) != 1:
            raise _Unreadable("fhir.xml.resource")
        return _resource(node[0], depth), None
    if not is_primitive(kind) and (kind or "value" not in node.attrib):
        return _object(node, kind, depth), None
    rest = _object(node, "Element", depth)
    text = rest.pop("value", None)
    if text is None and not rest:
        raise _Unreadable("fhir.xml.empty")
    return (None if text is None else _value(str(text), kind)), rest or None


def _value(text: str, kind: str) -> Any:
    """A primitive as JSON has it; what is no value of its type stays text, and the validator says so."""
    if kind == "boolean" and text in ("true", "false"):
        return text == "true"
    if kind in _WHOLES and _WHOLE.match(text):
        return int(text)
    if kind == "decimal" and _NUMBER.match(text):
        return LosslessFloat(text.encode())
    return text


def _add(members: dict[str, Any], name: str, element: Element | None, content: tuple[Any, Any]) -> None:
    value, rest = content
    if element is not None and element.repeats:
        values = members.setdefault(name, [])
        if isinstance(values, list):
            values.append(value)
        if rest is not None or "_" + name in members:
            beside = members.setdefault("_" + name, [])
            beside += [None] * (len(values) - 1 - len(beside)) + [rest]
        return
    if name in members or "_" + name in members:
        raise _Unreadable("fhir.xml.repeated")
    if value is not None:
        members[name] = value
    if rest is not None:
        members["_" + name] = rest


def text(document: Any, *, pretty: bool = False) -> str:
    """A valid resource (parsed JSON) as XML."""
    root = _written(document, None)
    if pretty:
        _indent(root, 0)
    return etree.tostring(root, encoding="unicode")


def _prefix(namespace: str) -> Any:
    return {None: namespace}


def _written(document: dict[str, Any], parent: Any) -> Any:
    name = str(document["resourceType"])
    tag = f"{{{NAMESPACE}}}{name if name in resource_types() else 'OperationOutcome'}"
    node = etree.Element(tag, nsmap=_prefix(NAMESPACE)) if parent is None else etree.SubElement(parent, tag)
    _members(node, document, name, resource=True)
    return node


def _members(node: Any, value: dict[str, Any], type_name: str, *, resource: bool = False) -> None:
    fields = _fields(type_name)
    for key, (element, kind) in fields.items():
        content, beside = value.get(key), value.get("_" + key)
        if content is None and beside is None:
            continue
        if (key == "id" and not resource) or (type_name, key) == ("Extension", "url"):
            node.set(key, _clean(str(content)))
        elif element.repeats:
            contents, besides = content or [], beside or []
            for n in range(max(len(contents), len(besides))):
                _child(node, key, kind, contents[n : n + 1], besides[n : n + 1])
        else:
            _child(node, key, kind, [content], [beside])


def _child(node: Any, key: str, kind: str, content: list[Any], beside: list[Any]) -> None:
    value: Any = content[0] if content else None
    rest: Any = beside[0] if beside else None
    if kind == "xhtml":
        node.append(_narrative(str(value)))
        return
    child = etree.SubElement(node, f"{{{NAMESPACE}}}{key}")
    if kind == "Resource":
        _written(value, child)
    elif is_primitive(kind):
        if value is not None:
            child.set("value", _clean(_plain(value)))
        if rest:
            _members(child, rest, "Element")
    else:
        _members(child, value, kind)


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return bytes(value).decode() if isinstance(value, LosslessFloat) else str(value)


def _clean(text: str) -> str:
    """Characters that XML cannot hold at all are replaced; JSON may carry some of them."""
    return _FORBIDDEN.sub("\ufffd", text)


def _narrative(div: str) -> Any:
    """The narrative as XHTML; one that is not well-formed is shown as text."""
    named = _NAMED.sub(lambda m: m[0] if m[1] in _PREDEFINED else html.unescape(m[0]), div)
    try:
        node = etree.fromstring(_clean(named).encode(), _parser())
        if etree.QName(node).namespace == XHTML and not _has_doctype(node):
            return node
    except (etree.XMLSyntaxError, ValueError):
        pass
    node = etree.Element(f"{{{XHTML}}}div", nsmap=_prefix(XHTML))
    node.text = _clean(re.sub(r"<[^<>]*+>", " ", div))
    return node


def _indent(node: Any, level: int) -> None:
    """Line breaks between FHIR elements; a narrative stays as it is."""
    children = [] if etree.QName(node).namespace == XHTML else list(node)
    if not children:
        return
    node.text = "\n" + "  " * (level + 1)
    for child in children:
        _indent(child, level + 1)
        child.tail = "\n" + "  " * (level + 1)
    children[-1].tail = "\n" + "  " * level
