"""Result parameters of a search (R4 §3.1.1.5): how many, in which order, what else, and how much of each."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from fhir.definitions.table import Parameter
from fhir.search.conditions import Inside
from fhir.search.values import BadValue, is_type

DEFAULT_COUNT = 50
MOST_COUNT = 1000
MOST_SORTS = 5
COLUMNS = ("_id", "_lastUpdated")
Known = Callable[[str, str], Parameter | None]
_GENERAL = ("_format", "_pretty")  # read by the door for every interaction


class NoEffect(Exception):
    """A result parameter that is understood but says nothing about this search."""


@dataclass(frozen=True, slots=True)
class Include:
    """`_include=Type:parameter[:target]` or, reversed, `_revinclude`; `code` and `type_name` `*` mean any.

    `iterate` looks at what was included as well, not only at the matches.
    """

    type_name: str
    code: str
    target: str
    reverse: bool
    iterate: bool = False


@dataclass(frozen=True, slots=True)
class Sort:
    """One field of `_sort`; `kind` is the parameter type, or `column`."""

    code: str
    down: bool
    kind: str = ""

    @property
    def is_column(self) -> bool:
        """Whether it is a column of the records themselves."""
        return self.code in COLUMNS


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The result parameters with their defaults."""

    count: int = DEFAULT_COUNT
    total: str = ""
    summary: str = ""
    elements: tuple[str, ...] = ()
    sort: tuple[Sort, ...] = ()
    cursor: tuple[Any, int] | None = None
    behind: tuple[str, ...] = ()  # the cursors of the pages before that of `cursor`, the nearest first
    includes: tuple[Include, ...] = ()
    contained: str = ""  # of contained resources `true` (only these) or `both`
    inner_shown: bool = False  # they themselves and not the records that contain them
    besides: tuple[Inside, ...] = ()  # what lies in here comes by itself and is not included

    @property
    def counts_only(self) -> bool:
        """Whether no record is wanted, only their number."""
        return self.summary == "count" or self.count == 0


def read_option(stated: dict[str, Any], types: Sequence[str], name: str, text: str, known: Known) -> bool:
    """Put what the result parameter `name` states into `stated`, by the fields of Options; False when it is no result
    parameter. `known` tells of a type's parameters. Raises BadValue, NoEffect.
    """
    if not name.startswith("_"):
        return False
    kind, _, modifier = name.partition(":")
    if kind in ("_include", "_revinclude"):
        if modifier not in ("", "iterate", "recurse"):
            raise BadValue
        found = _include(types, text, known, reverse=kind == "_revinclude", iterate=bool(modifier))
        stated["includes"] = (*stated.get("includes", ()), *found)
        return True
    reader = _READERS.get(name)
    if reader is not None:
        stated.update(reader(text))
    return reader is not None


def _include(types: Sequence[str], text: str, known: Known, *, reverse: bool, iterate: bool) -> list[Include]:
    if text in ("*", "*:*"):
        every = types[:1] if iterate or reverse else types
        return [Include("*" if iterate or reverse else name, "*", "", reverse, iterate) for name in every]
    parts = text.split(":")
    if len(parts) not in (2, 3) or not is_type(parts[0]):
        raise BadValue
    source, code = parts[0], parts[1]
    target = parts[2] if len(parts) == 3 else ""
    if target and not is_type(target):
        raise BadValue
    parameter = known(source, code)
    if code != "*" and (parameter is None or parameter.type != "reference"):
        raise BadValue
    if not reverse and not iterate and source not in types:
        raise NoEffect
    return [Include(source, code, target, reverse, iterate)]


def _count(text: str) -> dict[str, Any]:
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise BadValue
    return {"count": min(int(text), MOST_COUNT)}


def _total(text: str) -> dict[str, Any]:
    return {"total": _one_of(text, ("accurate", "estimate", "none"))}


def _summary(text: str) -> dict[str, Any]:
    chosen = _one_of(text, ("true", "false", "text", "data", "count"))
    return {"summary": "" if chosen == "false" else chosen}


def _one_of(text: str, allowed: tuple[str, ...]) -> str:
    if text not in allowed:
        raise BadValue
    return text


def _elements(text: str) -> dict[str, Any]:
    return {"elements": tuple(part.strip() for part in text.split(",") if part.strip())}


def _sort(text: str) -> dict[str, Any]:
    """The fields in order; whether they can be sorted by, the query decides."""
    fields = [part for part in text.split(",") if part.strip("-")]
    if len(fields) > MOST_SORTS:
        raise BadValue
    return {"sort": tuple(Sort(field.removeprefix("-"), field.startswith("-")) for field in fields)}


_BETWEEN, _CUT = "~", "."
_MOST_BEHIND = 1500  # characters of earlier cursors that a cursor carries


def cursor_after(own: str, options: Options, current: str) -> str:
    """The cursor of a next page with those that lead back: of this page (`current`) and of the pages before it."""
    if options.cursor is None:
        return own
    kept = [current.partition(_BETWEEN)[0], *options.behind]
    while sum(map(len, kept)) > _MOST_BEHIND:
        kept = [*kept[:-2], _CUT] if kept[-1] == _CUT else [*kept[:-1], _CUT]
    return _BETWEEN.join((own, *kept))


def cursor_before(options: Options) -> str | None:
    """The cursor of the previous page: empty for the first page, None where there is none or it is not known."""
    if options.cursor is None or options.behind[:1] == (_CUT,):
        return None
    return _BETWEEN.join(options.behind)


def cursor_text(value: Any, rid: int) -> str:
    """The opaque text of a place in a sorted result."""
    return base64.urlsafe_b64encode(orjson.dumps([value, rid])).decode("ascii").rstrip("=")


def cursor_parts(text: str) -> tuple[str | None, int]:
    """The place that `cursor_text` wrote; raises BadValue."""
    try:
        value, rid = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, TypeError, binascii.Error):
        raise BadValue from None
    if not isinstance(rid, int) or abs(rid) > 2**62 or not (value is None or isinstance(value, str)):
        raise BadValue
    return value, rid


def _cursor(text: str) -> dict[str, Any]:
    own, *behind = text.split(_BETWEEN)
    return {"cursor": cursor_parts(own), "behind": tuple(behind)}


def _contained(text: str) -> dict[str, Any]:
    """Whether resources contained in others are searched for (R4 §3.1.1.5.8)."""
    chosen = _one_of(text, ("false", "true", "both"))
    return {"contained": "" if chosen == "false" else chosen}


def _contained_type(text: str) -> dict[str, Any]:
    """Whether contained resources that are found are shown themselves, or the records that contain them."""
    return {"inner_shown": _one_of(text, ("container", "contained")) == "contained"}


def _nothing(text: str) -> dict[str, Any]:
    return {}


_READERS: dict[str, Callable[[str], dict[str, Any]]] = {
    "_count": _count,
    "_total": _total,
    "_summary": _summary,
    "_elements": _elements,
    "_sort": _sort,
    "_cursor": _cursor,
    "_contained": _contained,
    "_containedType": _contained_type,
    **dict.fromkeys(_GENERAL, _nothing),
}
