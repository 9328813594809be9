"""Links between the entries of a Bundle (R4 §3.1.0.11.2): found and replaced by type, never by spelling alone."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from functools import cache
from typing import Any

from fhir.definitions.table import choice_key, type_named

_URIS = frozenset(("uri", "url", "canonical", "oid", "uuid"))
_TEXTS = _URIS | {"xhtml"}
_ANCHOR = re.compile(r"""\b(href|src)=(["'])([^"']+)\2""")


@cache
def _keys(type_name: str) -> dict[str, str]:
    """The JSON keys of a type where links may stand, and the type of what stands there.

    A Bundle's entries link among themselves only.
    """
    found = type_named(type_name)
    keys: dict[str, str] = {}
    for element in found.elements.values() if found else ():
        if (type_name, element.name) == ("Bundle", "entry"):
            continue
        for name in element.types:
            if not name[0].islower() or name in _URIS or name == "xhtml":
                keys[choice_key(element, name) if element.choice else element.name] = name
    return keys


@cache
def _objects(type_name: str) -> dict[str, str]:
    """Those of the keys where objects stand, in which references may be."""
    return {key: name for key, name in _keys(type_name).items() if not name[0].islower()}


def references(node: Any, type_name: str) -> list[str]:
    """The literal text of every Reference within `node`, contained resources included."""
    found: list[str] = []
    _gather(node, type_name, found)
    return found


def _gather(node: Any, type_name: str, found: list[str]) -> None:
    if isinstance(node, list):
        for item in node:
            _gather(item, type_name, found)
    elif isinstance(node, dict):
        if type_name == "Reference" and isinstance(literal := node.get("reference"), str):
            found.append(literal)
        keys = _objects(_actual(node, type_name))
        for key, value in node.items():
            if key in keys and not isinstance(value, str):
                _gather(value, keys[key], found)


def owned(literals: Iterable[str], base: str, *, but: Container[str] = ()) -> dict[str, str]:
    """Those of `literals` by the server's own address `base`, with the relative ones that mean the same."""
    found = {}
    for literal in literals:
        if literal.startswith(base + "/") and literal not in but:
            name = literal.removeprefix(base + "/")
            if type_named(name.partition("/")[0]) is not None:
                found[literal] = name
    return found


def replaced(node: Any, type_name: str, targets: Mapping[str, str]) -> Any:
    """`node` with every reference, URI and narrative link that names a key of `targets` naming its value."""
    if isinstance(node, list):
        return [replaced(item, type_name, targets) for item in node]
    if isinstance(node, str):
        if type_name == "xhtml":
            return _ANCHOR.sub(lambda m: f"{m[1]}={m[2]}{targets.get(m[3], m[3])}{m[2]}", node)
        return targets.get(node, node) if type_name in _URIS else node
    if not isinstance(node, dict):
        return node
    keys = _keys(_actual(node, type_name))
    copy = dict(node)
    for key, value in node.items():
        kind = keys.get(key)
        if kind is not None and (kind in _TEXTS or not isinstance(value, str)):
            copy[key] = replaced(value, kind, targets)
    if type_name == "Reference" and isinstance(node.get("reference"), str):
        copy["reference"] = targets.get(node["reference"], node["reference"])
    return copy


def _actual(node: dict[str, Any], declared: str) -> str:
    return str(node.get("resourceType", declared)) if declared == "Resource" else declared
