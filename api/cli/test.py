"""run the tests; arguments are passed to pytest"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


def arguments(parser: argparse.ArgumentParser) -> None:
    """Everything goes to pytest."""
    parser.add_argument("rest", nargs=argparse.REMAINDER)
    parser.prefix_chars = "\0"


def run(given: argparse.Namespace) -> int:
    """pytest's own exit code."""
    command = [sys.executable, "-X", "utf8", "-m", "pytest", *side_by_side(given.rest), *given.rest]
    return subprocess.run(command, env=compiled_once(os.environ), check=False).returncode


def compiled_once(variables: Mapping[str, str]) -> dict[str, str]:
    """The variables for the tests' processes: where Python must leave no compiled code beside the sources, it goes
    into the environment's folder.

    The tests start hundreds of processes, and each would spend its first seconds on compiling the same again.
    """
    kept = {name: value for name, value in variables.items() if name != "PYTHONDONTWRITEBYTECODE"}
    if len(kept) < len(variables):
        kept.setdefault("PYTHONPYCACHEPREFIX", str(Path(sys.prefix) / "compiled"))
    return kept


def side_by_side(words: Sequence[str]) -> list[str]:
    """Options that run the whole suite in several processes, file by file, where there are two cores or more.

    Three, not two: a third of the suite's time is waiting, for a disk, a partner that is slow on purpose, a server
    that was killed. Each has a database and a Valkey of its own. A choice of tests, or any say of the user's in this,
    runs in one.
    """
    chosen = any(
        not word.startswith("-") or word.startswith(("-n", "-k", "-p", "-x", "-s", "--accept")) for word in words
    )
    return [] if chosen or (os.cpu_count() or 1) < 2 else ["-n", "3", "--dist", "loadfile"]
