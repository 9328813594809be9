"""FHIRPath Patch (R4 §3.1.0.7.1): a Parameters resource of operations, each at a place a simple FHIRPath names.

Paths: names, `[n]`, `first()`, `last()`, `ofType(T)`, `as(T)`, `extension('url')` and `where(path = literal and …)`.
Names are those of FHIRPath (`Observation.value`), also where JSON spells the type out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
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
    found = next(value for key, value in parts[name].items() if key.startswith("value"))
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
    element = _element(spot.type, name)
    value, type_name = _value(part, element.types[0])
    key = choice_key(element, type_name) if element.choice else element.name
    if element.repeats:
        spot.value.setdefault(key, []).append(value)
    elif any(k in spot.value for k in _keys(element)):
        raise ValueError
    else:
        spot.value[key] = value


def _replace(spot: _Spot, part: dict[str, Any]) -> None:
    value, type_name = _value(part, spot.type)
    if spot.position is not None:
        spot.holder[spot.key][spot.position] = value
        return
    element = _element(spot.within, spot.key)
    key = choice_key(element, type_name) if element.choice else spot.key
    spot.holder.pop(spot.key)
    spot.holder.pop("_" + spot.key, None)
    spot.holder[key] = value


def _delete(spot: _Spot) -> None:
    beside = spot.holder.get("_" + spot.key)
    if spot.position is None:
        spot.holder.pop(spot.key, None)
        spot.holder.pop("_" + spot.key, None)
        return
    del spot.holder[spot.key][spot.position]
    if isinstance(beside, list) and len(beside) > spot.position:
        del beside[spot.position]
    for key in (spot.key, "_" + spot.key):
        if key in spot.holder and not any(item is not None for item in spot.holder[key]):
            del spot.holder[key]


def _prune(node: Any) -> None:
    """Takes away what a deletion left empty: an element has a value or children (R4 §2.24.0, ele-1)."""
    for key, value in list(node.items() if isinstance(node, dict) else enumerate(node)):
        if not isinstance(value, (dict, list)):
            continue
        _prune(value)
        if not value and isinstance(node, dict):
            del node[key]
    if isinstance(node, list):
        node[:] = [value for value in node if value not in ({}, [])]


def _in_list(spots: list[_Spot], kind: str, parts: dict[str, Any]) -> None:
    if not spots or any(spot.position is None or spot.holder is not spots[0].holder for spot in spots):
        raise ValueError
    items = spots[0].holder[spots[0].key]
    if kind == "move":
        source, target = _whole(parts, "source"), _whole(parts, "destination")
        if target >= len(items):
            raise IndexError
        items.insert(target, items.pop(source))
        return
    index = _whole(parts, "index")
    if index > len(items):
        raise IndexError
    items.insert(index, _value(parts["value"], spots[0].type)[0])


def _value(part: dict[str, Any], type_name: str) -> tuple[Any, str]:
    """The value of a `value` part and its type; parts within build an object of type `type_name`."""
    if "part" in part:
        return _built(part["part"], type_name), type_name
    key, value = next((k, v) for k, v in part.items() if k.startswith("value"))
    stated = key.removeprefix("value")
    found = type_named(stated) or type_named(stated[0].lower() + stated[1:])
    if found is None:
        raise ValueError
    return copied(value), found.name


def _built(parts: list[dict[str, Any]], type_name: str) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for part in parts:
        element = _element(type_name, part["name"])
        value, kind = _value(part, element.types[0])
        key = choice_key(element, kind) if element.choice else element.name
        if element.repeats:
            made.setdefault(key, []).append(value)
        else:
            made[key] = value
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
    if not isinstance(spot.value, dict):
        return []
    element = _element(spot.type, name)
    found = []
    for type_name, key in zip(element.types, _keys(element), strict=False):
        value = spot.value.get(key)
        if isinstance(value, list):
            found += [
                _Spot(item, _actual(item, type_name), spot.value, key, n, spot.type) for n, item in enumerate(value)
            ]
        elif value is not None:
            found.append(_Spot(value, _actual(value, type_name), spot.value, key, None, spot.type))
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
