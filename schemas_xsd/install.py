"""Installs the pinned official schemas and tables: from a locked distribution, opened as an archive, hash-checked.

Run as `python -m schemas_xsd.install` by the launcher; `PONTE_UV` names the uv binary that brings the distribution.
The distribution is unpacked into a temporary folder and never imported or put into the environment.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from schemas_xsd.catalogue import HERE, installed_root, schema_sets, sha256, tables


class InstallFailed(Exception):
    """The pinned set could not be brought or is not what the catalogue says; the text says which."""


def missing() -> list[str]:
    """What of the pinned set is not installed intact: version numbers and table names."""
    sets = [s.version for s in schema_sets().values() if s.pinned and s.state() != "installed"]
    return sets + [t.name for t in tables().values() if not t.path.is_file() or sha256(t.path) != t.sha256]


def install() -> None:
    """Bring every pinned schema and table that is missing; raises InstallFailed."""
    if not missing():
        return
    installed_root().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".incoming-", dir=installed_root()) as folder:
        archive = _unpack(Path(folder))
        for schema_set in schema_sets().values():
            if schema_set.pinned:
                _place_set(archive / "tiss" / "_data" / "schemas" / schema_set.version, schema_set.version)
        for table in tables().values():
            _place(archive / "tiss" / table.source, table.path, table.sha256)


def _unpack(folder: Path) -> Path:
    uv = os.environ.get("PONTE_UV") or shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    command = [uv, "pip", "install", "-q", "--no-deps", "--require-hashes", "--no-compile-bytecode", "--python"]
    command += [sys.executable, "--target", str(folder / "archive"), "-r", str(HERE / "tiss.lock")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise InstallFailed((done.stderr.strip().splitlines() or ["uv gave no reason"])[-1])
    return folder / "archive"


def _place_set(source: Path, version: str) -> None:
    schema_set = schema_sets()[version]
    for name, digest in schema_set.files.items():
        if name.endswith(".xsd"):
            _place(source / name, schema_set.folder / name, digest)


def _place(source: Path, target: Path, digest: str) -> None:
    if not source.is_file():
        raise InstallFailed(f"the pinned distribution lacks {source.name}")
    if sha256(source) != digest:
        raise InstallFailed(f"{source.name} is not the published file: its SHA-256 differs from catalogue.toml")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    shutil.copyfile(source, partial)
    partial.replace(target)


if __name__ == "__main__":
    try:
        install()
    except (InstallFailed, OSError) as error:
        sys.stderr.write(f"ponte: {error}\n")
        raise SystemExit(4) from None
