"""A partner's overlay: only what differs, laid over the plans. `mappings/partners/<name>/overlay.toml` says it.

`[[records]]` are further records of the message types they name, `[[extend]]` gives a record of the plans more
segments or tables, `[ignored]` names segments that carry nothing, `dates = "day-first"` says that all dates with
strokes have the day first (`mappings.reading.dated`). Rows lie beside it: `hl7/*.csv`, `codes/*.csv`.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from canonical.toml_lines import line_of, lines_of
from mappings.tables.plan import Plan, RecordPlan, load_plan
from mappings.tables.table import HERE, TableError, overlay_folder, shown, utf8

FILE = "overlay.toml"
DAY_FIRST = "day-first"
_KNOWN = {"title": str, "ignored": dict, "records": list, "extend": list, "dates": str}
_EXTEND = {"record", "messages", "tables", "follow", "lead"}
_RECORD = {item.name for item in dataclasses.fields(RecordPlan)} - {"overlay"} | {"messages"}
_NEEDED = ("name", "type", "anchor")
_NOT_LISTS = {*_NEEDED, *(item.name for item in dataclasses.fields(RecordPlan) if isinstance(item.default, str))}
_FLAGS = {item.name for item in dataclasses.fields(RecordPlan) if isinstance(item.default, bool)}


@dataclass(slots=True)
class _Overlay:
    """What an overlay file says, checked."""

    name: str
    dates: str = ""
    ignored: dict[str, str] = field(default_factory=dict)
    records: list[tuple[tuple[str, ...], RecordPlan]] = field(default_factory=list)
    extend: list[dict[str, Any]] = field(default_factory=list)
    made: dict[tuple[int, tuple[int, ...]], RecordPlan] = field(default_factory=dict)


def laid_over(base: Mapping[str, Plan], name: str) -> dict[str, Plan]:
    """The plans as a site with the overlay `name` has them; raises TableError naming file and line."""
    folder = overlay_folder(name)
    if not folder.is_dir():
        raise TableError(f"there is no overlay {name!r} in mappings/partners")
    found = _read(folder, name, {record.name for plan in base.values() for record in plan.records})
    own = {message: plan for path in sorted((folder / "plans").glob("*.toml")) for message, plan in _plans_of(path)}
    return {message: _laid(plan, message, found) for message, plan in {**base, **own}.items()}


def names() -> list[str]:
    """The overlays there are."""
    return sorted(path.name for path in (HERE / "partners").glob("*") if path.is_dir())


def _plans_of(path: Path) -> list[tuple[str, Plan]]:
    plan = load_plan(path)
    return [(message, plan) for message in plan.messages]


def _laid(plan: Plan, message: str, found: _Overlay) -> Plan:
    records = [_extended(record, message, found) for record in plan.records]
    added = [record for messages, record in found.records if _serves(messages, message)]
    laid = {**plan.ignored, **found.ignored}
    return dataclasses.replace(plan, records=(*records, *added), ignored=laid, overlay=found.name, dates=found.dates)


def _extended(record: RecordPlan, message: str, found: _Overlay) -> RecordPlan:
    """The record with what extends it for this message; made once, so that its program is compiled once."""
    extending = tuple(
        number
        for number, extension in enumerate(found.extend)
        if extension["record"] == record.name and _serves(extension.get("messages", ("*",)), message)
    )
    place = (id(record), extending)
    if place not in found.made:
        more: dict[str, Any] = {"overlay": found.name}
        for number in extending:
            for key in ("tables", "follow", "lead"):
                known = more.get(key, getattr(record, key))
                more[key] = (*known, *(item for item in found.extend[number].get(key, ()) if item not in known))
        found.made[place] = dataclasses.replace(record, **more)
    return found.made[place]


def _serves(messages: Sequence[str], message: str) -> bool:
    return any(fnmatchcase(message, one) for one in messages)


def _read(folder: Path, name: str, records: Container[str]) -> _Overlay:
    path = folder / FILE
    if not path.exists():
        return _Overlay(name)
    text = utf8(path)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TableError(f"{shown(path)}: {error}") from None
    lines = lines_of(text)

    def wrong(key: str, what: str) -> TableError:
        return TableError(f"{shown(path)}:{line_of(key, lines)}: {key}: {what}")

    for key, value in document.items():
        if key not in _KNOWN:
            raise wrong(key, f"there is no such key; known are {', '.join(_KNOWN)}")
        if not isinstance(value, _KNOWN[key]):
            raise wrong(key, "is of the wrong kind")
    found = _Overlay(name, document.get("dates", ""), _ignored(document.get("ignored", {}), wrong))
    if found.dates not in ("", DAY_FIRST):
        raise wrong("dates", f'must be "{DAY_FIRST}" where it is said')
    for number, row in enumerate(document.get("records", ()), start=1):
        found.records.append(_record(row, f"records[{number}]", name, wrong))
    for number, row in enumerate(document.get("extend", ()), start=1):
        found.extend.append(_extension(row, f"extend[{number}]", records, wrong))
    return found


Wrong = Callable[[str, str], TableError]


def _ignored(rows: dict[str, Any], wrong: Wrong) -> dict[str, str]:
    for segment, reason in rows.items():
        if not isinstance(reason, str) or not reason:
            raise wrong(f"ignored.{segment}", "needs the reason as text")
    return rows


def _record(row: dict[str, Any], place: str, name: str, wrong: Wrong) -> tuple[tuple[str, ...], RecordPlan]:
    for key, value in row.items():
        if key not in _RECORD:
            raise wrong(f"{place}.{key}", f"there is no such key; known are {', '.join(sorted(_RECORD))}")
        expected = bool if key in _FLAGS else str if key in _NOT_LISTS else list
        if not isinstance(value, expected):
            raise wrong(f"{place}.{key}", "is of the wrong kind")
    for key in (*_NEEDED, "tables"):
        if not row.get(key):
            raise wrong(place, f"{key} is missing")
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
    messages = values.pop("messages", ("*",))
    return messages, RecordPlan(**values, overlay=name)


def _extension(row: dict[str, Any], place: str, records: Container[str], wrong: Wrong) -> dict[str, Any]:
    for key, value in row.items():
        if key not in _EXTEND:
            raise wrong(f"{place}.{key}", f"there is no such key; known are {', '.join(sorted(_EXTEND))}")
        if not isinstance(value, str if key == "record" else list):
            raise wrong(f"{place}.{key}", "is of the wrong kind")
    if row.get("record") not in records:
        raise wrong(f"{place}.record", "must name a record of the plans")
    return row
