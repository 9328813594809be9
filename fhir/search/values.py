"""Values of search parameters (R4 §3.1.1.4): how the text after `=` is read for each parameter type."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

from canonical.codes import UCUM, names, spellings
from fhir.definitions.table import resource_types
from fhir.search import ranges, units
from fhir.search.parameters import bounded, folded, split_reference

MOST_ABOVE = 30
_PREFIX = re.compile(r"(eq|ne|gt|lt|ge|le|sa|eb|ap)(?=[\d+\-.])")
_NUMBER = re.compile(r"[+-]?\d{1,40}(\.\d{1,40})?([eE][+-]?\d{1,3})?\Z")


class BadValue(Exception):
    """The text is no value of the parameter's type; it is not repeated here."""


@dataclass(frozen=True, slots=True)
class Token:
    """`systems` None: any, `("",)`: none stated; `code` None: any of the system; `spellings`: other forms."""

    systems: tuple[str, ...] | None
    code: str | None
    spellings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Concepts:
    """Codes that terminology names: those of a value set (`in`), or `below` or `above` one code of a system.

    `bare`: the element says no system, wherever it stands.
    """

    relation: str
    system: str
    code: str = ""
    bare: bool = field(default=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Kin:
    """A record and all `below` or `above` it in the hierarchy of its type (`fhir.search.hierarchies`)."""

    type: str
    id: str
    relation: str


@dataclass(frozen=True, slots=True)
class Media:
    """A media type, or the first part of one, with all below it: its subtypes, and itself with parameters."""

    name: str


@dataclass(frozen=True, slots=True)
class Text:
    """A string by its folded start, exactly when `exact` is set, or anywhere within when `inside`; `way` says whether
    the start, all or the end of the string is meant."""

    folded: str
    exact: str | None = None
    inside: bool = False
    way: Literal["start", "whole", "end"] = "start"


@dataclass(frozen=True, slots=True)
class Moment:
    """A span of time, first moment to first moment after, and how a record's time must lie to it."""

    prefix: str
    low: datetime.datetime
    high: datetime.datetime


@dataclass(frozen=True, slots=True)
class Number:
    """A number as written (`low` to `high` by its precision, `point` exactly), a prefix and, of quantities, a unit."""

    prefix: str
    point: float
    low: float
    high: float
    system: str | None = None
    unit: str | None = None
    base: Base | None = None


@dataclass(frozen=True, slots=True)
class Base:
    """The same number in the base unit of its UCUM unit; `prefix` is the other way round where the unit falls."""

    prefix: str
    unit: str
    point: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Target:
    """A referenced record; the empty type stands for canonical and absolute references."""

    types: tuple[str, ...]
    id: str


@dataclass(frozen=True, slots=True)
class Link:
    """A URI, exactly, with all below it, or (`above`) with all it lies below."""

    uri: str
    below: bool = False
    above: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Composite:
    """Values that must hold in one place: the first as it is written into the key (any of `lead`), then the others.

    `first` is the first one as a token, None where it is a reference.
    """

    lead: tuple[str, ...]
    rest: tuple[Value, ...]
    first: Token | None = None


Value = Token | Text | Moment | Number | Target | Link | Concepts | Kin | Media | Composite
OPEN = (Concepts, Kin)  # what stands for values that only the stored records tell
Reader = Callable[[str], Value]


def alternatives(text: str) -> list[str]:
    """The parts between commas that no backslash escapes, still escaped."""
    return [part for part in split(text, ",") if part]


def split(text: str, mark: str) -> list[str]:
    """The parts of `text` between `mark`s that no backslash escapes."""
    if "\\" not in text:
        return text.split(mark)
    parts, current, escaped = [], "", False
    for char in text:
        if char == mark and not escaped:
            parts.append(current)
            current = ""
            continue
        escaped = char == "\\" and not escaped
        current += char
    return [*parts, current]


def plain(text: str) -> str:
    """`text` without the backslashes of escapes (R4 §3.1.1.4.0)."""
    return re.sub(r"\\([\\,|$])", r"\1", text) if "\\" in text else text


def escaped(text: str) -> str:
    """`text` as one value of a search parameter (R4 §3.1.1.4.0): what `plain` reads as it."""
    return re.sub(r"([\\,|$])", r"\\\1", text)


def token(text: str) -> Token:
    """`code`, `system|code`, `|code`, `system|`; a Brazilian register's system stands for all its names."""
    parts = [plain(part) for part in split(text, "|")]
    if len(parts) > 2 or not any(parts):
        raise BadValue
    if len(parts) == 1:
        return Token(None, bounded(parts[0]))
    system, code = parts
    systems = _indexed(names(system, code)) if system else ("",)
    others = tuple(bounded(other) for other in spellings(system, code)) if code else ()
    return Token(systems, bounded(code) if code else None, others)


@lru_cache(maxsize=1024)
def _indexed(systems: frozenset[str]) -> tuple[str, ...]:
    """The names of a system, as they are indexed."""
    return tuple(sorted(map(bounded, systems)))


def of_type(text: str) -> Token:
    """`system|code|value` of `:of-type`: the identifier's type, then its value."""
    parts = [plain(part) for part in split(text, "|")]
    if len(parts) != 3 or not parts[1] or not parts[2]:
        raise BadValue
    return Token((bounded(f"{parts[0]}|{parts[1]}"),), bounded(parts[2]))


def concepts(text: str, relation: str) -> Concepts:
    """`:in` and `:not-in` name a value set, `:below` and `:above` a code as `system|code`."""
    if relation == "in":
        return Concepts(relation, plain(text))
    parts = [plain(part) for part in split(text, "|")]
    if len(parts) != 2 or not all(parts):
        raise BadValue
    return Concepts(relation, parts[0], parts[1])


def media(text: str, relation: str) -> Media | Token:
    """`:below` and `:above` of a media type (R4 §3.1.1.4.10): `image`, `image/png`, `text/xml; charset=utf-8`."""
    name = plain(text)
    if relation == "below":
        return Media(name)
    bare = name.partition(";")[0].strip()
    wider = (bare, bare.partition("/")[0])
    return Token(("",), bounded(name), tuple(each for each in dict.fromkeys(map(bounded, wider)) if each != name))


def string(text: str, *, exact: bool = False, inside: bool = False) -> Text:
    """A string; exact ones are compared with accents and case."""
    words = plain(text)
    return Text(folded(words), bounded(words)) if exact else Text(folded_words(words), inside=inside)


def folded_words(text: str) -> str:
    """`text` as strings are compared; raises BadValue when nothing is left of it."""
    found = folded(text)
    if not found:
        raise BadValue
    return found


def date(text: str, zone: ZoneInfo, now: datetime.datetime) -> Moment:
    """A date or time with prefix; without a zone it lies in the tenant's (`zone`)."""
    match = _PREFIX.match(text)
    prefix = match[1] if match else "eq"
    span = ranges.date_range(text[len(prefix) if match else 0 :].replace(" ", "+"), zone)
    if span is None:
        raise BadValue
    low, high = span
    if prefix == "ap":  # ten per cent of the distance to now, at least the value's own precision
        distance = abs(now - low) / 10
        try:
            low, high = max(low - distance, ranges.EARLIEST), min(high + distance, ranges.LATEST)
        except OverflowError:
            raise BadValue from None
    return Moment(prefix, low, high)


def number(text: str) -> Number:
    """A number with prefix."""
    match = _PREFIX.match(text)
    prefix = match[1] if match else "eq"
    digits = text[len(prefix) if match else 0 :]
    span = ranges.number_range(digits) if _NUMBER.match(digits) else None
    exact = ranges.point(digits) if span else None
    if span is None or exact is None:
        raise BadValue
    low, high = span
    if prefix == "ap":
        low, high = min(exact * 0.9, exact * 1.1), max(exact * 0.9, exact * 1.1)
    return Number(prefix, exact, low, high)


def quantity(text: str) -> Number:
    """`number`, `number|system|code`, `number||unit`; `number|system` is any code of the system."""
    parts = [plain(part) for part in split(text, "|")]
    if len(parts) > 3:
        raise BadValue
    found = number(parts[0])
    system, unit = (bounded(part) if part else None for part in (*parts[1:], "", "")[:2])
    base = _based(found, parts[2]) if len(parts) == 3 and parts[1] == UCUM else None
    return Number(found.prefix, found.point, found.low, found.high, system, unit, base)


_TURNED = {"gt": "lt", "lt": "gt", "ge": "le", "le": "ge", "sa": "eb", "eb": "sa"}


def _based(found: Number, code: str) -> Base | None:
    """The number in the base unit of a UCUM unit; None where the unit is not known or has no such value."""
    unit = units.known(code)
    if unit is None:
        return None
    point, low, high = (unit.of(each) for each in (found.point, found.low, found.high))
    if not all(map(math.isfinite, (point, low, high))):
        return None
    if not unit.falls:
        return Base(found.prefix, unit.base, point, low, high)
    low, high = (math.nextafter(each, math.inf) for each in (high, low))  # the lower end now is the one not among it
    return Base(_TURNED.get(found.prefix, found.prefix), unit.base, point, low, high)


def in_each_unit(number: Number) -> tuple[Number, ...]:
    """The number and, when its UCUM unit is known, what it is in each other unit of the kind; none has a base then."""
    base = number.base
    if base is None:
        return (number,)
    others = (
        replace(
            number,
            prefix=base.prefix,
            point=unit.back(base.point),
            low=unit.back(base.low),
            high=unit.back(base.high),
            unit=code,
            base=None,
        )
        for code, unit in units.of_base(base.unit)
        if code != number.unit
    )
    return (replace(number, base=None), *others)


def reference(text: str, types: tuple[str, ...], base: str, *, only: bool = False) -> Target:
    """`Type/id`, `id` (of any of `types`), an absolute address (ours is the same as the relative one) or canonical.

    `only`: another type than one of `types` is met by nothing.
    """
    literal = plain(text).removeprefix(base + "/")
    kind, identity = split_reference(literal)
    if kind and only and kind not in types:
        return Target(types, literal)  # no id has a slash
    if kind:
        return Target((kind,), identity)
    if "|" in literal:
        return Target(("",), bounded(literal))
    if "/" in literal or ":" in literal:
        return Target(("",), identity)
    return Target(types, identity)


def uri(text: str, modifier: str = "") -> Link:
    """A URI, or a canonical with its version; `above` lists what it lies below, path step by path step."""
    found = plain(text)
    if modifier:
        found = found.partition("|")[0]
    if modifier != "above":
        return Link(bounded(found), modifier == "below")
    steps = found.split("/")
    first = 3 if "://" in found else 1
    above = tuple(bounded("/".join(steps[:n])) for n in range(first, len(steps) + 1))
    if not above or len(above) > MOST_ABOVE:
        raise BadValue
    return Link(bounded(found), above=above)


def is_type(name: str) -> bool:
    """Whether `name` is a resource type."""
    return name in _types()


@cache
def _types() -> frozenset[str]:
    return frozenset(resource_types())
