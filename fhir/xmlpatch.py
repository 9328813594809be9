"""XML Patch (RFC 5261, RFC 7351; R4 §3.1.0.7) on a parsed resource: all operations or none.

The resource is changed in its XML form and read back. Selectors are RFC 5261's: steps of child elements with positions
and equalities, ended by an attribute or `text()`; in an equality a path of steps may stand, since FHIR keeps values in
attributes (`identifier[system/@value='urn:x']`). Names without a prefix lie in FHIR's namespace unless the patch says
otherwise, and so do elements that are added without any.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lxml import etree

from canonical.problem import Problem
from fhir import xmltext
from fhir.patch import MOST_OPERATIONS, Unpatched

_DIFF = re.compile(r"(?:\{[^}]*\})?diff\Z")
_NAME = r"(?:[A-Za-z_][\w.-]*:)?(?:[A-Za-z_][\w.-]*|\*)"
_EQUAL = re.compile(rf"\[\s*(\.|(?:{_NAME}/)*@?{_NAME})\s*=\s*('[^']*'|\"[^\"]*\")\s*\]")
_POSITION = re.compile(r"\[\s*(\d{1,9})\s*\]")
_STEP = re.compile(rf"(text\(\)(?:\[1\])?|@?{_NAME})")
_XML_SPACE = " \t\r\n"


@dataclass(frozen=True, slots=True)
class Operation:
    """One `add`, `replace` or `remove`: where (`sel`), its further attributes, its elements and its text."""

    name: str
    where: str
    options: Mapping[str, str]
    names: Mapping[str | None, str]
    elements: tuple[Any, ...]
    text: str


@dataclass(frozen=True, slots=True)
class _Spot:
    """A node: an element, or with `name` its attribute, or with `text` the text it begins with."""

    node: Any
    name: str = ""
    text: bool = False


def read(raw: bytes) -> list[Operation] | Problem:
    """The operations of a patch document; a Problem when it is none."""
    root = xmltext.tree(raw)
    if isinstance(root, Problem):
        return root
    if _DIFF.match(str(root.tag)) is None:
        return Problem("fhir.patch.form", "$this")
    if len(root) > MOST_OPERATIONS:
        return Problem("fhir.patch.too-long", "$this", args=(("limit", str(MOST_OPERATIONS)),))
    if any(map(xmltext.wide, root)):
        return Problem("fhir.xml.attributes", "$this", args=(("limit", str(xmltext.MOST_ATTRIBUTES)),))
    return [_operation(node) for node in root]


def _operation(node: Any) -> Operation:
    options = {str(name): str(value) for name, value in node.attrib.items()}
    where = options.pop("sel", "").strip()
    texts = (node.text or "") + "".join(child.tail or "" for child in node)
    kind = etree.QName(node).localname
    return Operation(str(kind), where, options, dict(node.nsmap), tuple(copy.deepcopy(child) for child in node), texts)


def apply(document: dict[str, Any], operations: list[Operation]) -> Any | Problem:
    """`document` changed by `operations`; the document itself is left alone. Raises Unpatched.

    A Problem when what comes out is no FHIR XML any more.
    """
    root = xmltext.element(document)
    for number, operation in enumerate(operations):
        try:
            _one(root, operation)
        except (ValueError, KeyError, IndexError):
            raise Unpatched("operation", f"[{number}]", number=str(number)) from None
    return xmltext.parse(etree.tostring(root))


def _one(root: Any, operation: Operation) -> None:
    spot = _located(root, operation)
    match operation.name:
        case "add":
            _add(root, spot, operation)
        case "replace":
            _replace(root, spot, operation)
        case "remove":
            _remove(root, spot, operation)
        case _:
            raise ValueError


def _add(root: Any, spot: _Spot, operation: Operation) -> None:
    if spot.name or spot.text or not set(operation.options) <= {"type", "pos"}:
        raise ValueError
    if kind := operation.options.get("type", ""):
        name = _qualified(kind.removeprefix("@"), {})
        if not kind.startswith("@") or name in spot.node.attrib or operation.elements or operation.options.get("pos"):
            raise ValueError
        spot.node.set(name, operation.text)
        return
    if not operation.elements or operation.text.strip(_XML_SPACE):
        raise ValueError
    nodes = [_adopted(each) for each in operation.elements]
    position = operation.options.get("pos", "")
    if position == "":
        spot.node.extend(nodes)
    elif position == "prepend":
        nodes[-1].tail, spot.node.text = spot.node.text, None
        spot.node[0:0] = nodes
    elif position in ("before", "after") and spot.node is not root:
        _beside(spot.node, nodes, behind=position == "after")
    else:
        raise ValueError


def _beside(node: Any, nodes: list[Any], *, behind: bool) -> None:
    """Put `nodes` next to an element; the text behind that stays behind them."""
    parent = node.getparent()
    at = parent.index(node) + behind
    if behind:
        nodes[-1].tail, node.tail = node.tail, None
    parent[at:at] = nodes


def _replace(root: Any, spot: _Spot, operation: Operation) -> None:
    if operation.options:
        raise ValueError
    if spot.name or spot.text:
        if operation.elements:
            raise ValueError
        _put(spot, operation.text)
        return
    if len(operation.elements) != 1 or operation.text.strip(_XML_SPACE) or spot.node is root:
        raise ValueError
    new = _adopted(operation.elements[0])
    new.tail = spot.node.tail
    spot.node.getparent().replace(spot.node, new)


def _remove(root: Any, spot: _Spot, operation: Operation) -> None:
    if operation.elements or operation.text.strip(_XML_SPACE) or not set(operation.options) <= {"ws"}:
        raise ValueError
    if operation.options.get("ws", "both") not in ("before", "after", "both"):  # there is no space in our own XML
        raise ValueError
    if spot.name:
        del spot.node.attrib[spot.name]
    elif spot.text:
        _put(spot, "")
    elif spot.node is root:
        raise ValueError
    else:
        xmltext.removed(spot.node)


def _put(spot: _Spot, value: str) -> None:
    if spot.name:
        spot.node.set(spot.name, value)
    else:
        spot.node.text = value


def _adopted(node: Any) -> Any:
    """A copy for the resource: elements without a namespace are FHIR's."""
    found = copy.deepcopy(node)
    found.tail = None
    for each in found.iter():
        if etree.QName(each).namespace is None:
            each.tag = f"{{{xmltext.NAMESPACE}}}{each.tag}"
    return found


