"""The command line: picks the command's module by name, imports only that, and turns failures into exit codes.

Exit codes: 0 good, 1 the data is wrong, 2 usage or unreadable input, 3 undecided, 4 the environment is wrong.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import pkgutil
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from canonical.errors import Misconfigured, NotFound, PonteError

_INTERNAL = frozenset(("main", "__main__", "output"))
# What shows the names there are, by command or by command and action: said where one was named that is not there.
_SHOWS = {
    "alarms": "alarms list",
    "alarms limit": "alarms limits",
    "alarms untell": "alarms receivers",
    "channel": "channel list",
    "channel diff": "channel versions NAME",
    "client": "client list",
    "lane": "lane list",
    "partner": "partner list",
    "returns": "partner list",
    "schedule": "schedule list",
    "secret": "secret list",
    "user": "user list",
}


def commands() -> list[str]:
    """The names of all commands: the modules beside this one."""
    folder = Path(__file__).resolve().parent
    return sorted(m.name for m in pkgutil.iter_modules([str(folder)]) if m.name not in _INTERNAL)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help", "help"):
        _help()
        return 0 if given else 2
    if given[0] in ("--version", "-V", "version"):
        sys.stdout.write(f"ponte {_version()}\n")
        return 0
    if given[0] not in commands():
        near = difflib.get_close_matches(given[0], commands(), n=1)
        meant = f"; did you mean {near[0]!r}?" if near else f"; one of: {', '.join(commands())}"
        sys.stderr.write(f"ponte: unknown command {given[0]!r}{meant}\n")
        return 2
    return _run(importlib.import_module(f"api.cli.{given[0]}"), given)


def _run(module: ModuleType, given: list[str]) -> int:
    parser = argparse.ArgumentParser(prog=f"ponte {given[0]}", description=module.__doc__)
    module.arguments(parser)
    try:
        known = parser.parse_args(given[1:])
    except SystemExit as stop:
        return int(stop.code or 0)
    try:
        return int(module.run(known))
    except Misconfigured as error:
        sys.stderr.write(f"ponte: {error.text}\n")
        return 4
    except PonteError as error:
        sys.stderr.write(f"ponte: {error.text}{_shown_by(error, given[0], known)}\n")
        return 1
    except BrokenPipeError:
        return 0
    except OSError as error:
        if error.filename is None:
            raise
        sys.stderr.write(f"ponte: {error.filename}: {error.strerror}\n")
        return 2
    except KeyboardInterrupt:
        return 130


def _shown_by(error: PonteError, command: str, known: argparse.Namespace) -> str:
    """Which command shows what could have been named, where something was named that is not there."""
    if not isinstance(error, NotFound) or "./ponte" in error.text:
        return ""
    listing = _SHOWS.get(f"{command} {getattr(known, 'action', '')}", _SHOWS.get(command))
    return f"; ./ponte {listing} shows what there is" if listing else ""


def _version() -> str:
    """The version of this copy of Ponte."""
    project = Path(__file__).resolve().parents[2] / "pyproject.toml"
    return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])


def _help() -> None:
    out = ["usage: ponte COMMAND …", ""]
    for name in commands():
        text = (importlib.import_module(f"api.cli.{name}").__doc__ or "").strip().split("\n", 1)[0]
        out.append(f"  {name:<10} {text}")
    sys.stdout.write("\n".join(out) + "\n")
