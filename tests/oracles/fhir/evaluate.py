"""What the published expressions of search parameters give on the official examples, by a FHIRPath engine not ours.

Run in an environment of its own, since the product does not use that engine:

    uv run --isolated --no-project --with fhirpathpy==2.2.4 python tests/oracles/fhir/evaluate.py FOLDER 1 > values.jsonl

FOLDER is the unpacked `package` folder of hl7.fhir.r4.examples 4.0.1. One line for each example: type, id and per
parameter the values found. The number takes every n-th example. `resolve()` is not implemented there: `where(resolve() is T)` is decided by the reference.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import fhirpathpy  # type: ignore[import-not-found]
from fhirpathpy.models import models  # type: ignore[import-not-found]

_RESOLVES = re.compile(r"\.where\(\s*resolve\(\) is (\w+)\s*\)")
_KINDS = ("token", "string", "date", "number", "quantity", "reference", "uri")


def parameters(folder: Path) -> dict[str, list[tuple[str, str, str, str]]]:
    """Per type: code, kind, expression part and the type a reference must name."""
    found: dict[str, list[tuple[str, str, str, str]]] = {}
    for path in sorted(folder.glob("SearchParameter-*.json")):
        parameter = json.loads(path.read_text(encoding="utf-8"))
        url = parameter["url"]
        if not url.startswith("http://hl7.org/fhir/SearchParameter/") or not parameter.get("expression"):
            continue
        if parameter["id"].startswith("example") or parameter["type"] not in _KINDS:
            continue
        for base in parameter["base"]:
            for part in _parts(parameter["expression"]):
                root = part.lstrip("( ").split(".")[0].split(" ")[0]
                if root not in (base, "Resource", "DomainResource") and root[:1].isupper():
                    continue
                resolved = _RESOLVES.search(part)
                expression = _RESOLVES.sub("", part)
                row = (parameter["code"], parameter["type"], expression, resolved[1] if resolved else "")
                found.setdefault(base, []).append(row)
    return found


def _parts(expression: str) -> list[str]:
    parts, depth, current = [], 0, ""
    for char in expression:
        depth += (char == "(") - (char == ")")
        if char == "|" and depth == 0:
            parts.append(current.strip())
            current = ""
        else:
            current += char
    return [*parts, current.strip()]


def points_to(value: Any, kind: str) -> bool:
    """Whether a reference names a type."""
    if not isinstance(value, dict):
        return not isinstance(value, str) or True
    return value.get("type") == kind or str(value.get("reference", "")).split("/_history/")[0].split("/")[-2:-1] == [
        kind
    ]


def main(folder: Path, step: int) -> None:
    """Write one line for each example."""
    known = parameters(folder)
    compiled: dict[str, Any] = {}
    for path in sorted(folder.glob("*.json"))[::step]:
        resource = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(resource, dict) or "resourceType" not in resource or "id" not in resource:
            continue
        values: dict[str, list[Any]] = {}
        failed: list[str] = []
        for base in (resource["resourceType"], "DomainResource", "Resource"):
            for code, kind, expression, target in known.get(base, ()):
                if expression not in compiled:
                    compiled[expression] = fhirpathpy.compile(expression, models["r4"])
                try:
                    found = compiled[expression](resource)
                except Exception:  # an engine not ours: what it cannot do is counted, not judged
                    failed.append(code)
                    continue
                found = [item for item in found if not target or points_to(item, target)]
                if found:
                    values.setdefault(f"{kind} {code}", []).extend(found)
        line = {"type": resource["resourceType"], "id": resource["id"], "file": path.name, "values": values}
        sys.stdout.write(json.dumps({**line, "failed": failed}, default=str) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
