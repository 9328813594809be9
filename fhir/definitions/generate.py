"""Generates `_r4.json` from the official definitions (npm packages hl7.fhir.r4.examples and .expansions 4.0.1, CC0).

Usage: python -m fhir.definitions.generate EXAMPLES_FOLDER EXPANSIONS_FOLDER (each an unpacked `package` folder).
Works offline; the result is committed so that neither set-up nor product needs the 190 MB of the packages.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

_SYSTEM_STRING = "http://hl7.org/fhirpath/System."
_BASE = "http://hl7.org/fhir/StructureDefinition/"
_REGEX = "http://hl7.org/fhir/StructureDefinition/regex"
_FHIR_TYPE = "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type"


def generate(examples: Path, expansions: Path) -> dict[str, Any]:
    """The table: `types` (elements), `codes` (required bindings), `search` (parameters) and `compartments`."""
    types: dict[str, Any] = {}
    bindings: set[str] = set()
    for path in sorted(examples.glob("StructureDefinition-*.json")):
        definition = json.loads(path.read_text(encoding="utf-8"))
        if is_base_type(definition):
            _add_type(definition, types, bindings)
    codes = {url: found for url in sorted(bindings) if (found := _codes(url, expansions, examples))}
    for elements in types.values():
        for element in elements["elements"].values():
            if element.get("b") not in codes:
                element.pop("b", None)
    table = {"version": "4.0.1", "types": types, "codes": codes, "search": _search(examples)}
    return {**table, "compartments": _compartments(examples)}


def is_base_type(definition: dict[str, Any]) -> bool:
    """Whether it defines a type of R4 itself, not a profile of one."""
    return (
        definition["url"] == _BASE + definition["type"]
        and definition["kind"] in ("resource", "complex-type", "primitive-type")
        and definition.get("derivation", "specialization") != "constraint"
    )


def _add_type(definition: dict[str, Any], types: dict[str, Any], bindings: set[str]) -> None:
    root = definition["type"]
    kind = "abstract" if definition["abstract"] else definition["kind"]
    if definition["kind"] == "primitive-type":
        types[root] = {"kind": "primitive", "regex": _primitive_regex(definition), "elements": {}}
        return
    types[root] = {"kind": kind, "elements": {}}
    for element in definition["snapshot"]["element"][1:]:
        parent, _, name = element["path"].rpartition(".")
        entry = _element(element, bindings)
        if definition["kind"] == "resource" and parent == root and name == "id":
            entry = {"t": ["id"]}  # typed `string` in 4.0.1; the format of an id is stated in the text only
        if entry is None:
            continue
        if entry["t"] == ["BackboneElement"] or entry["t"] == ["Element"]:
            entry["t"] = [element["path"]]
            types[element["path"]] = {"kind": "backbone", "elements": {}}
        if name.endswith("[x]"):
            name, entry["c"] = name[:-3], 1
        types[parent]["elements"][name] = entry


def _element(element: dict[str, Any], bindings: set[str]) -> dict[str, Any] | None:
    if element["max"] == "0":
        return None
    entry: dict[str, Any] = {"t": _types(element)}
    if element["min"]:
        entry["min"] = element["min"]
    if element.get("isSummary"):
        entry["s"] = 1
    if element["max"] != "1":
        entry["max"] = 0 if element["max"] == "*" else int(element["max"])
    binding = element.get("binding", {})
    if binding.get("strength") == "required" and binding.get("valueSet"):
        entry["b"] = binding["valueSet"].split("|")[0]
        bindings.add(entry["b"])
    targets = sorted({url.removeprefix(_BASE) for t in element.get("type", ()) for url in t.get("targetProfile", ())})
    if targets:
        entry["r"] = targets
    return entry


def _types(element: dict[str, Any]) -> list[str]:
    if reference := element.get("contentReference"):
        return [str(reference).lstrip("#")]
    names = []
    for item in element.get("type", ()):
        name = item["code"]
        if name.startswith(_SYSTEM_STRING):
            urls = [x.get("valueUrl") for x in item.get("extension", ()) if x["url"] == _FHIR_TYPE]
            name = urls[0] if urls else "string"
        names.append(name)
    return names


def _primitive_regex(definition: dict[str, Any]) -> str:
    for element in definition["snapshot"]["element"]:
        if element["path"].endswith(".value"):
            for item in element.get("type", ()):
                for extension in item.get("extension", ()):
                    if extension["url"] == _REGEX:
                        return str(extension["valueString"])
    return ""


def _codes(url: str, expansions: Path, examples: Path) -> list[str]:
    name = f"ValueSet-{url.rsplit('/', 1)[1]}.json"
    for path in (*expansions.glob(name), *examples.glob(name)):
        value_set = json.loads(path.read_text(encoding="utf-8"))
        if value_set.get("url") != url or "expansion" not in value_set:
            continue
        codes: set[str] = set()
        _collect(value_set["expansion"].get("contains", []), codes)
        total = value_set["expansion"].get("total", len(codes))
        return sorted(codes) if codes and len(codes) <= 2000 and total <= 2000 else []
    return []


def _collect(contains: list[dict[str, Any]], codes: set[str]) -> None:
    for item in contains:
        if item.get("code") and not item.get("abstract"):
            codes.add(item["code"])
        _collect(item.get("contains", []), codes)


def _search(examples: Path) -> list[dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    for path in sorted(examples.glob("SearchParameter-*.json")):
        parameter = json.loads(path.read_text(encoding="utf-8"))
        if not parameter["url"].startswith("http://hl7.org/fhir/SearchParameter/"):
            continue
        if not parameter.get("base") or parameter["id"].startswith("example"):
            continue
        row = {"code": parameter["code"], "base": parameter["base"], "type": parameter["type"]}
        row["url"] = parameter["url"].removeprefix("http://hl7.org/fhir/SearchParameter/")
        for name in ("expression", "target"):
            if parameter.get(name):
                row[name] = parameter[name]
        if parameter.get("component"):
            row["component"] = [
                [c["definition"].removeprefix("http://hl7.org/fhir/SearchParameter/"), c["expression"]]
                for c in parameter["component"]
            ]
        rows[row["url"]] = row
    return [rows[url] for url in sorted(rows)]


def _compartments(examples: Path) -> dict[str, dict[str, list[str]]]:
    """Per compartment and type the parameters that put a record into it."""
    found: dict[str, dict[str, list[str]]] = {}
    for path in sorted(examples.glob("CompartmentDefinition-*.json")):
        definition = json.loads(path.read_text(encoding="utf-8"))
        if definition["id"] != "example":
            rows = {item["code"]: item["param"] for item in definition["resource"] if item.get("param")}
            found[definition["code"]] = rows
    return found


def main(arguments: list[str]) -> None:
    """Write `_r4.json` beside this module."""
    table = generate(Path(arguments[0]), Path(arguments[1]))
    target = Path(__file__).with_name("_r4.json")
    lines = [
        f'"version":{json.dumps(table["version"])}',
        *(f"{json.dumps(part)}:{block(table[part])}" for part in ("types", "codes", "search", "compartments")),
    ]
    target.write_text("{" + ",\n".join(lines) + "}\n", encoding="utf-8")


def block(part: Any) -> str:
    """A part of a generated table as JSON, one line an entry."""
    """One entry a line, so that a regenerated table reads as a diff."""

    def compact(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    if isinstance(part, list):
        return "[\n" + ",\n".join(compact(row) for row in part) + "]"
    return "{\n" + ",\n".join(f"{compact(key)}:{compact(value)}" for key, value in part.items()) + "}"


if __name__ == "__main__":
    main(sys.argv[1:])
