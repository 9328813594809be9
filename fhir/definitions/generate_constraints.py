"""Generates `_constraints.json`: the FHIRPath constraints of R4 (npm hl7.fhir.r4.examples 4.0.1, CC0) by element.

Usage: python -m fhir.definitions.generate_constraints EXAMPLES_FOLDER (the unpacked `package` folder).
Key, severity and expression are taken, the sentences are not. Those of DomainResource stand once, under its name.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fhir.definitions.generate import is_base_type

_BASE = "http://hl7.org/fhir/StructureDefinition/"
_STRUCTURAL = ("ele-1", "ext-1")  # kept by the validator of structure
_SIMPLE = ("SimpleQuantity", "MoneyQuantity")


def generate(examples: Path) -> dict[str, list[list[str]]]:
    """By element path (`Patient`, `Patient.contact`, `Period`): key, severity, expression."""
    bodies = {body["url"]: body for body in _definitions(examples)}
    common = _keys(bodies[_BASE + "DomainResource"])
    found: dict[str, list[list[str]]] = {}
    for body in bodies.values():
        if not is_base_type(body):
            continue
        for element in body["snapshot"]["element"]:
            path = element["path"].removesuffix("[x]")
            inherited = common if body["type"] != "DomainResource" else frozenset()
            rows = [row for row in _rows(element) if row[0] not in inherited]
            for name in _profiles(element):
                narrowed = _rows(bodies[_BASE + name]["snapshot"]["element"][0])
                rows += [
                    row for row in narrowed if row not in _rows(bodies[_BASE + "Quantity"]["snapshot"]["element"][0])
                ]
            if rows:
                known = found.setdefault(path, [])
                known += [row for row in rows if row not in known]
    return {path: found[path] for path in sorted(found)}


def _definitions(examples: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(examples.glob("StructureDefinition-*.json")):
        yield json.loads(path.read_text(encoding="utf-8"))


def _keys(body: dict[str, Any]) -> frozenset[str]:
    return frozenset(row[0] for row in _rows(body["snapshot"]["element"][0]))


def _rows(element: dict[str, Any]) -> list[list[str]]:
    return [
        [item["key"], item["severity"], item["expression"]]
        for item in element.get("constraint", ())
        if item.get("expression") and item["key"] not in _STRUCTURAL
    ]


def _profiles(element: dict[str, Any]) -> list[str]:
    """The named quantities an element is narrowed to."""
    urls = [url.removeprefix(_BASE) for kind in element.get("type", ()) for url in kind.get("profile", ())]
    return [name for name in urls if name in _SIMPLE]


def main(arguments: list[str]) -> None:
    """Write `_constraints.json` beside this module, one element a line."""
    rows = generate(Path(arguments[0]))
    lines = [
        f"{json.dumps(path)}:{json.dumps(each, ensure_ascii=False, separators=(',', ':'))}"
        for path, each in rows.items()
    ]
    Path(__file__).with_name("_constraints.json").write_text("{\n" + ",\n".join(lines) + "}\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
