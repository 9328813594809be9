"""Gives Python the compiled form of a module, where there is one of the very sources that stand in the tree.

`build.py` copies this file into the environment, where a `.pth` line starts it with every process. It is read before
anything else and therefore imports the standard library alone. One source that is not as it was when it was compiled
turns all of it off: the sources are used then, as if nothing had been compiled.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ExtensionFileLoader, ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

HOOK = "ponte_native_finder"  # this module's name in the environment
LIST = "made.json"
SWITCH = "PONTE_NATIVE"  # "0": compiled modules are not used


class Native(MetaPathFinder):
    """Finds modules of one tree in the folder that holds their compiled forms."""

    def __init__(self, root: Path, modules: dict[str, Path]) -> None:
        self.root, self.modules = root, modules

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """The compiled form of module `name`, None where there is none or it is asked of another tree.

        Its origin is beside its source, so that it finds the tables that stand there.
        """
        built = self.modules.get(name)
        if built is None:
            return None
        folder = self.root.joinpath(*name.split(".")[:-1])
        if path is not None and str(folder) not in path:
            return None
        spec = ModuleSpec(name, _Loader(name, str(built)), origin=str(folder / built.name))
        spec.has_location = True
        return spec


class _Loader(ExtensionFileLoader):
    """Loads from where the file is, and tells the module, and those it makes in turn, the origin of its spec."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = super().create_module(ModuleSpec(spec.name, self, origin=self.path))
        module.__file__ = spec.origin
        return module


def start(folder: Path) -> None:
    """Put the finder before all others, if what `folder` holds is to be used."""
    made = _made(folder)
    if _judged(made) == "used":
        modules = {name: folder / built for name, built in made["modules"].items()}
        sys.meta_path.insert(0, Native(Path(made["root"]), modules))


def started() -> bool:
    """Whether this process uses compiled modules."""
    return any(type(finder).__module__ == HOOK for finder in sys.meta_path)


def state(folder: Path) -> str:
    """ "used", or why what `folder` holds is not: "off" by the switch, "none" made, "old" beside the sources."""
    return _judged(_made(folder))


def _judged(made: dict[str, Any]) -> str:
    if os.environ.get(SWITCH) == "0":
        return "off"
    if not made:
        return "none"
    return "used" if _fresh(made) else "old"


def _made(folder: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((folder / LIST).read_bytes()))
    except (OSError, ValueError):
        return {}


def _fresh(made: dict[str, Any]) -> bool:
    """Whether every source is what it was: by size and time, and where only the time differs by content."""
    for name, (size, moment, digest) in made["sources"].items():
        place = Path(made["root"], name)
        try:
            now = place.stat()
            same = now.st_size == size and (now.st_mtime_ns == moment or digest == digest_of(place))
        except OSError:
            return False
        if not same:
            return False
    return True


def digest_of(source: Path) -> str:
    """SHA-256 of a source."""
    return hashlib.sha256(source.read_bytes()).hexdigest()
