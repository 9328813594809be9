"""What official schema sets and tables are known, and where installed ones stand (`catalogue.toml`)."""

from __future__ import annotations

import hashlib
import os
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

HERE = Path(__file__).resolve().parent
MARK = "UNVERIFIED"


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaSet:
    """One published TISS version: its files by name with their SHA-256, and the dates it is accepted."""

    version: str
    publication: str
    pinned: bool
    accepted_from: str
    accepted_until: str
    entry: str
    service_entry: str
    files: dict[str, str]

    @property
    def folder(self) -> Path:
        """Where this set stands once installed."""
        return installed_root() / "tiss" / self.version

    @property
    def present(self) -> bool:
        """Whether all schema files are here, intact or not."""
        return all((self.folder / name).is_file() for name in self.files if name.endswith(".xsd"))

    @property
    def verified(self) -> bool:
        """Whether the files were hash-checked when they were installed."""
        return not (self.folder / MARK).exists()

    def state(self) -> str:
        """`installed`, `altered` (a file's hash differs), `unverified` (installed so on demand) or `absent`."""
        needed = [name for name in self.files if name.endswith(".xsd")]
        if not self.present:
            return "absent"
        if (self.folder / MARK).exists():
            return "unverified"
        intact = all(sha256(self.folder / name) == self.files[name] for name in needed)
        return "installed" if intact else "altered"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFile:
    """One ANS table as the pinned distribution carries it."""

    name: str
    title: str
    source: str
    sha256: str

    @property
    def path(self) -> Path:
        """Where the table stands once installed."""
        return installed_root() / "tables" / f"{self.name}.json"


def installed_root() -> Path:
    """The folder that holds installed schemas and tables; `PONTE_SCHEMAS` moves it."""
    return Path(os.environ.get("PONTE_SCHEMAS") or HERE / "installed")


@cache
def _document() -> dict[str, list[dict[str, object]]]:
    with (HERE / "catalogue.toml").open("rb") as file:
        return tomllib.load(file)


@cache
def schema_sets() -> dict[str, SchemaSet]:
    """All known versions, newest first."""
    return {str(row["version"]): SchemaSet(**row) for row in _document()["tiss"]}  # type: ignore[arg-type]


@cache
def tables() -> dict[str, TableFile]:
    """All known ANS tables by name."""
    return {str(row["name"]): TableFile(**row) for row in _document()["table"]}  # type: ignore[arg-type]


def sha256(path: Path) -> str:
    """The lower-case hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
