"""run the tests; arguments are passed to pytest"""

from __future__ import annotations

import argparse
import subprocess
import sys


def arguments(parser: argparse.ArgumentParser) -> None:
    """Everything goes to pytest."""
    parser.add_argument("rest", nargs=argparse.REMAINDER)
    parser.prefix_chars = "\0"


def run(given: argparse.Namespace) -> int:
    """pytest's own exit code."""
    return subprocess.run([sys.executable, "-X", "utf8", "-m", "pytest", *given.rest], check=False).returncode
