"""Compiles modules with mypyc and the machine's C compiler, and has every process of the environment find them.

They are one group, so that they call each other directly, and one C file each, so that several are compiled at once.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from api.native import finder
from canonical.errors import Misconfigured

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
FOLDER = Path(sys.prefix) / "native"
_GROUP = "ponte_native"
_FLAGS = ("-O1", "-fPIC", "-fwrapv", "-DNDEBUG", "-w")  # -O2 takes three times as long and makes nothing quicker
_LEAVE = "all works without compiled modules, only slower"
_SETTINGS = "[mypy]\nstrict = true\nignore_missing_imports = true\ncache_dir = {folder}\n"


def chosen(root: Path = ROOT) -> list[str]:
    """The files that `modules.toml` names, from the root of the tree, in order."""
    patterns = tomllib.loads((HERE / "modules.toml").read_text(encoding="utf-8"))["modules"]
    found = {path for pattern in patterns for path in root.glob(pattern) if path.name != "__init__.py"}
    return sorted(path.relative_to(root).as_posix() for path in found)


def build(wanted: Sequence[str], root: Path = ROOT, folder: Path = FOLDER) -> None:
    """Compile the files `wanted` of the tree `root` into `folder`, in place of what was there.

    Raises Misconfigured where there is no C compiler or no header of Python, and where mypyc or the compiler fails;
    then `folder` is empty and the sources are used.
    """
    compiler = compiler_of(os.environ.get("CC", ""))
    shutil.rmtree(folder, ignore_errors=True)
    sources = _sources(wanted, root)
    with tempfile.TemporaryDirectory(prefix="ponte-native-") as name:
        work = Path(name)
        made = [_compiled(extension, compiler, work) for extension in _translated(wanted, root, work)]
        for module, library in made:
            place = folder / _file_of(module)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(library, place)
    modules = {module: _file_of(module) for module, _ in made}
    listed = {"root": str(root), "sources": sources, "modules": modules}
    (folder / finder.LIST).write_text(json.dumps(listed), encoding="utf-8")


def compiler_of(named: str) -> list[str]:
    """The C compiler's command: the one `named` (as in CC), else the system's; raises Misconfigured without one."""
    words = shlex.split(named) or [shutil.which("cc") or shutil.which("gcc") or shutil.which("clang") or ""]
    if not shutil.which(words[0]):
        looked = f"{words[0]} is not there" if words[0] else "found none"
        raise Misconfigured(f"compiling needs a C compiler (package gcc), and {looked}; {_LEAVE}.")
    if not (Path(sysconfig.get_path("include")) / "Python.h").is_file():
        raise Misconfigured(f"compiling needs Python's headers (package python3-dev); {_LEAVE}.")
    return words


def install(folder: Path = FOLDER) -> None:
    """Have every process of this environment start the finder on `folder`."""
    packages = Path(sysconfig.get_path("purelib"))
    shutil.copyfile(HERE / "finder.py", packages / f"{finder.HOOK}.py")
    line = f"import pathlib, {finder.HOOK}; {finder.HOOK}.start(pathlib.Path({str(folder)!r}))\n"
    (packages / f"{finder.HOOK}.pth").write_text(line, encoding="utf-8")


def _sources(wanted: Sequence[str], root: Path) -> dict[str, tuple[int, int, str]]:
    """Size, time and digest of each source of the rooms that modules are of: what they are compiled against."""
    rooms = sorted({name.partition("/")[0] for name in wanted})
    found = {}
    for path in sorted(path for room in rooms for path in (root / room).rglob("*.py")):
        about = path.stat()
        found[path.relative_to(root).as_posix()] = (about.st_size, about.st_mtime_ns, finder.digest_of(path))
    return found


def _translated(wanted: Sequence[str], root: Path, work: Path) -> list[Any]:
    """mypyc's extensions, with their C files in `work`; what it prints is shown only when it fails."""
    from mypyc.build import mypycify

    settings = work / "mypy.ini"
    settings.write_text(_SETTINGS.format(folder=work / "cache"), encoding="utf-8")
    words = ["--config-file", str(settings), *wanted]
    told, variables = io.StringIO(), dict(os.environ)
    try:
        with contextlib.chdir(root), contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
            return list(mypycify(words, multi_file=True, target_dir=str(work), group_name=_GROUP))
    except (SystemExit, AssertionError):
        reason = next((line for line in told.getvalue().splitlines() if "error" in line), "no reason was given")
        raise Misconfigured(f"the sources cannot be compiled: {reason}; {_LEAVE}.") from None
    finally:  # mypy leaves variables of its own
        os.environ.clear()
        os.environ.update(variables)


def _compiled(extension: Any, compiler: Sequence[str], work: Path) -> tuple[str, Path]:
    """The name of an extension and the library made of its C files."""
    folders = [sysconfig.get_path("include"), str(work), *extension.include_dirs]
    command = [*compiler, *_FLAGS, *(f"-I{folder}" for folder in folders), "-c"]
    objects = [f"{source}.o" for source in extension.sources]
    with ThreadPoolExecutor(os.cpu_count() or 1) as hands:
        pairs = zip(extension.sources, objects, strict=True)
        list(hands.map(lambda pair: _run([*command, pair[0], "-o", pair[1]]), pairs))
    library = work / _file_of(extension.name).replace("/", "-")
    _run([*compiler, "-shared", *objects, "-o", str(library)])
    return extension.name, library


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = next((line for line in done.stderr.splitlines() if "error" in line), "no reason was given")
        raise Misconfigured(f"the C compiler failed: {reason[:200]}; {_LEAVE}.")


def _file_of(module: str) -> str:
    return module.replace(".", "/") + str(sysconfig.get_config_var("EXT_SUFFIX"))
