"""Invented resources of every type, made from the R4 definitions: valid ones, and ones with something broken."""

from __future__ import annotations

from random import Random
from typing import Any

from jiter import LosslessFloat

from fhir import jsontext
from fhir.definitions.table import Element, choice_key, codes, type_named

_TEXTS = {
    "date": "2024-02-29",
    "dateTime": "2026-03-01T10:20:30-03:00",
    "instant": "2026-03-01T10:20:30Z",
    "time": "10:20:30",
    "uri": "urn:ponte:a",
    "url": "https://exemplo.invalid/a",
    "canonical": "http://exemplo.invalid/a|1",
    "code": "a-1",
    "id": "a.1",
    "oid": "urn:oid:1.2.3",
    "uuid": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
    "string": "Ação",
    "markdown": "Ação",
    "base64Binary": "QUJD",
    "xhtml": '<div xmlns="http://www.w3.org/1999/xhtml">a</div>',
}
BROKEN: tuple[Any, ...] = (
    None, "", " ", {}, [], [{}], [None], 0, -1, 1.5, True, "2023-02-29", "2026-13-01", "1900-02-29", "2026-03-01T25:00:00Z",
    "2026", "é", "a b", " a", "a ", "a\tb", "a\x01", "\x85", "\u2028", "Patient/1", "Device/1", "Patient/", "x" * 70, 2**31,
    10**20, {"a": 1}, {"reference": "Bundle/1"}, {"coding": [{"code": "zz"}]}, {"coding": []}, {"extension": []},
    {"url": "urn:a"}, {"url": "urn:a", "valueString": "a", "valueCode": "b"},
)  # fmt: skip


def resource(name: str, random: Random, *, fill: float = 0.4) -> dict[str, Any]:
    """A valid resource of type `name`; each optional element is there with chance `fill`."""
    return {"resourceType": name, "id": "a1", **_object(name, random, fill, 0)}


def broken(valid: dict[str, Any], random: Random) -> dict[str, Any]:
    """A copy with one place replaced, removed or added."""
    found = jsontext.parse(jsontext.text(valid).encode())
    node: Any = found
    while True:
        inner = [v for v in (node.values() if isinstance(node, dict) else node) if isinstance(v, (dict, list)) and v]
        if not inner or random.random() < 0.3:
            break
        node = random.choice(inner)
    wrong = jsontext.parse(jsontext.text(random.choice(BROKEN)).encode())
    if isinstance(node, list):
        node[random.randrange(len(node))] = wrong
    elif random.random() < 0.3:
        del node[random.choice(list(node))]
    elif random.random() < 0.3:
        node[random.choice(("id", "extension", "_status", "valueString", "valueCode", "onsetString", "text"))] = wrong
    else:
        node[random.choice(list(node))] = wrong
    return found


def _object(name: str, random: Random, fill: float, depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    definition = type_named(name)
    assert definition is not None
    for element in definition.elements.values():
        if element.name in ("id", "extension", "modifierExtension", "contained") and depth:
            continue
        if not element.minimum and (depth > 3 or random.random() > fill):
            continue
        kind = random.choice(element.types)
        if kind == "Resource":
            continue
        value = _value(element, kind, random, fill / 2, depth + 1)
        if value != {}:
            found[choice_key(element, kind) if element.choice else element.name] = [value] if element.repeats else value
    if name == "Extension":
        return {"url": "urn:ponte:a", "valueString": "a"}
    if not found and depth:
        found = {"extension": [{"url": "urn:ponte:a", "valueString": "a"}]}
    return found


def _value(element: Element, kind: str, random: Random, fill: float, depth: int) -> Any:
    definition = type_named(kind)
    assert definition is not None
    allowed = sorted(codes(element.binding)) if element.binding else []
    if definition.kind == "primitive":
        if allowed:
            return random.choice(allowed)
        numbers = {"boolean": True, "decimal": LosslessFloat(b"1.50")}
        return numbers.get(kind, _TEXTS.get(kind, 7))
    if kind == "Reference":
        targets = [t for t in element.targets if t != "Resource"] or ["Patient"]
        return {"reference": f"{random.choice(targets)}/1", "identifier": {"system": "urn:ponte:a", "value": "1"}}
    if allowed and kind in ("CodeableConcept", "Coding"):
        coding = {"system": "urn:ponte:a", "code": random.choice(allowed)}
        return coding if kind == "Coding" else {"coding": [coding], "text": "a"}
    return _object(kind, random, fill, depth)
