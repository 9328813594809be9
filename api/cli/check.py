"""format, lint, types, import contracts, tests: what every commit must pass"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

from api.cli import output
from api.cli.test import side_by_side

_BIN = Path(sys.executable).parent


def arguments(parser: argparse.ArgumentParser) -> None:
    """`--quick` leaves the tests out; `--fix` repairs what can be."""
    parser.add_argument("--quick", action="store_true", help="without the tests")
    parser.add_argument("--fix", action="store_true", help="format and repair first")


def run(given: argparse.Namespace) -> int:
    """0 when every step passed."""
    if given.fix:
        _step("fix", ["ruff", "check", "--fix", "--unsafe-fixes", "-q", "."])
        _step("format", ["ruff", "format", "-q", "."])
    steps = {
        "format": ["ruff", "format", "--check", "-q", "."],
        "lint": ["ruff", "check", "-q", "."],
        "types": ["mypy"],
        "contracts": ["lint-imports", "--no-cache"],
    }
    failed = [name for name, command in steps.items() if not _step(name, command)]
    if not given.quick and not _step("tests", ["pytest", "-q", *side_by_side(())]):
        failed.append("tests")
    output.say("check: " + (f"failed: {', '.join(failed)}" if failed else "all green"))
    return 1 if failed else 0


def _step(name: str, command: list[str]) -> bool:
    start = time.monotonic()
    done = subprocess.run([str(_BIN / command[0]), *command[1:]], capture_output=True, text=True, check=False)
    output.say(f"{'ok' if done.returncode == 0 else 'FAILED':<7}{name} ({time.monotonic() - start:.1f} s)")
    if done.returncode != 0:
        output.say(done.stdout + done.stderr)
    return done.returncode == 0
