"""Search parameters (R4 §3.1.1): which a type has, what they may point to, and how texts are written in the index."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from hashlib import blake2b

from canonical.identity import fold
from fhir.definitions.table import Parameter, parameters, resource_types, type_named
from fhir.search.paths import UnsupportedExpression, compile_for

INDEXED = ("token", "string", "date", "number", "quantity", "reference", "uri")
IDENTIFIER = ":identifier"  # the token entries of a reference's identifier stand under `code:identifier`
TEXT = ":text"  # the string entries of a token's words stand under `code:text`
OF_TYPE = ":of-type"  # the token entries `type system|type code`, value of identifiers
BASE = ":base"  # the quantity entries in base units
LEAD = "\x1f"  # parts the code of a composite from its first value
SHAPE = ":shape"  # the one token entry of a record that tells which parameters have values
LONGEST = 240  # characters of an indexed value: with its fold it must fit a b-tree entry at four bytes each
_TYPE_TEST = re.compile(r"resolve\(\) is (\w+)")
_PLAIN_PATH = re.compile(r"\w+(?:\.\w+)+\Z")


@cache
def parameters_of(type_name: str) -> dict[str, Parameter]:
    """The parameters of a resource type by code that this hub can index, those of all resources included."""
    found: dict[str, Parameter] = {}
    for parameter in parameters():
        if not {type_name, "Resource", "DomainResource"} & set(parameter.bases) or not parameter.expression:
            continue
        if parameter.type in INDEXED and _supported(parameter.expression, type_name):
            found[parameter.code] = parameter
    return found


def _supported(expression: str, type_name: str) -> bool:
    try:
        return bool(compile_for(expression, type_name))
    except UnsupportedExpression:
        return False


@cache
def reference_types(type_name: str, code: str) -> tuple[str, ...]:
    """The types a reference parameter may point to; `patient` points to Patient only."""
    parameter = parameters_of(type_name)[code]
    own = [part for part in parameter.expression.split("|") if part.strip(" (").startswith(type_name + ".")]
    tests = [_TYPE_TEST.search(part) for part in own]
    if own and all(tests):
        return tuple(dict.fromkeys(test[1] for test in tests if test))
    targets = parameter.targets or resource_types()
    return resource_types() if "Resource" in targets else targets


@cache
def has_bare_codes(type_name: str, code: str) -> bool:
    """Whether a token parameter's elements are primitives, so that its entries never have a system."""
    for part in parameters_of(type_name)[code].expression.split("|"):
        path = part.strip()
        if path.startswith(type_name + ".") and not _ends_primitive(path):
            return False
        if not path.startswith(type_name + ".") and path.partition(".")[0] in ("Resource", "DomainResource"):
            return False
    return True


def _ends_primitive(path: str) -> bool:
    if _PLAIN_PATH.match(path) is None:
        return False
    names = path.split(".")
    current = type_named(names[0])
    for name in names[1:]:
        element = current.elements.get(name) if current else None
        if element is None or element.choice:
            return False
        current = type_named(element.types[0])
    return current is not None and current.kind == "primitive"


def bounded(text: str) -> str:
    """`text` as it is indexed and looked up: a long one is cut and told apart from others by its hash."""
    if len(text) <= LONGEST:
        return text
    return text[:LONGEST] + "#" + blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest()


@lru_cache(maxsize=4096)
def folded(text: str) -> str:
    """`text` without accents and case, as long as is indexed."""
    return fold(text[:LONGEST])[:LONGEST]


@lru_cache(maxsize=8192)
def split_reference(literal: str) -> tuple[str, str]:
    """`Patient/1` as type and id; anything else under the empty type, without version."""
    kind, mark, identity = literal.partition("/_history/")[0].partition("/")
    if mark and "/" not in identity and kind in _types():
        return kind, bounded(identity)
    return "", bounded(literal.partition("|")[0])


@cache
def _types() -> frozenset[str]:
    return frozenset(resource_types())
