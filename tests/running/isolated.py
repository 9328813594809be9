"""Other people's programs in environments of their own: uv, with the settings the launcher itself installs with.

uv reads neither pip's settings nor the certificates of the system unless it is told to, so an index that the launcher
reaches is out of reach of a bare call: the launcher's own function says how it is called.
"""

from __future__ import annotations

import functools
import os
import shutil
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
_OURS = ("PYTHONPATH", "VIRTUAL_ENV", "PYTHONHOME")


@functools.cache
def launcher() -> ModuleType:
    """The launcher as a module; importing it sets nothing up."""
    loader = SourceFileLoader("ponte_launcher", str(ROOT / "ponte"))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


def uv() -> str:
    """Where uv is; skips where there is none."""
    found = shutil.which("uv") or str(Path(sys.executable).parent / "uv")
    if not Path(found).exists():
        pytest.skip("uv is not here to run another program in an environment of its own")
    return found


@functools.cache
def _settings() -> dict[str, str]:
    made: dict[str, str] = launcher().client_environment()
    return made


def environment() -> dict[str, str]:
    """The process's environment without our own packages, with what uv needs to reach the index."""
    there = {**_settings(), **os.environ}
    return {name: value for name, value in there.items() if name not in _OURS}


def reason(stderr: str) -> str:
    """The last line of what a tool said, for a skip that can be understood."""
    return (stderr.strip().splitlines() or ["no output"])[-1].strip()[:200]
