"""Reads mapping tables and code tables strictly: an unknown column, conversion, path or code table stops the start.

A table row says: this target comes from this source, by this conversion, when. A code row says: this code of that
system becomes that, and who decided so. No conditions beyond present, absent, new and equals.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from canonical.errors import Misconfigured

HERE = Path(__file__).resolve().parent.parent
SPECIAL = frozenset(
    (
        "@key",
        "@part",
        "@time",
        "@must-exist",
        "@clear",
        "@skip",
        "@distinct",
        "@occurred",
        "@action",
        "@known-only",
        "@essential",
        "@movement",
    )
)
REMOVED = "-"  # the source of an overlay's row that takes its target away
_COLUMNS = ["target", "source", "convert", "when", "note", "spec"]
_CODE_COLUMNS = ["system", "from", "to", "note", "decided"]
_SOURCE = re.compile(r"([A-Z][A-Z0-9]{2})-(\d+)(?:\.(\d+))?(?:\.(\d+))?\Z")


class TableError(Misconfigured):
    """A mapping table is wrong; the text names file and line."""


@dataclass(frozen=True, slots=True)
class Source:
    """An HL7 place: segment, field, and optionally component and subcomponent (0: the whole repetition)."""

    segment: str
    field: int
    component: int = 0
    sub: int = 0

    def __str__(self) -> str:
        text = f"{self.segment}-{self.field}"
        if self.component:
            text += f".{self.component}"
        return f"{text}.{self.sub}" if self.sub else text


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row. `source`, `constant`, `reference` (`@name`, a record above) and `children` (`>name`) exclude each other.

    `nearness`: `@name!` counts only when that record is the nearest above, `@name~` only when it is not.
    `when`: blank or `present`; `absent`, when no earlier row gave this target a value; `new`, only where the stored
    record has none; `equals:<value>`, when the source is that value. `removed`: an overlay's row that takes its target
    away.
    """

    target: str
    source: Source | None
    constant: str
    reference: str
    nearness: str
    children: str
    convert: str
    argument: str
    when: str
    place: str
    removed: bool = False

    @property
    def path(self) -> str:
        """The target without the resource type."""
        return self.target.partition(".")[2]


@cache
def table(path: str, overlay: str = "") -> tuple[Row, ...]:
    """The rows of `mappings/<path>.csv`, in file order; of a target that an overlay names, only the overlay's rows.

    A row of an overlay with the source `-` takes the target away.
    """
    own = overlaid(f"{path}.csv", overlay)
    if own is None:
        rows = _rows(HERE / f"{path}.csv", f"{path}.csv")
        for row in rows:
            if row.removed:
                raise TableError(f"{row.place}: only an overlay takes a target away")
        return rows
    below = _rows(HERE / f"{path}.csv", f"{path}.csv") if (HERE / f"{path}.csv").exists() else ()
    above = _rows(own, shown(own))
    replaced = {row.target for row in above}
    return (*(row for row in below if row.target not in replaced), *(row for row in above if not row.removed))


@cache
def codes(name: str, overlay: str = "") -> dict[str, str]:
    """The code table `mappings/codes/<name>.csv` as from → to; an empty `to` is deliberately unmapped.

    The codes an overlay names are laid over it.
    """
    own = overlaid(f"codes/{name}.csv", overlay)
    if own is None:
        return _codes(HERE / "codes" / f"{name}.csv")
    below = codes(name) if (HERE / "codes" / f"{name}.csv").exists() else {}
    return {**below, **_codes(own)}


@cache
def code_tables() -> tuple[str, ...]:
    """The names of the code tables, without those of overlays."""
    return tuple(sorted(file.stem for file in (HERE / "codes").glob("*.csv")))


def code_rows(name: str) -> list[dict[str, str]]:
    """The rows of a code table: `system`, `from`, `to`, `note` and who `decided`; raises TableError."""
    return [values for _, values in read_rows(HERE / "codes" / f"{name}.csv", _CODE_COLUMNS)]


