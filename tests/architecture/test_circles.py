"""No module imports itself through others: what two need of each other stands in a third."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("canonical", "hl7", "tiss", "fhir", "signatures", "schemas_xsd", "mappings", "adapters", "hub", "bench", "api")


def modules() -> dict[str, Path]:
    """The project's modules by dotted name."""
    paths = (path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


def imported(text: str, known: Mapping[str, object]) -> Iterator[str]:
    """The known modules a text imports, at its top, within functions or for its types only."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                if inner in known:
                    yield inner
                elif node.module in known:
                    yield node.module


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """The modules of one circle in a graph, in order; empty where there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_module_imports_itself_through_others() -> None:
    known = modules()
    assert len(known) > 500
    graph = {name: set(imported(path.read_text(encoding="utf-8"), known)) - {name} for name, path in known.items()}
    found = circle(graph)
    assert not found, f"these import each other in a circle: {' <- '.join(found)}"


def test_a_circle_is_found_in_functions_too() -> None:
    known = {"a": "import b", "b": "def late():\n    from c import thing", "c": "import a", "d": "import a"}
    graph = {name: set(imported(text, known)) for name, text in known.items()}
    assert set(circle(graph)) == {"a", "b", "c"}
