"""Whom the hub trusts when it judges signatures of others: a folder of roots, intermediates and revocation lists."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from canonical.errors import Misconfigured
from hub.settings import Settings
from signatures import trust
from signatures.trust import Trust

_LARGEST = 64 * 1024 * 1024
_Stamp = tuple[str, int, int]


def of_settings(settings: Settings) -> Trust:
    """The pools of PONTE_TRUST, read again when a file changed; empty where it is not set. Raises Misconfigured."""
    return of_folder(Path(settings.trust)) if settings.trust else Trust()


def of_folder(folder: Path) -> Trust:
    """The pools of a folder; raises Misconfigured when it cannot be read."""
    try:
        found = [(path.name, path.stat()) for path in sorted(folder.iterdir()) if path.is_file()]
        stamps = tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in found if stat.st_size <= _LARGEST)
        return _read(folder, stamps)
    except OSError as error:
        raise Misconfigured(f"the folder of trusted certificates {folder} cannot be read: {error.strerror}") from None


@lru_cache(maxsize=8)
def _read(folder: Path, stamps: tuple[_Stamp, ...]) -> Trust:
    return trust.from_files([(name, (folder / name).read_bytes()) for name, _, _ in stamps])
