"""The shape table: what the official XSD says of each type (elements in order, occurrence, facets), read once.

Drives builder and reader. It is derived from the installed schema on first use and kept beside it.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tiss.wire import versions

_LAYOUT = 4  # of what is stored; a table of another one is derived again


@dataclass(frozen=True, slots=True)
class Part:
    """One element of a type: its name, namespace-qualified when foreign, its type and occurrence (None: unbounded).

    `choice` numbers the choice of which only one element may stand there; 0 where it is none of one.
    """

    name: str
    type: str
    minimum: int
    maximum: int | None
    choice: int = 0


@dataclass(frozen=True, slots=True)
class Shape:
    """One type: `parts` in order for a complex type; facets for a simple one.

    `places` are the decimals of a number, `digits` all its digits, `least` the smallest value.
    """

    name: str
    parts: tuple[Part, ...]
    base: str
    codes: tuple[str, ...]
    patterns: tuple[str, ...]
    longest: int | None
    shortest: int | None
    places: int | None = None
    digits: int | None = None
    least: str = ""

    @property
    def simple(self) -> bool:
        """Whether the type carries text only."""
        return not self.parts and bool(self.base)


@dataclass(frozen=True, slots=True)
class Shapes:
    """All shapes of one version and form: root elements by name, types by id."""

    roots: dict[str, str]
    types: dict[str, Shape]

    def root(self, name: str) -> Shape:
        """The shape of a root element; raises LookupError."""
        return self.types[self.roots[name]]


def at(table: Shapes, path: Sequence[str]) -> Shape | None:
    """The shape of the element at a path of local names from the root; None when the schema has no such place."""
    if not path or path[0] not in table.roots:
        return None
    shape = table.root(path[0])
    for name in path[1:]:
        part = next((part for part in shape.parts if part.name == name), None)
        if part is None:
            return None
        shape = table.types[part.type]
    return shape


@cache
def of(version: str, *, service: bool = False) -> Shapes:
    """The shapes of a version; raises Misconfigured when its schema is not installed."""
    found = versions.at(version)
    entry = found.service_entry if service else found.entry
    stored = found.folder / f"{Path(entry).stem}.shapes.json"
    mark = f"{found.files.get(entry, '')} {_LAYOUT}"
    with contextlib.suppress(OSError, ValueError, KeyError):
        document = json.loads(stored.read_text(encoding="utf-8"))
        if document["mark"] == mark:
            return _load(document)
    document = {"mark": mark, **_derive(found.folder / entry)}
    with contextlib.suppress(OSError):
        partial = stored.with_suffix(".partial")
        partial.write_text(json.dumps(document, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")
        partial.replace(stored)
    return _load(document)


def _load(document: dict[str, Any]) -> Shapes:
    types = {
        key: Shape(
            key,
            tuple(Part(*part) for part in row.get("parts", ())),
            row.get("base", ""),
            tuple(row.get("codes", ())),
            tuple(row.get("patterns", ())),
            row.get("longest"),
            row.get("shortest"),
            row.get("places"),
            row.get("digits"),
            row.get("least", ""),
        )
        for key, row in document["types"].items()
    }
    return Shapes(document["roots"], types)


def _derive(entry: Path) -> dict[str, Any]:
    import xmlschema  # needed once for each schema; every start of a process would pay for it

    schema = xmlschema.XMLSchema(str(entry), validation="lax", defuse="never", allow="sandbox")
    types: dict[str, Any] = {}
    roots = {element.local_name: _type(element.type, element.local_name, types) for element in schema.elements.values()}
    return {"roots": roots, "types": types}


def _type(found: Any, path: str, types: dict[str, Any]) -> str:
    """Record a type and return its id: its own name, or the path of the element for an anonymous one."""
    key = found.local_name or path
    if key in types:
        return str(key)
    types[key] = row = {}
    if found.is_simple() or found.has_simple_content():
        row.update(_facets(found if found.is_simple() else found.content))
        return str(key)
    if found.target_namespace == versions.SIGNATURE:
        return str(key)
    choices: dict[int, int] = {}
    row["parts"] = [
        [_name(e), _type(e.type, f"{path}/{e.local_name}", types), *_occurrence(e), _choice(e, choices)]
        for e in found.content.iter_elements()
        if getattr(e, "type", None) is not None
    ]
    return str(key)


def _name(element: Any) -> str:
    return str(element.local_name if element.target_namespace == versions.NAMESPACE else element.name)


def _occurrence(element: Any) -> tuple[int, int | None]:
    """Occurrence with that of the groups around it: an element of a choice is optional, of a repeated group many."""
    minimum, maximum = element.min_occurs, element.max_occurs
    group = element.parent
    while group is not None and hasattr(group, "model"):
        if group.model == "choice" or group.min_occurs == 0:
            minimum = 0
        if group.max_occurs is None or (maximum is not None and group.max_occurs > 1):
            maximum = None if group.max_occurs is None else maximum * group.max_occurs
        group = group.parent
    return minimum, maximum


def _choice(element: Any, known: dict[int, int]) -> int:
    """The number, within its type, of the choice an element is a branch of; 0 for none, and one that repeats."""
    group = element.parent
    if getattr(group, "model", "") != "choice" or group.max_occurs != 1 or element.max_occurs != 1:
        return 0
    return known.setdefault(id(group), len(known) + 1)


def _facets(found: Any) -> dict[str, Any]:
    base = found
    while base.base_type is not None and base.base_type.target_namespace == versions.NAMESPACE:
        base = base.base_type
    root = base.root_type if hasattr(base, "root_type") else base
    row: dict[str, Any] = {"base": str(root.local_name)}
    if found.enumeration:
        row["codes"] = [str(code) for code in found.enumeration]
    if found.patterns:
        row["patterns"] = [str(pattern) for pattern in found.patterns.regexps]
    if found.max_length is not None:
        row["longest"] = found.max_length
    if found.min_length is not None:
        row["shortest"] = found.min_length
    for key, facet in (("places", "fractionDigits"), ("digits", "totalDigits"), ("least", "minInclusive")):
        values = [each.value for name, each in found.facets.items() if name and name.endswith(f"}}{facet}")]
        if values:
            row[key] = str(values[0]) if key == "least" else values[0]
    return row
