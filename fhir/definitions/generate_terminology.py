"""Generates `_terminology.json`: the code systems, value sets and concept maps of R4 (npm hl7.fhir.r4.examples, CC0).

Usage: python -m fhir.definitions.generate_terminology EXAMPLES_FOLDER (the unpacked `package` folder).
Codes, their names and their order are taken; definitions in prose are not, nor the names of codes of SNOMED CT and
LOINC, which have licences of their own.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_NAMELESS = ("http://snomed.info/", "http://loinc.org")
_EXAMPLES = (
    "http://example.org/",
    "http://acme.com/",
    "http://hl7.org/fhir/ValueSet/example",
    "http://hl7.org/fhir/CodeSystem/example",
)
_PARENTS = ("parent", "subsumedBy")


def generate(examples: Path) -> dict[str, dict[str, Any]]:
    """The table: `systems`, `sets` and `maps`, each by canonical address."""
    found: dict[str, dict[str, Any]] = {}
    for part, kind, row in (
        ("systems", "CodeSystem", _system),
        ("sets", "ValueSet", _set),
        ("maps", "ConceptMap", _map),
    ):
        bodies = {body["url"]: body for body in _bodies(examples, kind)}
        found[part] = {url: row(bodies[url]) for url in sorted(bodies)}
    return found


def _bodies(examples: Path, kind: str) -> Iterator[dict[str, Any]]:
    for path in sorted(examples.glob(f"{kind}-*.json")):
        body = json.loads(path.read_text(encoding="utf-8"))
        url = body.get("url", "")
        ours = url and not url.startswith(_EXAMPLES) and not (kind == "CodeSystem" and url.startswith(_NAMELESS))
        if body.get("resourceType") == kind and ours:
            yield body


def _system(body: dict[str, Any]) -> dict[str, Any]:
    row = {"n": body.get("name", ""), "v": body.get("version", ""), "k": body.get("content", "complete")}
    if body.get("caseSensitive") is False:
        row["i"] = 1
    if body.get("valueSet"):
        row["s"] = body["valueSet"]
    row["c"] = [_concept(concept) for concept in body.get("concept", ())]
    return row


def _concept(concept: dict[str, Any]) -> list[Any]:
    """`[code, display, facts, children]`; what is empty at the end is left out."""
    facts: dict[str, Any] = {}
    for item in concept.get("property", ()):
        value = next((v for k, v in item.items() if k.startswith("value")), None)
        if item["code"] in ("notSelectable", "abstract") and value is True:
            facts["a"] = 1
        elif item["code"] == "status" and value not in ("active", "A"):
            facts["s"] = value
        elif item["code"] == "child":
            facts.setdefault("c", []).append(value)
        elif item["code"] in _PARENTS:
            facts.setdefault("p", []).append(value)
    row = [concept["code"], concept.get("display", ""), facts, [_concept(c) for c in concept.get("concept", ())]]
    while row and not row[-1]:
        row.pop()
    return row


def _set(body: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {"n": body.get("name", ""), "v": body.get("version", "")}
    for part, key in (("include", "i"), ("exclude", "e")):
        listed = [_part(item) for item in body.get("compose", {}).get(part, ())]
        if listed:
            row[key] = listed
    return row


def _part(item: dict[str, Any]) -> dict[str, Any]:
    """An include or exclude as it stands, but names of codes only where they are free."""
    found: dict[str, Any] = {key: item[key] for key in ("system", "version", "filter", "valueSet") if key in item}
    named = not str(item.get("system", "")).startswith(_NAMELESS)
    if "concept" in item:
        concepts = item["concept"]
        found["concept"] = [[c["code"], c["display"]] if named and "display" in c else [c["code"]] for c in concepts]
    return found


def _map(body: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {"n": body.get("name", ""), "v": body.get("version", "")}
    for end in ("source", "target"):
        stated = next((body[key] for key in (f"{end}Uri", f"{end}Canonical") if key in body), "")
        row[end[0]] = stated
    row["g"] = [
        {
            "source": group.get("source", ""),
            "target": group.get("target", ""),
            "element": [
                [element["code"], [[t.get("code", ""), t.get("equivalence", "")] for t in element.get("target", ())]]
                for element in group.get("element", ())
            ],
        }
        for group in body.get("group", ())
        if not any(str(group.get(end, "")).startswith(_NAMELESS) for end in ("source", "target"))
    ]
    return row


def main(arguments: list[str]) -> None:
    """Write `_terminology.json` beside this module, one entry a line."""
    table = generate(Path(arguments[0]))
    parts = []
    for name, rows in table.items():
        lines = [f"{_compact(url)}:{_compact(row)}" for url, row in rows.items()]
        parts.append(f"{_compact(name)}:{{\n" + ",\n".join(lines) + "}")
    Path(__file__).with_name("_terminology.json").write_text("{" + ",\n".join(parts) + "}\n", encoding="utf-8")


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


if __name__ == "__main__":
    main(sys.argv[1:])
