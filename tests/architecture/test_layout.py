"""The tree is the architecture: every tracked file has a room, and nothing that may not be committed is."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = {
    "canonical", "hl7", "tiss", "fhir", "signatures", "mappings", "adapters", "hub", "api", "schemas_xsd", "tests",
    "bench", "docs", "docker", ".ci",
}  # fmt: skip
FILES = {
    "README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml", "requirements.lock", "Makefile", "ponte", ".gitignore",
    ".gitattributes", ".dockerignore",
}  # fmt: skip
_INDEX = re.compile(r"https?://[^ \"']+/simple(/|\"|$)")
_MACHINE = re.compile(r"(^|[^A-Za-z0-9_.])/(work|root|farm)/[A-Za-z]")


def tracked() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: tracked files are unknown")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    out = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    return [ROOT / name for name in out.decode().split("\0") if name and (ROOT / name).exists()]


def test_every_file_has_a_room() -> None:
    strangers = [p for p in tracked() if p.relative_to(ROOT).parts[0] not in ROOMS | FILES]
    assert not strangers, f"these belong to no room of the house: {strangers}"


def test_no_official_schema_is_committed() -> None:
    assert not [p for p in tracked() if p.suffix in (".xsd", ".wsdl")]


def test_no_index_address_and_no_machine_path() -> None:
    for path in tracked():
        if path.suffix in (".png", ".p12", ".der") or path.name == "_r4.json" or path == Path(__file__).resolve():
            continue
        text = path.read_text(encoding="utf-8", errors="ignore")
        assert not _INDEX.search(text), f"{path}: an address of a package index"
        assert not _MACHINE.search(text), f"{path}: a path of one machine"
