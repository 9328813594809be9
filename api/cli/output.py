"""How commands write: JSON lines on standard output, everything else on standard error."""

from __future__ import annotations

import getpass
import json
import sys
import tomllib
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


def unread(error: OSError | ValueError) -> str:
    """Why a file could not be read, with its name where it could not be opened; never what stands in it."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} (line {error.lineno}, column {error.colno})"
    if isinstance(error, tomllib.TOMLDecodeError):
        return str(error)
    return "it is no text in UTF-8" if isinstance(error, UnicodeDecodeError) else type(error).__name__


def actor() -> str:
    """Who acts, as the audit trail names them: the account that runs the command."""
    return f"cli:{getpass.getuser()}"
