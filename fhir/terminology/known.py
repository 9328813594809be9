"""The code systems, value sets and concept maps of R4 itself: the only reader of `_terminology.json`."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import orjson

from fhir import definitions
from fhir.terminology.maps import Map
from fhir.terminology.maps import of_body as map_of
from fhir.terminology.stated import Set
from fhir.terminology.stated import of_body as set_of
from fhir.terminology.systems import Concept, Listed, Property


@cache
def _raw() -> dict[str, dict[str, Any]]:
    path = Path(definitions.__file__).with_name("_terminology.json")
    return orjson.loads(path.read_bytes())  # type: ignore[no-any-return]


@cache
def system(url: str) -> Listed | None:
    """The code system of an address, without its definitions in prose; None when R4 has none."""
    row = _raw()["systems"].get(url)
    if row is None:
        return None
    stated = {"url": url, "version": row["v"], "name": row["n"], "valueSet": row.get("s", ""), "content": row["k"]}
    found = Listed({**stated, "caseSensitive": "i" not in row})
    stack: list[tuple[list[Any], str]] = [(concept, "") for concept in reversed(row["c"])]
    while stack:
        concept, parent = stack.pop()
        whole: list[Any] = [*concept, *("", {}, [])[len(concept) - 1 :]]
        code, display, facts, inner = whole
        parents = [*([parent] if parent else []), *facts.get("p", ())]
        status = facts.get("s", "")
        found.add(
            Concept(
                code=code,
                display=display,
                language="en",
                properties=(Property("status", "valueCode", status),) if status else (),
                abstract="a" in facts,
                inactive=str(status).lower() in ("retired", "inactive", "deprecated"),
            ),
            parents,
            facts.get("c", ()),
        )
        stack += [(each, code) for each in reversed(inner)]
    return found


@cache
def value_set(url: str) -> Set | None:
    """The value set of an address; None when R4 has none."""
    row = _raw()["sets"].get(url)
    if row is None:
        owner = _owners().get(url)
        row = {"n": "", "v": "", "i": [{"system": owner}]} if owner else None
    if row is None:
        return None
    compose = {name: [part(each) for each in row.get(key, ())] for name, key in (("include", "i"), ("exclude", "e"))}
    return set_of({"url": url, "version": row["v"], "name": row["n"], "compose": compose})


def part(row: dict[str, Any]) -> dict[str, Any]:
    """A part of a value set's compose as R4 writes it."""
    if "concept" not in row:
        return row
    return {**row, "concept": [dict(zip(("code", "display"), each, strict=False)) for each in row["concept"]]}


@cache
def _owners() -> dict[str, str]:
    """The code systems by the value set of all their codes."""
    return {row["s"]: url for url, row in _raw()["systems"].items() if row.get("s")}


@cache
def concept_map(url: str) -> Map | None:
    """The concept map of an address; None when R4 has none."""
    row = _raw()["maps"].get(url)
    if row is None:
        return None
    groups = [
        {
            "source": group["source"],
            "target": group["target"],
            "element": [
                {"code": code, "target": [dict(zip(("code", "equivalence"), t, strict=True)) for t in targets]}
                for code, targets in group["element"]
            ],
        }
        for group in row["g"]
    ]
    ends = {"sourceUri": row["s"], "targetUri": row["t"]}
    return map_of({"url": url, "version": row["v"], "name": row["n"], "group": groups, **ends})


@cache
def maps_from(source: str) -> tuple[Map, ...]:
    """The concept maps of R4 with a group from code system `source`."""
    urls = [url for url, row in _raw()["maps"].items() if any(group["source"] == source for group in row["g"])]
    return tuple(found for url in urls if (found := concept_map(url)) is not None)


@cache
def maps_into(target: str) -> tuple[Map, ...]:
    """The concept maps of R4 with a group into code system `target`."""
    urls = [url for url, row in _raw()["maps"].items() if any(group["target"] == target for group in row["g"])]
    return tuple(found for url in urls if (found := concept_map(url)) is not None)


def rows(kind: str) -> dict[str, Any]:
    """The compact rows by address of `systems`, `sets` or `maps`."""
    return _raw()[kind]


def addresses(kind: str) -> tuple[str, ...]:
    """The addresses R4 has: `systems`, `sets` or `maps`."""
    return tuple(_raw()[kind])
