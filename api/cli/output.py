"""How commands write: JSON lines on standard output, everything else on standard error."""

from __future__ import annotations

import getpass
import sys
from typing import Any

import orjson


def line(document: Any) -> None:
    """One JSON object on one line."""
    sys.stdout.write(orjson.dumps(document).decode() + "\n")
    sys.stdout.flush()


def say(text: str = "") -> None:
    """A line for a person, on standard output."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    """A line for a person, on standard error."""
    sys.stderr.write(f"ponte: {text}\n")


def actor() -> str:
    """Who acts, as the audit trail names them: the account that runs the command."""
    return f"cli:{getpass.getuser()}"
