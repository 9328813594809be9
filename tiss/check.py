"""The official schema as the first check: libxml2's findings become Problems with place and code, no values."""

from __future__ import annotations

from lxml import etree

from canonical.problem import Problem
from tiss import versions
from tiss.message import Tiss, place

MOST = 200
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
    "SCHEMAV_CVC_COMPLEX_TYPE_2_3": "content",
    "SCHEMAV_CVC_COMPLEX_TYPE_3_2_1": "attribute",
    "SCHEMAV_CVC_MININCLUSIVE_VALID": "range",
    "SCHEMAV_CVC_MAXINCLUSIVE_VALID": "range",
}
_ECHOES = frozenset(("SCHEMAV_CVC_DATATYPE_VALID_1_2_1", "SCHEMAV_CVC_TYPE_3_1_3"))


def schema_problems(message: Tiss, version: str) -> list[Problem]:
    """The schema findings of a message against `version`; at most MOST."""
    schema = versions.schema(version, service=message.service)
    if schema.validate(message.root):
        return []
    found: dict[tuple[str, str], Problem] = {}
    for entry in list(schema.error_log):  # type: ignore[call-overload]
        kind = _KINDS.get(entry.type_name, "invalid")
        where = _where(entry, message.root)
        if entry.type_name in _ECHOES and any(place_ == where for _, place_ in found):
            continue  # a facet error already told of this value
        found.setdefault((kind, where), Problem(f"xsd.{kind}", where))
        if len(found) >= MOST:
            break
    return list(found.values())


def _where(entry: etree._LogEntry, root: etree._Element) -> str:
    """The element of a finding; libxml2 gives an XPath with `*` steps for namespaced elements."""
    path = entry.path
    if path:
        try:
            nodes = root.getroottree().xpath(path)
        except etree.XPathError:
            nodes = []
        if isinstance(nodes, list) and nodes and isinstance(nodes[0], etree._Element):
            return place(nodes[0])
    return f"line {entry.line}"
