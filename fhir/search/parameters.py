"""Search parameters (R4 §3.1.1): which a type has, what they may point to, and how texts are written in the index."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from hashlib import blake2b

from canonical.identity import fold
from fhir.definitions.table import Element, Parameter, parameters, resource_types, type_named
from fhir.search.paths import UnsupportedExpression, compile_for
from fhir.terminology import known

_BOOLEANS = "http://terminology.hl7.org/CodeSystem/special-values"
INDEXED = ("token", "string", "date", "number", "quantity", "reference", "uri")
IDENTIFIER = ":identifier"  # the token entries of a reference's identifier stand under `code:identifier`
TEXT = ":text"  # the string entries of a token's words stand under `code:text`
VERSION = ":version"  # canonicals that name a version stand under `code:version` with it, else without
OF_TYPE = ":of-type"  # the token entries `type system|type code`, value of identifiers
_MEDIA = ("contentType", "format", "payload")  # the codes of R4 that are media types (BCP 13) and have a parameter
BASE = ":base"  # the quantity entries in base units
LEAD = "\x1f"  # parts the code of a composite from its first value
SHAPE = ":shape"  # the one token entry of a record that tells which parameters have values
HELD = ":held"  # token entries, under one key for all types, that tell where records name what they contain
INNER = ":inner"  # the token entry of a record that tells how many contained resources have entries of their own
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
    return bool(_primitives(type_name, code))


@cache
def implied_systems(type_name: str, code: str) -> frozenset[str]:
    """The systems that the codes of a parameter with bare codes are of, by the value set they must be from (R4
    §3.1.1.4.10: the system of a `code` is implied); empty for other parameters.
    """
    sets = (known.value_set(element.binding) for element in _primitives(type_name, code) if element.binding)
    found = {system for each in sets if each is not None for system in each.systems}
    booleans = any("boolean" in element.types for element in _primitives(type_name, code))
    return frozenset(found | {_BOOLEANS} if booleans else found)


@cache
def is_media(type_name: str, code: str) -> bool:
    """Whether a parameter of a type reads media types (`text/xml`)."""
    return any(element.name in _MEDIA and element.types == ("code",) for element in _primitives(type_name, code))


@cache
def _primitives(type_name: str, code: str) -> tuple[Element, ...]:
    """The elements a parameter of a type reads, when all of them are primitives; else none."""
    parameter = parameters_of(type_name).get(code)
    paths = [part.strip() for part in parameter.expression.split("|")] if parameter is not None else []
    roots = [path.lstrip("(").partition(".")[0] for path in paths]
    own = [path for path, root in zip(paths, roots, strict=True) if root == type_name or root not in resource_types()]
    found = [_primitive(path) for path in own]
    general = {"Resource", "DomainResource"} & set(roots)
    return tuple(each for each in found if each is not None) if not general and None not in found else ()


def _primitive(path: str) -> Element | None:
    """The primitive at the end of a plain path, or None."""
    if _PLAIN_PATH.match(path) is None:
        return None
    names = path.split(".")
    current, element = type_named(names[0]), None
    for name in names[1:]:
        element = current.elements.get(name) if current else None
        if element is None or element.choice:
            return None
        current = type_named(element.types[0])
    return element if current is not None and current.kind == "primitive" else None


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
