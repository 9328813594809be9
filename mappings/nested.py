"""Nested elements that R4 requires something of: one that lacks it is left out, the rest of the record stays.

A field that is null or has no match can take from an entry the very element it cannot be without
(`Practitioner.qualification` without `code`). Left in, it would make the whole record invalid.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from fhir.definitions.table import Type, type_named
from mappings.body import element_type, required
from mappings.plan import RecordPlan
from mappings.program import program

_NAME = re.compile(r"\w+")


@cache
def containers(plan: RecordPlan) -> tuple[tuple[tuple[str, ...], tuple[tuple[str, ...], ...]], ...]:
    """The places above what the rows write that require elements, deepest first: (path, alternatives of each)."""
    found: dict[tuple[str, ...], tuple[tuple[str, ...], ...]] = {}
    for step in program(plan):
        for path, needed in _above(plan.type, step.path):
            found[path] = needed
    return tuple(sorted(found.items(), key=lambda item: -len(item[0])))


def _above(type_name: str, path: str) -> Iterator[tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]]:
    if path.startswith("@"):
        return
    names = [match[0] for part in path.split(".") if (match := _NAME.match(part))]
    found: Type | None = type_named(type_name)
    for depth, name in enumerate(names[:-1], start=1):
        found = element_type(found, name) if found is not None else None
        if found is None:
            return
        needed = required(found.name)
        if needed:
            yield tuple(names[:depth]), needed


def drop_incomplete(body: dict[str, Any], initial: dict[str, Any], plan: RecordPlan) -> list[str]:
    """Leave out of `body` what lacks a required element; returns the paths of what is missing, without the type.

    An element that has a part in `initial` is complete only where both meet, and is left alone.
    """
    missing: list[str] = []
    for path, needed in containers(plan):
        if path[0] in body and path[0] not in initial:
            _drop(body, path, needed, missing)
    return missing


def _drop(node: dict[str, Any], path: tuple[str, ...], needed: tuple[tuple[str, ...], ...], missing: list[str]) -> None:
    name, rest = path[0], path[1:]
    value = node.get(name)
    entries = value if isinstance(value, list) else [value]
    kept = []
    for entry in entries:
        if not isinstance(entry, dict):
            kept.append(entry)
            continue
        if rest:
            _drop(entry, rest, needed, missing)
            if entry:
                kept.append(entry)
            continue
        lacking = [names[0] for names in needed if not any(other in entry for other in names)]
        missing += [f"{name}.{first}" for first in lacking]
        if not lacking:
            kept.append(entry)
    if len(kept) == len(entries):
        return
    if isinstance(value, list) and kept:
        node[name] = kept
    else:
        node.pop(name, None)
