"""Where a running hub can be found by other commands on this machine: a file only its operator can read."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from canonical.errors import Misconfigured
from hub.settings import Settings, default_data

_NAME = "running.json"


def write(settings: Settings, facts: dict[str, Any]) -> None:
    """Record the facts of a running hub in its data directory, and beside the launcher where to look."""
    _private(settings.data / _NAME, {**facts, "pid": os.getpid(), "data": str(settings.data)})
    pointer = default_data(os.environ).parent
    with contextlib.suppress(OSError):
        pointer.mkdir(parents=True, exist_ok=True)
        _private(pointer / _NAME, {"data": str(settings.data)})


def remove(settings: Settings) -> None:
    """Forget it at the end."""
    (settings.data / _NAME).unlink(missing_ok=True)


def stale(settings: Settings) -> bool:
    """Whether a hub on this data directory ended without saying so: it was killed."""
    try:
        facts = json.loads((settings.data / _NAME).read_text(encoding="utf-8"))
        return not Path(f"/proc/{facts['pid']}").exists()
    except (OSError, ValueError, KeyError):
        return False


def read(settings: Settings, *, anywhere: bool) -> dict[str, Any]:
    """The facts of the hub running on this data directory (or, with `anywhere`, the last one started here)."""
    candidates = [settings.data]
    if anywhere:
        with contextlib.suppress(OSError, ValueError, KeyError):
            pointer = json.loads((default_data(os.environ).parent / _NAME).read_text(encoding="utf-8"))
            candidates.append(Path(pointer["data"]))
    for folder in candidates:
        with contextlib.suppress(OSError, ValueError):
            facts = json.loads((folder / _NAME).read_text(encoding="utf-8"))
            if Path(f"/proc/{facts['pid']}").exists() or not Path("/proc").exists():
                return dict(facts)
    raise Misconfigured("no running Ponte was found; start `./ponte up`, or name its --data folder")


def _private(path: Path, document: dict[str, Any]) -> None:
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(document, file)
    partial.replace(path)