def _located(root: Any, operation: Operation) -> _Spot:
    """The one node that is meant; raises ValueError for none and for several."""
    selector = operation.where.removeprefix("/")
    found = [_Spot(root)]
    position, first = 0, True
    while position < len(selector) or first:
        if not first:
            if selector[position] != "/":
                raise ValueError
            position += 1
        step = _STEP.match(selector, position)
        if step is None:
            raise ValueError
        found = _stepped(found, step[1], operation.names, first=first)
        found, position = _filtered(found, selector, step.end(), operation.names)
        first = False
    if len(found) != 1:
        raise ValueError
    return found[0]


def _stepped(spots: list[_Spot], step: str, names: Mapping[str | None, str], *, first: bool) -> list[_Spot]:
    """What one step leads to; the first names the root itself."""
    if any(spot.name or spot.text for spot in spots):
        raise ValueError
    if step.startswith("text()"):
        return [_Spot(spot.node, text=True) for spot in spots if spot.node.text]
    if step.startswith("@"):
        name = _qualified(step[1:], {k: v for k, v in names.items() if k})
        return [_Spot(spot.node, name=name) for spot in spots if name in spot.node.attrib]
    wanted = _qualified(step, {None: xmltext.NAMESPACE, **names})
    nodes = [spot.node for spot in spots] if first else [child for spot in spots for child in spot.node]
    return [_Spot(node) for node in nodes if step == "*" or node.tag == wanted]


def _filtered(
    spots: list[_Spot], selector: str, position: int, names: Mapping[str | None, str]
) -> tuple[list[_Spot], int]:
    """What the conditions behind a step leave of it, and where they end; positions count within one parent."""
    while selector[position : position + 1] == "[":
        if at := _POSITION.match(selector, position):
            spots, position = _nth(spots, int(at[1])), at.end()
        elif equal := _EQUAL.match(selector, position):
            spots = [spot for spot in spots if equal[2][1:-1] in _values(spot, equal[1], names)]
            position = equal.end()
        else:
            raise ValueError
    return spots, position


def _nth(spots: list[_Spot], number: int) -> list[_Spot]:
    counts: dict[Any, int] = {}
    kept = []
    for spot in spots:
        parent = spot.node.getparent()
        counts[parent] = counts.get(parent, 0) + 1
        if counts[parent] == number:
            kept.append(spot)
    return kept


def _values(spot: _Spot, path: str, names: Mapping[str | None, str]) -> list[str]:
    """The texts that a path in an equality has at a node."""
    found = [spot]
    for step in path.split("/") if path != "." else ():
        found = _stepped(found, step, names, first=False)
    return [each.node.get(each.name) if each.name else "".join(each.node.itertext()) for each in found]


def _qualified(name: str, names: Mapping[str | None, str]) -> str:
    """A name as lxml writes it; raises KeyError for a prefix that was not declared."""
    prefix, mark, local = name.rpartition(":")
    space = names[prefix] if mark else names.get(None, "")
    return f"{{{space}}}{local}" if space else local
