"""The official schema as the first check: libxml2's findings become Problems with place and code, no values."""

from __future__ import annotations

import re
from threading import Lock

from lxml import etree

from canonical.identifiers import is_cnpj, is_cpf, is_registro_ans
from canonical.problem import Problem
from tiss.checking.offers import YES
from tiss.schema import forms, misplaced, names
from tiss.wire import shapes, versions
from tiss.wire.epilogo import own_text
from tiss.wire.message import Tiss, place
from tiss.wire.shapes import Shape

MOST = 200
_ONE_AT_A_TIME = Lock()  # a compiled schema keeps the log of its last validation
FEW = 12
# libxml2's error type -> the last part of our code
_KINDS = {
    "SCHEMAV_ELEMENT_CONTENT": "content",
    "SCHEMAV_CVC_ENUMERATION_VALID": "enumeration",
    "SCHEMAV_CVC_PATTERN_VALID": "pattern",
    "SCHEMAV_CVC_MAXLENGTH_VALID": "max-length",
    "SCHEMAV_CVC_MINLENGTH_VALID": "min-length",
    "SCHEMAV_CVC_LENGTH_VALID": "length",
    "SCHEMAV_CVC_DATATYPE_VALID_1_2_1": "datatype",
    "SCHEMAV_CVC_TOTALDIGITS_VALID": "digits",
    "SCHEMAV_CVC_FRACTIONDIGITS_VALID": "digits",
    "SCHEMAV_CVC_ELT_1": "root",
    "SCHEMAV_CVC_ELT_3_1": "nil",
    "SCHEMAV_CVC_ELT_4_1": "type",
    "SCHEMAV_CVC_ELT_4_2": "type",
    "SCHEMAV_CVC_ELT_4_3": "type",
    "SCHEMAV_CVC_COMPLEX_TYPE_2_3": "content",
    "SCHEMAV_CVC_COMPLEX_TYPE_3_2_1": "attribute",
    "SCHEMAV_CVC_TYPE_3_1_1": "attribute",
    "SCHEMAV_CVC_TYPE_3_1_2": "children",
    "SCHEMAV_CVC_MININCLUSIVE_VALID": "range",
    "SCHEMAV_CVC_MAXINCLUSIVE_VALID": "range",
}
_OF_VALUES = frozenset(("enumeration", "pattern", "max-length", "min-length", "length", "datatype", "digits", "range"))
_ECHOES = frozenset(("SCHEMAV_CVC_DATATYPE_VALID_1_2_1", "SCHEMAV_CVC_TYPE_3_1_3"))
# the end of libxml2's sentence lists names of the schema, never content
_EXPECTED = re.compile(r"Expected is (?:one of )?\(([^()]*)\)\.?\s*\Z")
_ATTRIBUTE = re.compile(r"[Tt]he attribute '([A-Za-z_][\w.:-]{0,60})'")
_QUALIFIED = re.compile(r"\{[^}]*\}")
_STEP = re.compile(r"(?:([^:\[\]]+):)?([^:\[\]]+)(?:\[(\d+)\])?\Z")
_POSITION = re.compile(r"\[\d+\]")


def passes(message: Tiss, version: str) -> bool:
    """Whether the schema finds nothing in a message."""
    schema = versions.schema(version, service=message.service)
    with _ONE_AT_A_TIME:
        return schema.validate(message.root)


def schema_problems(message: Tiss, version: str) -> list[Problem]:
    """The schema findings of a message against `version`; at most MOST."""
    schema = versions.schema(version, service=message.service)
    with _ONE_AT_A_TIME:
        if schema.validate(message.root):
            return []
        log = list(schema.error_log)  # type: ignore[call-overload]
    found: dict[tuple[str, str], Problem] = {}
    told: set[str] = set()
    for entry in log:
        kind = _KINDS.get(entry.type_name, "invalid")
        node = _follow(entry.path or "", message.root)
        where = f"line {entry.line}" if node is None else place(node)
        if (entry.type_name in _ECHOES and where in told) or ("children", where) in found:
            continue  # a facet error, or that there is more than a value, already told of this value
        if kind == "content" and "Missing child" in entry.message:
            kind = "missing"
        told.add(where)
        if (kind, where) in found:
            continue  # the first of its kind at a place is told: a tag may have a hundred thousand attributes
        shape = _shape(where, message, version)
        name = etree.QName(node).localname if node is not None else "?"
        args = _args(kind, entry, name, where, shape)
        owed = misplaced.owed(node, shape) if kind == "missing" and node is not None else []
        if owed:
            args = (("found", name), ("expected", ", ".join(owed)))
        exact, looks = _exact(kind, node, shape, (message, version))
        if kind == "missing" and (expected := dict(args).get("expected", "")):
            exact = _lack(expected, owed)
        told_as = names.worded(f"xsd.{exact}", where, (*args, *looks), lambda at: _shape(at, message, version))
        found[kind, where] = Problem(f"xsd.{exact}", where, args=told_as)
        if len(found) >= MOST:
            break
    return list(found.values())


