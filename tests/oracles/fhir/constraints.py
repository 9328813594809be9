"""Whether the constraints of resources hold on the official examples, by a FHIRPath engine not ours.

    uv run --isolated --no-project --with fhirpathpy==2.2.4 python tests/oracles/fhir/constraints.py FOLDER 20

FOLDER is the unpacked `package` folder of hl7.fhir.r4.examples 4.0.1; the number takes every n-th example. One line for
each: the file and by key whether the rule is true; null where that engine cannot run it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import fhirpathpy  # type: ignore[import-not-found]
from fhirpathpy.models import models  # type: ignore[import-not-found]

_LARGEST = 200_000
_COMPILED: dict[str, Any] = {}


def rules(folder: Path) -> dict[str, list[tuple[str, str]]]:
    """Per resource type: key and expression of the constraints of the resource itself."""
    found = {}
    for path in folder.glob("StructureDefinition-*.json"):
        body = json.loads(path.read_text(encoding="utf-8"))
        if body["kind"] == "resource" and body.get("derivation") == "specialization":
            root = body["snapshot"]["element"][0]
            found[body["type"]] = [
                (c["key"], c["expression"]) for c in root.get("constraint", ()) if c.get("expression")
            ]
    return found


def held(expression: str, document: dict[str, Any]) -> bool | None:
    """Whether the expression is true; None when the engine fails on it."""
    try:
        if expression not in _COMPILED:
            _COMPILED[expression] = fhirpathpy.compile(expression, models["r4"])
        context = {"resource": document, "rootResource": document, "ucum": "http://unitsofmeasure.org"}
        return bool(_COMPILED[expression](document, context) == [True])
    except Exception:
        return None


def main(arguments: list[str]) -> None:
    """One line for every n-th example."""
    folder, step = Path(arguments[0]), int(arguments[1])
    known = rules(folder)
    for path in sorted(folder.glob("*.json"))[::step]:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document.get("resourceType") in known and path.stat().st_size <= _LARGEST:
            answers = {key: held(text, document) for key, text in known[document["resourceType"]]}
            print(json.dumps({"file": path.name, "held": answers}))


if __name__ == "__main__":
    main(sys.argv[1:])
