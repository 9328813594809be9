"""Generates `_conformance.json`: R4's types and operations as data (npm hl7.fhir.r4.examples 4.0.1, CC0).

Usage: python -m fhir.definitions.generate_conformance EXAMPLES_FOLDER (the unpacked `package` folder).
Each element of a type is a row of facts: occurrence, types, binding, flags. Sentences are not taken.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from fhir.definitions.generate import block, is_base_type

_TYPE = "http://hl7.org/fhir/StructureDefinition/"
_OPERATION = "http://hl7.org/fhir/OperationDefinition/"
_FACTS = ("code", "kind", "affectsState", "resource", "system", "type", "instance")
_PARAMETER = ("name", "use", "min", "max", "type", "searchType", "targetProfile", "binding")


def generate(examples: Path) -> dict[str, Any]:
    """`types` by name (base, kind, abstract, rows of elements) and `operations` by id."""
    types: dict[str, Any] = {}
    for path in sorted(examples.glob("StructureDefinition-*.json")):
        definition = json.loads(path.read_text(encoding="utf-8"))
        if is_base_type(definition):
            types[definition["type"]] = _type(definition)
    operations: dict[str, Any] = {}
    for path in sorted(examples.glob("OperationDefinition-*.json")):
        operation = json.loads(path.read_text(encoding="utf-8"))
        if operation["url"] == _OPERATION + operation["id"] and not operation["id"].startswith("example"):
            facts = {key: operation[key] for key in _FACTS if key in operation}
            operations[operation["id"]] = {**facts, "parameter": _parameters(operation.get("parameter", []))}
    return {"types": types, "operations": operations}


def _type(definition: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"kind": definition["kind"]}
    if "baseDefinition" in definition:
        found["base"] = definition["baseDefinition"].removeprefix(_TYPE)
    if definition["abstract"]:
        found["abstract"] = 1
    found["elements"] = [_element(element) for element in definition["snapshot"]["element"]]
    return found


def _element(element: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {"p": element["path"], "o": f"{element['min']}..{element['max']}"}
    base = element["base"]
    if base["path"] != element["path"]:
        row["b"] = base["path"]
    if (span := f"{base['min']}..{base['max']}") != row["o"]:
        row["w"] = span
    if types := [_type_of(each) for each in element.get("type", ())]:
        row["t"] = types
    if "contentReference" in element:
        row["c"] = element["contentReference"]
    binding = element.get("binding", {})
    if binding.get("valueSet"):
        row["v"] = [binding["strength"], binding["valueSet"]]
    if flags := "".join(flag for flag, key in (("m", "isModifier"), ("s", "isSummary")) if element.get(key)):
        row["f"] = flags
    return row


def _type_of(stated: dict[str, Any]) -> Any:
    """A type's code, with its profiles and targets where it has any."""
    extra: dict[str, Any] = {key: stated[key] for key in ("profile", "targetProfile") if key in stated}
    urls = [each for each in stated.get("extension", ()) if each["url"].endswith("structuredefinition-fhir-type")]
    if urls:
        extra["u"] = urls[0]["valueUrl"]
    if not extra:
        return stated["code"]
    shortened = {k: [u.removeprefix(_TYPE) for u in v] if isinstance(v, list) else v for k, v in extra.items()}
    return {"code": stated["code"], **shortened}


def _parameters(listed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for each in listed:
        row = {key: each[key] for key in _PARAMETER if key in each}
        if each.get("part"):
            row["part"] = _parameters(each["part"])
        found.append(row)
    return found


def main(arguments: list[str]) -> None:
    """Write `_conformance.json` beside this module."""
    table = generate(Path(arguments[0]))
    text = ",\n".join(f"{json.dumps(part)}:{block(table[part])}" for part in ("types", "operations"))
    Path(__file__).with_name("_conformance.json").write_text("{" + text + "}\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