def _lack(expected: str, owed: list[str]) -> str:
    """The exact kind of what is missing: the seal, the version, one of several, or all of what is owed."""
    if expected in misplaced.SEALS:
        return "missing.hash"
    if expected == misplaced.VERSION:
        return "missing.version"
    return "missing.one" if not owed and "," in expected else "missing"


def _exact(
    kind: str, node: etree._Element | None, shape: Shape | None, of: tuple[Tiss, str]
) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The more exact kind of a finding, and what its words name."""
    if node is None:
        return kind, ()
    if kind == "root":
        name = etree.QName(node).localname
        right = next((r for r in _roots(*of) if r.lower() == name.lower()), "")
        return ("root.case", (("right", right),)) if right else (kind, ())
    if kind == "content":
        return _content(node, *of)
    if kind in _OF_VALUES and not len(node) and not own_text(node).strip():
        return ("empty-optional" if not own_text(node) and _optional(node, *of) else "empty"), ()
    exact, looks = forms.refined(kind, own_text(node), shape)
    return exact, (*looks, *_padded(exact, node, dict(looks).get("wanted", "")))


def _content(node: etree._Element, message: Tiss, version: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Why an element does not fit where it stands."""
    parent = node.getparent()
    path = _POSITION.sub("", place(parent)).strip("/").split("/") if parent is not None else []
    reason, looks = misplaced.why(node, path, version, service=message.service)
    return (f"content.{reason}" if reason else "content"), looks


def _padded(exact: str, node: etree._Element, wanted: str) -> tuple[tuple[str, str], ...]:
    """The number with the zeros a spreadsheet took, where its check digits prove that they are what it lacks."""
    if exact != "pattern.zero":
        return ()
    right = own_text(node).strip().zfill(int(wanted))
    return (("sure", YES),) if any(holds(right) for holds in (is_registro_ans, is_cpf, is_cnpj)) else ()


def _roots(message: Tiss, version: str) -> list[str]:
    return [*shapes.of(version).roots, *shapes.of(version, service=True).roots]


def _optional(node: etree._Element, message: Tiss, version: str) -> bool:
    """Whether the schema can do without an element."""
    parent = node.getparent()
    if parent is None:
        return False
    path = _POSITION.sub("", place(parent)).strip("/").split("/")
    above = shapes.at(shapes.of(version, service=message.service), path)
    name = etree.QName(node).localname
    return above is not None and any(part.name == name and part.minimum == 0 for part in above.parts)


def _args(kind: str, entry: etree._LogEntry, name: str, where: str, shape: Shape | None) -> tuple[tuple[str, str], ...]:
    """What the words of a finding name: the element, what the schema expects, its codes or its length."""
    if kind == "attribute":
        match = _ATTRIBUTE.search(_QUALIFIED.sub("", entry.message))
        return (("name", match[1] if match else "?"),)
    if kind == "children":
        return (("found", name),)
    if kind in ("content", "missing"):
        match = _EXPECTED.search(entry.message)
        expected = _QUALIFIED.sub("", match[1]).strip() if match else ""
        inside = _POSITION.sub("", where).rpartition("/")[0].rpartition("/")[2]
        return (("found", name), ("expected", expected or f"</{inside}>"))
    if kind in ("enumeration", "max-length", "min-length", "length", "range"):
        codes = shape.codes if shape is not None else ()
        few = ", ".join(codes[:FEW]) + (", …" if len(codes) > FEW else "")
        limit = shape.longest if shape is not None else None
        shortest, least = (shape.shortest, shape.least) if shape is not None else (None, "")
        return (
            ("allowed", few or "-"),
            ("limit", str(limit or "-")),
            ("shortest", str(shortest or "-")),
            ("least", least or "-"),
        )
    return ()


def _shape(where: str, message: Tiss, version: str) -> Shape | None:
    path = _POSITION.sub("", where).strip("/").split("/")
    return shapes.at(shapes.of(version, service=message.service), path)


def _follow(path: str, root: etree._Element) -> etree._Element | None:
    """The element at a libxml2 node path: steps `prefix:name[n]`, or `*[n]` for elements in a default namespace."""
    node = root
    for step in path.split("/")[2:]:
        match = _STEP.match(step)
        if match is None:
            return None
        prefix, name, position = match[1], match[2], int(match[3] or 1)
        children = [
            child
            for child in node
            if isinstance(child.tag, str)
            and (name == "*" or (etree.QName(child).localname == name and child.prefix == prefix))
        ]
        if position > len(children):
            return None
        node = children[position - 1]
    return node if path else None
