"""Where the shared samples and standards stand; a test that needs them skips with a reason where they do not."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


def samples(folder: str) -> Path:
    """A folder of the shared samples."""
    return _folder("samples", folder)


def standards(folder: str) -> Path:
    """A folder of the shared standards."""
    return _folder("standards", folder)


def _folder(kind: str, folder: str) -> Path:
    path = SHARED / kind / folder
    if not path.is_dir():
        pytest.skip(f"the {kind} are not here: {path}")
    return path