def overlay_folder(overlay: str) -> Path:
    """The folder of an overlay: under `mappings/partners`, or a path where a candidate is tried out."""
    return Path(overlay) if "/" in overlay else HERE / "partners" / overlay


def overlaid(path: str, overlay: str) -> Path | None:
    """The file an overlay lays over `path`, when it has one; raises TableError for an overlay that is not there."""
    if not overlay:
        return None
    folder = overlay_folder(overlay)
    if not folder.is_dir():
        raise TableError(f"there is no overlay {overlay!r} in mappings/partners")
    return folder / path if (folder / path).exists() else None


def shown(file: Path) -> str:
    """A file as findings name it: from `mappings` on, or by its whole path."""
    return file.relative_to(HERE).as_posix() if file.is_relative_to(HERE) else file.as_posix()


def _rows(file: Path, place: str) -> tuple[Row, ...]:
    return tuple(_row(values, f"{place}:{line}") for line, values in read_rows(file, _COLUMNS))


def _codes(file: Path) -> dict[str, str]:
    name = shown(file)
    found: dict[str, str] = {}
    for line, values in read_rows(file, _CODE_COLUMNS):
        if not values["decided"]:
            raise TableError(f"{name}:{line}: `decided` is empty")
        if values["from"] in found:
            raise TableError(f"{name}:{line}: {values['from']} is there twice")
        found[values["from"]] = values["to"]
    return found


def read_rows(file: Path, columns: list[str]) -> list[tuple[int, dict[str, str]]]:
    """The rows of a CSV with exactly these columns, each with its line number; raises TableError."""
    reader = csv.DictReader(io.StringIO(utf8(file), newline=""), strict=True)
    try:
        if reader.fieldnames != columns:
            raise TableError(f"{shown(file)}:1: columns must be {','.join(columns)}")
        rows = list(enumerate(reader, start=2))
    except csv.Error as error:
        raise TableError(f"{shown(file)}:{reader.line_num + 1}: {error}") from None
    for line, values in rows:
        if None in values or None in values.values():
            raise TableError(f"{shown(file)}:{line}: wrong number of columns")
    return rows


def utf8(file: Path) -> str:
    """The text of a table's file, which a spreadsheet may begin with a byte order mark; raises TableError."""
    try:
        content = file.read_bytes()
        return content.decode("utf-8-sig")
    except FileNotFoundError:
        raise TableError(f"{shown(file)} does not exist") from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise TableError(f"{shown(file)}:{line}: the file is not UTF-8; save it as such") from None


def source_of(text: str, place: str) -> Source:
    """The field, or the part of one, that a table at `place` names; raises TableError."""
    match = _SOURCE.match(text)
    if match is None:
        raise TableError(f"{place}: source {text!r}")
    return Source(match[1], int(match[2]), int(match[3] or 0), int(match[4] or 0))


def _row(values: dict[str, str], place: str) -> Row:
    text = values["source"]
    source = None if text[:1] in ("=", "@", ">") or text == REMOVED else source_of(text, place)
    when = values["when"]
    if when not in ("", "present", "absent", "new") and not when.startswith("equals:"):
        raise TableError(f"{place}: when {when!r}")
    convert, _, argument = values["convert"].partition(":")
    path = values["target"].partition(".")[2]
    if path.startswith("@") and path not in SPECIAL:
        raise TableError(f"{place}: target {path!r}")
    return Row(
        target=values["target"],
        source=source,
        constant=text[1:] if text.startswith("=") else "",
        reference=text[1:].rstrip("!~") if text.startswith("@") else "",
        nearness=text[-1] if text.startswith("@") and text[-1] in "!~" else "",
        children=text[1:] if text.startswith(">") else "",
        convert=convert,
        argument=argument,
        when=when,
        place=place,
        removed=text == REMOVED,
    )
