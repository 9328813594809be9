"""Official examples broken in every way: each is refused, and the finding names the place that was broken.

Every 150th example, or all of them with PONTE_R4_ALL (half an hour).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
import r4_examples

from canonical.problem import Problem
from fhir import jsontext
from fhir.definitions.table import choice_key, type_named
from fhir.validation.validator import expression, validate

BAD = {
    "date": "2024-13-45", "dateTime": "2024-02-30T10:00:00Z", "instant": "yesterday", "boolean": "yes", "integer": "x",
    "decimal": "x", "positiveInt": 0, "unsignedInt": -1, "time": "25:00:00",
}  # fmt: skip
Spot = tuple[dict[str, Any], list[str | int], str]  # what holds the element, its path, its type


def spots(node: Any, type_name: str, path: list[str | int]) -> Iterator[Spot]:
    """Every element that is stated within `node`."""
    found = type_named(str(node.get("resourceType", type_name)) if type_name == "Resource" else type_name)
    for element in found.elements.values() if found and isinstance(node, dict) else ():
        for kind in element.types:
            key = choice_key(element, kind) if element.choice else element.name
            if key not in node:
                continue
            yield node, [*path, key], kind
            below = enumerate(node[key]) if isinstance(node[key], list) else [(None, node[key])]
            for place, item in below:
                if isinstance(item, dict):
                    yield from spots(item, kind, [*path, key, *([] if place is None else [place])])


def broken(held: dict[str, Any], path: list[str | int], kind: str) -> Iterator[list[str | int]]:
    """Breaks one element in turn, each time restored: the path of what is wrong then."""
    key = str(path[-1])
    old = held[key]
    wrong: list[Any] = [None, "true" if isinstance(old, bool) else 17 if isinstance(old, (dict, str, list)) else "x"]
    if kind in BAD and not isinstance(old, list):
        wrong.append(BAD[kind])
    for value in wrong:
        held[key] = value
        yield path
    held[key] = old
    if isinstance(old, dict) and "resourceType" not in old:
        old["nothing"] = {"x": 1}
        yield [*path, "nothing"]
        del old["nothing"]


@pytest.mark.slow
def test_each_break_is_named() -> None:
    chance = random.Random(5)
    tried = 0
    for file in sorted(r4_examples.folder().glob("[!.]*-*.json"))[:: 1 if r4_examples.ALL else 150]:
        body: Any = jsontext.parse(file.read_bytes())
        if not isinstance(body, dict) or "resourceType" not in body or validate(body):
            continue
        every = list(spots(body, body["resourceType"], []))
        for held, path, kind in chance.sample(every, min(len(every), 12)):
            for place in broken(held, path, kind):
                found = [problem for problem in validate(body) if problem.blocks]
                assert expression(body["resourceType"], place) in [p.where for p in found], (file.name, place, kind)
                tried += 1
        assert validate(body) == [], file.name
        deep = '{"url":"urn:x","extension":[' * 150 + '{"url":"urn:x"}' + "]}" * 150
        text = f'{{"resourceType":"{body["resourceType"]}","extension":[{deep}]}}'
        assert isinstance(jsontext.parse(text.encode()), Problem)
    assert tried > 500
