"""Our folders are the import packages: no installed distribution may provide one of their names."""

from __future__ import annotations

import importlib.metadata
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OURS = ("canonical", "hl7", "tiss", "fhir", "signatures", "mappings", "adapters", "hub", "api", "schemas_xsd")


def test_no_distribution_owns_our_names() -> None:
    owners = importlib.metadata.packages_distributions()
    taken = {name: owners[name] for name in OURS if name in owners and owners[name] != ["ponte"]}
    assert not taken, f"uninstall these, they shadow our packages: {taken}"


def test_wheel_lists_every_package() -> None:
    document = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert tuple(document["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) == OURS


def test_no_packages_under_tests_and_docker() -> None:
    found = [p for folder in ("tests", "docker", "docs") for p in (ROOT / folder).rglob("__init__.py")]
    assert not found, f"remove {found}: these folders hold no packages"
