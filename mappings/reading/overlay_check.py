"""Whether all of a partner's overlay can work and is used."""

from __future__ import annotations

from mappings.reading.account import ignored
from mappings.reading.program import program
from mappings.tables.overlay import FILE
from mappings.tables.serving import plans
from mappings.tables.table import TableError, codes, overlay_folder, shown, table


def check(name: str) -> None:
    """Raise TableError for anything in an overlay that could not work or is never used."""
    folder = overlay_folder(name)
    laid = plans(name)
    used: set[str] = set()
    for plan in laid.values():
        for record in plan.records:
            program(record)
            used.update(record.tables)
    for path in sorted(folder.rglob("*")):
        if path.is_dir():
            continue
        place = path.relative_to(folder)
        if place.as_posix() in (FILE, "LEIA-ME.md", "README.md") or place.match("plans/*.toml"):
            continue
        if place.match("codes/*.csv"):
            codes(place.stem, name)
        elif place.as_posix() == "hl7/ignored.csv":
            ignored(name)
        elif place.match("hl7/*.csv"):
            if place.with_suffix("").as_posix() not in used:
                raise TableError(f"{shown(path)}:1: no record uses this table")
            table(place.with_suffix("").as_posix(), name)
        else:
            raise TableError(f"{shown(path)}:1: an overlay holds {FILE}, plans/*.toml, hl7/*.csv and codes/*.csv")
