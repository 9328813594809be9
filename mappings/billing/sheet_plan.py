"""Column plans: which columns of a payer's CSV or XLSX statement mean what. One TOML a plan, in `mappings/statements`.

A plan is read strictly: an unknown key, column or format is an error that names the file and the key.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from mappings.tables.table import HERE, TableError

FOLDER = HERE / "statements"
SHARED = (
    "number", "issued_on", "protocol", "batch", "guide", "operator_guide", "billed", "processed", "paid", "denied",
    "copay",
)  # fmt: skip
COLUMNS = {
    "analysis": frozenset((
        *SHARED, "status", "sequence", "table", "code", "date", "quantity", "participation", "glosa", "glosa_text",
    )),
    "payment": frozenset((*SHARED, "paid_on", "form", "kind", "entry")),
}  # fmt: skip
AMOUNTS = ("billed", "processed", "paid", "denied", "copay")
DAYS = ("date", "paid_on", "issued_on")
_KEYS = {
    "title", "kind", "sheet", "decimal", "dates", "separator", "encoding", "one_row_per", "totals", "columns",
    "values", "head",
}  # fmt: skip
_OPTIONS = ("title", "sheet", "decimal", "separator", "encoding", "one_row_per")
_COLUMN_KEYS = {"names", "required", "fill", "default", "width"}
_DATE = re.compile(r"(?:DD|MM|YYYY|YY|[./\- ])++\Z|serial\Z")
_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column: the names it may have in the header row (case, accents and blanks do not count).

    `fill` repeats the value above into blank cells, `default` stands in for a blank one, `width` pads digits with
    zeros.
    """

    names: tuple[str, ...]
    required: bool = False
    fill: bool = False
    default: str = ""
    width: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetPlan:
    """A plan; `values` translate cells of a column, `head` labels above the header row that name a value beside them.

    `totals` are the first words of rows that sum up; `one_row_per` is `glosa` where an item has a row for each glosa.
    """

    name: str
    title: str
    kind: Literal["analysis", "payment"]
    columns: Mapping[str, Column]
    sheet: str = ""
    decimal: Literal[",", "."] = ","
    dates: tuple[str, ...] = ("DD/MM/YYYY", "YYYY-MM-DD")
    separator: str = ""
    encoding: str = ""
    one_row_per: Literal["item", "glosa"] = "item"
    totals: tuple[str, ...] = ("total", "subtotal", "totais")
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    head: Mapping[str, str] = field(default_factory=dict)


def plans() -> tuple[str, ...]:
    """The names of all plans."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


@cache
def plan(name: str) -> SheetPlan:
    """The plan `mappings/statements/<name>.toml`; raises TableError."""
    path = FOLDER / f"{name}.toml"
    if not _NAME.match(name) or not path.is_file():
        raise TableError(f"there is no column plan {name!r}; known: {', '.join(plans())}")
    try:
        return parse(name, tomllib.loads(path.read_text(encoding="utf-8")))
    except tomllib.TOMLDecodeError as error:
        raise TableError(f"statements/{name}.toml: {error}") from None


def parse(name: str, raw: Mapping[str, Any]) -> SheetPlan:
    """The plan of a document; raises TableError naming the key that is wrong."""
    place = f"statements/{name}.toml"
    kind = raw.get("kind")
    if kind not in COLUMNS:
        raise TableError(f"{place}: kind must be one of {', '.join(COLUMNS)}")
    unknown = [*(set(raw) - _KEYS), *(f"columns.{one}" for one in set(raw.get("columns", {})) - COLUMNS[kind])]
    unknown += [f"values.{one}" for one in set(raw.get("values", {})) - COLUMNS[kind]]
    unknown += [f"head.{one}" for one in set(raw.get("head", {})) - COLUMNS[kind]]
    if unknown:
        raise TableError(f"{place}: {', '.join(sorted(unknown))} is unknown")
    _check(place, raw)
    columns = {key: _column(f"{place}: columns.{key}", value) for key, value in raw["columns"].items()}
    options: dict[str, Any] = {key: raw[key] for key in _OPTIONS if key in raw}
    options |= {key: tuple(raw[key]) for key in ("dates", "totals") if key in raw}
    options |= {key: raw[key] for key in ("values", "head") if key in raw}
    return SheetPlan(name=name, kind=kind, columns=columns, **{"title": name, **options})


def _check(place: str, raw: Mapping[str, Any]) -> None:
    wrong = {
        "decimal": raw.get("decimal", ",") not in (",", "."),
        "one_row_per": raw.get("one_row_per", "item") not in ("item", "glosa"),
        "dates": not all(isinstance(one, str) and _DATE.match(one) for one in raw.get("dates", ())),
        "totals": not all(isinstance(one, str) and one for one in raw.get("totals", ())),
        "columns": not isinstance(raw.get("columns"), Mapping) or not raw["columns"],
        "values": not all(isinstance(one, Mapping) for one in raw.get("values", {}).values()),
        "separator": len(str(raw.get("separator", ""))) > 1,
    }
    if found := [key for key, is_wrong in wrong.items() if is_wrong]:
        raise TableError(f"{place}: {', '.join(found)}")


def _column(place: str, raw: Any) -> Column:
    if not isinstance(raw, Mapping) or set(raw) - _COLUMN_KEYS:
        raise TableError(f"{place}: has names, and may have required, fill, default, width")
    names = raw.get("names", ())
    if not isinstance(names, list) or not names or not all(isinstance(one, str) and one for one in names):
        raise TableError(f"{place}: names must be a list of texts")
    width = raw.get("width", 0)
    if type(width) is not int or not 0 <= width <= 20:
        raise TableError(f"{place}: width must be a whole number up to 20")
    return Column(
        names=tuple(names),
        required=raw.get("required", False) is True,
        fill=raw.get("fill", False) is True,
        default=str(raw.get("default", "")),
        width=width,
    )
