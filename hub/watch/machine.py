"""What is measured of the machine: free space where the hub keeps things, and the age of the last backup."""

from __future__ import annotations

import shutil
from pathlib import Path

from canonical.errors import Misconfigured
from hub.settings import Settings

BACKUP_MARK = "last-backup"


def disks(settings: Settings) -> list[tuple[str, int]]:
    """Free space in percent of each disk that data, logs or exchange folders lie on; one disk is told once.

    An external database's disk is its own server's to watch.
    """
    found: dict[int, tuple[str, int]] = {}
    for name, folder in (("data", settings.data), ("exchange", settings.folders)):
        try:
            device, usage = folder.stat().st_dev, shutil.disk_usage(folder)
        except OSError:  # not made yet, or not of this process's machine
            continue
        found.setdefault(device, (name, usage.free * 100 // max(1, usage.total)))
    return list(found.values())


def backed_up(settings: Settings) -> None:
    """Note that a backup was made now; raises Misconfigured when the data directory cannot be written."""
    try:
        settings.data.mkdir(parents=True, exist_ok=True)
        (settings.data / BACKUP_MARK).touch()
    except OSError as error:
        raise Misconfigured(f"cannot write {settings.data}: {error.strerror}") from None


def hours_since_backup(settings: Settings, now: float) -> int | None:
    """Hours since the last backup by `db backup`, or since the embedded database was made when there was none.

    None where the hub knows of neither: an external database that others back up.
    """
    for path in (settings.data / BACKUP_MARK, settings.data / "postgres" / "PG_VERSION"):
        if (made := _changed(path)) is not None:
            return max(0, int((now - made) / 3600))
    return None


def _changed(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None
