"""The reference is written from the code (`--accept` writes it anew), and names only what exists."""

from __future__ import annotations

import argparse
import csv
import dataclasses
import importlib
import re
from pathlib import Path

import pytest

from adapters import registry
from api.cli.main import commands
from hub.settings import Settings
from schemas_xsd.catalogue import schema_sets

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"
ROOMS = ("canonical", "hl7", "tiss", "fhir", "signatures", "mappings", "adapters", "hub", "api")


def compare(name: str, text: str, accept: bool) -> None:
    path = REFERENCE / name
    if accept:
        path.write_text(text, encoding="utf-8")
    assert path.exists() and path.read_text(encoding="utf-8") == text, (
        f"{name} is stale: ./ponte test tests/docs --accept"
    )


@pytest.fixture
def accept(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--accept"))


def test_commands(accept: bool) -> None:
    lines = [
        "# Commands",
        "",
        "Exit codes: 0 good, 1 the data is wrong, 2 usage or unreadable input, 3 undecided, 4 the",
    ]
    lines += ["environment is wrong. `--json` prints one JSON object per line and nothing else on standard output.", ""]
    for name in commands():
        module = importlib.import_module(f"api.cli.{name}")
        parser = argparse.ArgumentParser(prog=name)
        module.arguments(parser)
        lines += [f"## `./ponte {name}`", "", (module.__doc__ or "").strip().split("\n", 1)[0], ""]
        lines += [*told(parser), ""]
    compare("commands.md", "\n".join(lines).rstrip() + "\n", accept)


def told(parser: argparse.ArgumentParser, prefix: str = "") -> list[str]:
    lines = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, child in action.choices.items():
                lines += [f"* `{name}`"] if not prefix else [f"{prefix}* `{name}`"]
                lines += told(child, prefix + "  ")
        elif not isinstance(action, argparse._HelpAction):
            shown = ", ".join(f"`{option}`" for option in action.option_strings) or f"`{action.dest.upper()}`"
            lines.append(f"{prefix}* {shown}" + (f": {action.help}" if action.help else ""))
    return lines


def test_problem_codes(accept: bool) -> None:
    lines = [
        "# Problem codes",
        "",
        "The first part of a code names the layer that found it; what the official XSD says begins",
    ]
    lines += ["with `xsd.`. A code without a row of its own uses the words of its nearest ancestor.", ""]
    for room in ROOMS:
        path = ROOT / room / "problems.csv"
        if not path.exists():
            continue
        lines += [
            f"## {room}",
            "",
            "| code | severity | em português | reparo | in English |",
            "| --- | --- | --- | --- | --- |",
        ]
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                cells = (f"`{row['code']}`", row["severity"], row["text_pt"], row["remedy_pt"], row["text_en"])
                lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        lines.append("")
    compare("problems.md", "\n".join(lines).rstrip() + "\n", accept)


def test_every_setting_is_told_and_every_told_one_is_read() -> None:
    page = (REFERENCE / "settings.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `(PONTE_[A-Z_]+)`", page, re.MULTILINE))
    fields = {f"PONTE_{field.name.upper()}" for field in dataclasses.fields(Settings)}
    assert fields <= named, f"tell of {sorted(fields - named)}"
    sources = [*(p for room in (*ROOMS, "schemas_xsd") for p in (ROOT / room).rglob("*.py")), ROOT / "ponte"]
    code = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    unread = {name for name in named - fields if name not in code}
    assert not unread, f"nobody reads {sorted(unread)}"


def test_rooms_exist() -> None:
    page = (REFERENCE / "rooms.md").read_text(encoding="utf-8")
    named = [
        cell
        for cells in re.findall(r"^\|[^|]+\|([^|]+)\|", page, re.MULTILINE)
        for cell in re.findall(r"`([^`]+)`", cells)
    ]
    missing = []
    for name in named:
        pattern = name.replace("<name>", "*")
        if "/" in pattern and not any(True for _ in ROOT.glob(pattern.rstrip("/"))):
            missing.append(name)
    assert not missing, f"rooms.md names what is not there: {missing}"


def test_the_profile_of_the_how_to_loads(tmp_path: Path) -> None:
    """The TOML block of the page passes the strict reading every profile passes."""
    page = (ROOT / "docs" / "how-to" / "add-a-payer-or-lab.md").read_text(encoding="utf-8")
    block = re.search(r"```toml profile\n(.*?)```", page, re.DOTALL)
    assert block is not None
    text = "".join(line[3:] if line.startswith("   ") else line for line in block[1].splitlines(keepends=True))
    (tmp_path / "exemplo_saude.toml").write_text(text, encoding="utf-8")
    profile = registry.load(tmp_path / "exemplo_saude.toml", "payer")
    assert profile.speaks.removeprefix("tiss ") in schema_sets()
    assert (ROOT / "mappings" / "plans" / profile.plan).parent.is_dir()
    (tmp_path / "exemplo_saude.toml").write_text(f"surprise = 1\n{text}", encoding="utf-8")
    with pytest.raises(ValueError, match="surprise"):
        registry.load(tmp_path / "exemplo_saude.toml", "payer")
