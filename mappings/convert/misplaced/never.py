"""Contents that a field never has (`never.csv`): words that name themselves as another field's; told and not read."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import translate
from functools import cache
from typing import Any

from canonical.identity import fold
from mappings.convert.misplaced.plausible import URGENCIES, is_time
from mappings.convert.misplaced.shapes import cannot
from mappings.convert.registry import Context, Value
from mappings.tables.table import HERE, Source, TableError, codes, read_rows, shown, source_of

FILE = HERE / "never.csv"
_COLUMNS = ["fields", "contents", "unless", "note", "spec"]
_DIGITS = re.compile(r"(?:19|20)[0-9]{12}\Z")
_PATTERN = re.compile(r"[*?\[]")
_NOTHING = r"(?!)"
_UUID = re.compile(r"[0-9A-F]{8}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{12}\Z", re.IGNORECASE)
_TRIED = frozenset(("@time", "@impossible", "@due", "@words", "@uuid"))
_LONGEST = 80  # characters of a content that is looked at: the words are few


@dataclass(frozen=True, slots=True)
class Never:
    """Contents of a row, in capitals without accents: `words`, a `pattern` where `*` stood for anything, and
    what is `tried`: `@time` for a day or moment, `@impossible` for the digits of one that cannot be, `@due` for
    a day and an urgency (table 0485), `@words` for a content without a digit, `@uuid` for a UUID, `@of:table`
    for a code or word of a table alone, `@no:shape` for what a shape cannot be (`shapes.py`); they count only
    where what `unless` names is empty."""

    words: frozenset[str]
    pattern: re.Pattern[str]
    tried: tuple[str, ...]
    unless: Source | None


def guarded(function: Callable[..., Any], source: Source) -> Callable[..., Any]:
    """The conversion of a row that reads `source`; one that reads no content the field never has, if there are such."""
    rows = never().get((source.segment, source.field))
    if not rows:
        return function

    @functools.wraps(function)
    def reading(value: Value, context: Context, argument: str) -> Any:
        if not is_never(value, rows):
            return function(value, context, argument)
        context.problems.append(value.problem("field.misplaced"))
        return None

    return reading


def is_never(value: Value, rows: tuple[Never, ...]) -> bool:
    """Whether a field says one of these."""
    if len(value.raw) > _LONGEST:
        return False
    said = fold(" ".join(value.full().replace(value.delimiters.component, " ").split())).upper()
    return any(
        not _stands(row.unless, value)
        and (said in row.words or row.pattern.match(said) or any(_is(content, value) for content in row.tried))
        for row in rows
    )


def _is(content: str, value: Value) -> bool:
    if content == "@time":
        return is_time(value.raw)
    if content == "@impossible":
        return bool(_DIGITS.match(value.raw)) and not is_time(value.raw)
    if content == "@due":
        return is_time(value.text(1)) and value.text(2).upper() in URGENCIES and not value.text(3)
    if content == "@words":
        return not any(map(str.isdigit, value.raw))
    if content == "@uuid":
        return bool(_UUID.match(value.raw))
    if content.startswith("@no:"):
        tells = cannot(content.removeprefix("@no:"))
        return tells is not None and tells(value.raw.split(value.delimiters.component))
    words = [fold(text).upper() for part in (1, 2) if (text := value.text(part))]
    return bool(words) and not value.text(3) and all(word in codes(content.removeprefix("@of:")) for word in words)


def _stands(beside: Source | None, value: Value) -> bool:
    return beside is not None and bool(value.other(beside.field, beside.component or 1))


@cache
def never() -> dict[tuple[str, int], tuple[Never, ...]]:
    """The rows by segment and field; raises TableError."""
    found: dict[tuple[str, int], tuple[Never, ...]] = {}
    for line, values in read_rows(FILE, _COLUMNS):
        if not (values["fields"] and values["contents"] and values["note"] and values["spec"]):
            raise TableError(f"{shown(FILE)}:{line}: fields, contents, a note and a source are needed")
        place = f"{shown(FILE)}:{line}"
        unless = source_of(values["unless"], place) if values["unless"] else None
        row = _row(values["contents"].split(";"), unless, place)
        for name in values["fields"].split():
            field = source_of(name, place)
            found[field.segment, field.field] = (*found.get((field.segment, field.field), ()), row)
    return found


def _row(contents: list[str], unless: Source | None, place: str) -> Never:
    tried = tuple(content for content in contents if content.startswith("@"))
    for content in tried:
        if content not in _TRIED and not content.startswith(("@of:", "@no:")):
            raise TableError(f"{place}: {content} is none of {', '.join(sorted(_TRIED))}, @of: and @no:")
    patterns = [content for content in contents if content not in tried and _PATTERN.search(content)]
    words = frozenset(contents) - {*tried, *patterns}
    return Never(words, re.compile("|".join(map(translate, patterns)) or _NOTHING), tried, unless)
