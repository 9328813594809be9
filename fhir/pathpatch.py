"""FHIRPath Patch (R4 §3.1.0.7.1): a Parameters resource of operations, each at a place a simple FHIRPath names.

Paths: names, `[n]`, `first()`, `last()`, `ofType(T)`, `as(T)`, `extension('url')` and `where(path = literal and …)`.
Names are those of FHIRPath (`Observation.value`), also where JSON spells the type out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise, zip_longest
from typing import Any

from fhir.definitions.table import Element, choice_key, type_named
from fhir.jsontext import copied
from fhir.patch import MOST_OPERATIONS, Unpatched, same

_LONGEST = 4000  # of a path: what is looked for in it may take its square
_STEP = re.compile(r"\s*+\.?\s*+(?:(\w+)\(((?:'(?:[^'\\]|\\.)*'|[^()'])*)\)|`?(\w+)`?|\[(\d{1,9})\])")
_EQUAL = re.compile(r"\s*([\w.]+)\s*=\s*('(?:[^'\\]|\\.)*'|true|false|-?\d+(?:\.\d+)?)\s*\Z")
_AND = re.compile(r"'(?:[^'\\]|\\.)*+'|\band\b")  # or a text, within which it is none


@dataclass(frozen=True, slots=True)
class _Spot:
    """A value, what holds it and under which key (a name, or a position in the list under `key`)."""

    value: Any
    type: str
    holder: Any = None
    key: str = ""
    position: int | None = None
    within: str = ""  # the type of what holds it
    beside: Any = None  # of a primitive: its id and extensions, which JSON keeps under `_key` (R4 §2.6.2.3)


def apply(document: dict[str, Any], parameters: Any) -> dict[str, Any]:
    """`document` changed by the operations of a Parameters resource; raises Unpatched."""
    if not isinstance(parameters, dict) or parameters.get("resourceType") != "Parameters":
        raise Unpatched("form")
    listed = parameters.get("parameter", [])
    if not isinstance(listed, list) or len(listed) > MOST_OPERATIONS:
        raise Unpatched("too-long", limit=str(MOST_OPERATIONS))
    found: dict[str, Any] = copied(document)
    for number, item in enumerate(listed):
        where = f"Parameters.parameter[{number}]"
        try:
            if item.get("name") != "operation":
                raise ValueError
            _one(found, {part["name"]: part for part in item["part"]})
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError):
            raise Unpatched("operation", where, number=str(number)) from None
    return found


def _text(parts: dict[str, Any], name: str) -> str:
    found = next((value for key, value in parts[name].items() if key.startswith("value")), None)
    if not isinstance(found, str):
        raise TypeError
    return found


def _whole(parts: dict[str, Any], name: str) -> int:
    found = parts[name]["valueInteger"]
    if not isinstance(found, int) or isinstance(found, bool) or found < 0:
        raise TypeError
    return found


def _one(document: dict[str, Any], parts: dict[str, Any]) -> None:
    spots = _spots(document, _text(parts, "path"))
    kind = _text(parts, "type")
    if kind == "delete" and not spots:
        return
    if kind in ("insert", "move"):
        return _in_list(spots, kind, parts)
    if len(spots) != 1:
        raise ValueError
    spot = spots[0]
    if kind == "add":
        _add(spot, _text(parts, "name"), parts["value"])
    elif kind == "replace":
        _replace(spot, parts["value"])
    elif kind == "delete":
        _delete(spot)
        _prune(document)
    else:
        raise ValueError


def _add(spot: _Spot, name: str, part: dict[str, Any]) -> None:
    if isinstance(spot.value, dict):
        return _put(spot.value, spot.type, name, part)
    beside = spot.beside or {}
    _put(beside, "Element", name, part)
    _set(spot, spot.value, beside)


def _put(holder: dict[str, Any], within: str, name: str, part: dict[str, Any]) -> None:
    """Adds the value of `part` to `holder`, which is of the type `within`; raises ValueError where one stands."""
    element = _element(within, name)
    value, beside, type_name = _value(part, element.types[0])
    key = choice_key(element, type_name) if element.choice else element.name
    if element.repeats:
        _store(holder, key, [*_pairs(holder, key), (value, beside)])
    elif any(each in holder or "_" + each in holder for each in _keys(element)):
        raise ValueError
    else:
        _store_one(holder, key, value, beside)


def _replace(spot: _Spot, part: dict[str, Any]) -> None:
    value, beside, type_name = _value(part, spot.type)
    if spot.position is not None:
        return _set(spot, value, beside)
    element = _element(spot.within, spot.key)
    _store_one(spot.holder, spot.key, None, None)
    _store_one(spot.holder, choice_key(element, type_name) if element.choice else spot.key, value, beside)


def _set(spot: _Spot, value: Any, beside: Any) -> None:
    """Puts a value and what stands beside it where `spot` is."""
    if spot.position is None:
        return _store_one(spot.holder, spot.key, value, beside)
    pairs = _pairs(spot.holder, spot.key)
    pairs[spot.position] = (value, beside)
    _store(spot.holder, spot.key, pairs)


def _delete(spot: _Spot) -> None:
    if spot.position is None:
        return _store_one(spot.holder, spot.key, None, None)
    pairs = _pairs(spot.holder, spot.key)
    del pairs[spot.position]
    _store(spot.holder, spot.key, pairs)


def _pairs(holder: dict[str, Any], key: str) -> list[tuple[Any, Any]]:
    """The items of a list, each with its id and extensions: both move together, or one takes those of another."""
    return list(zip_longest(holder.get(key) or [], holder.get("_" + key) or []))


def _store(holder: dict[str, Any], key: str, pairs: list[tuple[Any, Any]]) -> None:
    values, besides = [value for value, _ in pairs], [beside for _, beside in pairs]
    some = any(value is not None for value in values), any(beside is not None for beside in besides)
    _store_one(holder, key, values if some[0] else None, besides if some[1] else None)


def _store_one(holder: dict[str, Any], key: str, value: Any, beside: Any) -> None:
    for name, found in ((key, value), ("_" + key, beside)):
        if found is None:
            holder.pop(name, None)
        else:
            holder[name] = found


def _prune(node: dict[str, Any]) -> None:
    """Takes away what a deletion left empty: an element has a value or children (R4 §2.24.0, ele-1)."""
    for key, value in list(node.items()):
        for item in value if isinstance(value, list) else (value,):
            if isinstance(item, dict):
                _prune(item)
        if isinstance(value, list):
            name = key.removeprefix("_")
            pairs = [(None if one == {} else one, beside or None) for one, beside in _pairs(node, name)]
            _store(node, name, [pair for pair in pairs if pair != (None, None)])
        elif value == {}:
            del node[key]


def _in_list(spots: list[_Spot], kind: str, parts: dict[str, Any]) -> None:
    if not spots or any(spot.position is None or spot.holder is not spots[0].holder for spot in spots):
        raise ValueError
    holder, key = spots[0].holder, spots[0].key
    pairs = _pairs(holder, key)
    if kind == "move":
        source, target = _whole(parts, "source"), _whole(parts, "destination")
        if target >= len(pairs):
            raise IndexError
        pairs.insert(target, pairs.pop(source))
    else:
        index = _whole(parts, "index")
        if index > len(pairs):
            raise IndexError
        value, beside, _ = _value(parts["value"], spots[0].type)
        pairs.insert(index, (value, beside))
    _store(holder, key, pairs)


def _value(part: dict[str, Any], type_name: str) -> tuple[Any, Any, str]:
    """The value of a `value` part, what stands beside it and its type; parts within build one of `type_name`."""
    if "part" in part:
        return _built(part["part"], type_name), None, type_name
    if "resource" in part:
        return copied(part["resource"]), None, str(part["resource"]["resourceType"])
    stated = {key.removeprefix("_") for key in part if key.removeprefix("_").startswith("value")}
    (key,) = stated
    name = key.removeprefix("value")
    found = type_named(name) or type_named(name[0].lower() + name[1:])
    if found is None:
        raise ValueError
    return copied(part.get(key)), copied(part.get("_" + key)), found.name


def _built(parts: list[dict[str, Any]], type_name: str) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for part in parts:
        _put(made, type_name, part["name"], part)
    return made


def _element(type_name: str, name: str) -> Element:
    found = type_named(type_name)
    if found is None:
        raise KeyError(name)
    if name in found.elements:
        return found.elements[name]
    for element in found.elements.values():
        if name in _keys(element):
            return element
    raise KeyError(name)


def _keys(element: Element) -> list[str]:
    return [choice_key(element, name) for name in element.types] if element.choice else [element.name]


def _spots(document: dict[str, Any], path: str) -> list[_Spot]:
    """The places a path names."""
    if len(path) > _LONGEST:
        raise ValueError
    root = str(document["resourceType"])
    spots = [_Spot(document, root)]
    position, first = 0, True
    while position < len(path.rstrip()):
        match = _STEP.match(path, position)
        if match is None:
            raise ValueError
        position = match.end()
        call, argument, name, index = match.groups()
        if index is not None:
            spots = spots[int(index) : int(index) + 1]
        elif name is not None:
            if not (first and name in (root, "Resource", "DomainResource")):
                spots = [inner for spot in spots for inner in _children(spot, name)]
        else:
            spots = _called(spots, call, argument)
        first = False
    return spots


def _children(spot: _Spot, name: str) -> list[_Spot]:
    inner, within = (spot.value, spot.type) if isinstance(spot.value, dict) else (spot.beside, "Element")
    if not isinstance(inner, dict):
        return []
    element = _element(within, name)
    found = []
    for type_name, key in zip(element.types, _keys(element), strict=False):
        value, beside = inner.get(key), inner.get("_" + key)
        if isinstance(value, list) or isinstance(beside, list):
            for n, (one, other) in enumerate(_pairs(inner, key)):
                found.append(_Spot(one, _actual(one, type_name), inner, key, n, within, other))
        elif value is not None or beside is not None:
            found.append(_Spot(value, _actual(value, type_name), inner, key, None, within, beside))
    return found


def _actual(value: Any, declared: str) -> str:
    return str(value.get("resourceType", declared)) if isinstance(value, dict) else declared


def _called(spots: list[_Spot], name: str, argument: str) -> list[_Spot]:
    match name:
        case "first":
            return spots[:1]
        case "last":
            return spots[-1:]
        case "ofType" | "as":
            return [spot for spot in spots if spot.type == argument.strip()]
        case "extension":
            inner = [each for spot in spots for each in _children(spot, "extension")]
            return [each for each in inner if each.value.get("url") == _literal(argument.strip())]
        case "where":
            tests = [_EQUAL.match(part) for part in _conjuncts(argument)]
            if not all(tests):
                raise ValueError
            pairs = [(test[1].split("."), _literal(test[2])) for test in tests if test]
            return [spot for spot in spots if all(_has(spot, steps, wanted) for steps, wanted in pairs)]
    raise ValueError


def _conjuncts(argument: str) -> list[str]:
    """What stands between the words `and` of a condition."""
    ends = [match.span() for match in _AND.finditer(argument) if match[0] == "and"]
    return [argument[begin:end] for (_, begin), (end, _) in pairwise(((0, 0), *ends, (len(argument), 0)))]


def _has(spot: _Spot, steps: list[str], wanted: Any) -> bool:
    found = [spot]
    for step in steps:
        found = [inner for each in found for inner in _children(each, step)]
    return any(same(each.value, wanted) for each in found)


def _literal(text: str) -> Any:
    if text.startswith("'"):
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    if text in ("true", "false"):
        return text == "true"
    return float(text) if "." in text else int(text)
