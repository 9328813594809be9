"""Writes converted values into a resource body by FHIR path; the R4 definitions say what is a list.

`name.family` shares one list entry; `collection[one].method` names the entry that rows with the same tag share;
`contact[.].name` is one entry for each source segment; a whole value for a repeating element is appended.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from fhir.definitions.table import Type, choice_key, type_named

_STEP = re.compile(r"(\w+)(?:\[(\w*|\.)\])?\Z")
_LONG = 64
_PARTS = re.compile(r"\w+(?:\[[^\]]*\])?")
Way = tuple[tuple[str, str, bool], ...]
"""A path made ready: (name, tag, repeats) of each step."""


class Body:
    """A body under construction; `tags` remembers which list entry each tag means, `_held` what long lists hold."""

    __slots__ = ("_held", "tags", "type", "value")

    def __init__(self, type_name: str) -> None:
        self.type = type_name
        self.value: dict[str, Any] = {}
        self.tags: dict[tuple[int, str, str], dict[str, Any]] = {}
        self._held: dict[int, set[str]] = {}

    def put(self, path: str, value: Any, segment: int = 0) -> bool:
        """Set or append `value` at `path` (without the type's name); False when a single place is taken already."""
        return self.put_at(compiled(self.type, path), value, segment)

    def put_at(self, steps: Way, value: Any, segment: int = 0) -> bool:
        """The same at a path that is compiled already."""
        node = self.value
        for name, tag, repeats in steps[:-1] if len(steps) > 1 else ():
            node = self._descend(node, name, str(segment) if tag == "." else tag, repeats)
        name, _, repeats = steps[-1]
        if repeats:
            self._append(node.setdefault(name, []), value)
            return True
        if name in node:
            return bool(node[name] == value)
        node[name] = value
        return True

    def _append(self, present: list[Any], value: Any) -> None:
        """Add what the list does not hold yet; a long one is not searched from its beginning each time."""
        if len(present) < _LONG:
            if value not in present:
                present.append(value)
            return
        held = self._held.get(id(present))
        if held is None:
            held = self._held[id(present)] = {repr(item) for item in present}
        if (name := repr(value)) not in held:
            held.add(name)
            present.append(value)

    def _descend(self, node: dict[str, Any], name: str, tag: str, repeats: bool) -> dict[str, Any]:
        if not repeats:
            return node.setdefault(name, {})  # type: ignore[no-any-return]
        key = (id(node), name, tag)
        entry = self.tags.get(key)
        if entry is None:
            entry = self.tags[key] = {}
            node.setdefault(name, []).append(entry)
        return entry


@cache
def compiled(type_name: str, path: str) -> Way:
    """The steps of `path` as (name, tag, repeats); raises LookupError for a path R4 does not have."""
    found = type_named(type_name)
    steps: list[tuple[str, str, bool]] = []
    parts = _PARTS.findall(path)
    if ".".join(parts) != path:
        raise LookupError(f"{type_name}.{path}")
    for part in parts:
        match = _STEP.match(part)
        if match is None or found is None:
            raise LookupError(f"{type_name}.{path}")
        name, tag = match[1], match[2] or ""
        repeats, found = _element(found, name, f"{type_name}.{path}")
        steps.append((name, tag, repeats))
    return tuple(steps)


@cache
def required(type_name: str) -> tuple[tuple[str, ...], ...]:
    """The elements a resource of this type must have, each as the JSON names that satisfy it."""
    found = type_named(type_name)
    if found is None:
        raise LookupError(type_name)
    needed = []
    for element in found.elements.values():
        if element.minimum:
            names = [choice_key(element, t) for t in element.types] if element.choice else [element.name]
            needed.append((*names, *(f"_{name}" for name in names)))
    return tuple(needed)


def element_type(found: Type, name: str) -> Type | None:
    """The type of the element `name` of `found`, also of one type of a choice; None for what R4 does not have."""
    try:
        return _element(found, name, name)[1]
    except LookupError:
        return None


def _element(found: Type, name: str, path: str) -> tuple[bool, Type | None]:
    bare = name.removeprefix("_")
    if element := found.elements.get(bare):
        return element.repeats, type_named("Element" if bare != name else element.types[0])
    for element in found.elements.values():
        if element.choice:
            for type_name in element.types:
                if choice_key(element, type_name) == bare:
                    return False, type_named(type_name)
    raise LookupError(path)
