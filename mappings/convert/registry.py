"""What a conversion is: it gets one repetition of a field, the context, an argument, and gives a value or None."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import cache, wraps
from typing import Any, Protocol, TypeVar, cast

from canonical.problem import Problem
from canonical.records import Draft, Key
from hl7.er7 import NULL, Message, Segment, component_text
from hl7.escapes import unescape
from mappings.tables.site import PLAIN, Site
from mappings.tables.table import Row, Source, codes

T = TypeVar("T")


class Tracer(Protocol):
    """Who is told what rows made (`mappings.reading.trace`); there is none while a feed is worked."""

    def begins(self, segments: Sequence[Segment]) -> None:
        """Another row begins, which reads `segments`."""

    def note(self, local: str, path: str, row: Row, made: Any, value: Value | None) -> None:
        """The row put `made` at `path` of draft `local`, reading `value` (None: it reads no field)."""

    def gathered(self, row: Row, segment: Segment, number: int) -> None:
        """Of field `number` of a segment, and of those asked for beside it, values were made with others together."""

    def passed(self, row: Row, index: int, field: int, by: Value | None) -> None:
        """The row left a field of segment `index` alone: `by` (None: a constant or a link) had given its target."""

    def emitted(self, local: str) -> None:
        """The conversion that runs now named a side record."""

    def united(self, local: str, heir: str) -> None:
        """What draft `local` says is said by `heir` now."""

    def left_out(self, local: str, stands: Callable[[Any], bool]) -> None:
        """Parts of draft `local` were left out: of what does not stand any more nothing was made."""

    def codes(self, name: str, table: dict[str, str]) -> dict[str, str]:
        """The code table `name` as the conversion that runs now sees it."""


class Context:
    """What conversions may know beyond their field: the message, the zone, and where findings and side records go.

    `emitted` collects side records (a Practitioner named in PV1-7) by their key; `ignored` the segments that a table
    declares to make no record; `zone` completes times without one; `site` is what the sender's channel changes.
    `contained` are resources without number that go inside the record whose row is read. `heard` are the repetitions of
    fields that repeat, by segment index and field number, of which something was made or told.
    """

    __slots__ = (
        "_counts",
        "_found",
        "contained",
        "emitted",
        "event",
        "heard",
        "ignored",
        "message",
        "prefix",
        "problems",
        "rescued",
        "sender",
        "site",
        "trace",
        "zone",
    )

    def __init__(self, message: Message, zone: str, prefix: str = "", site: Site = PLAIN) -> None:
        self.message = message
        self.zone = zone
        self.prefix = prefix
        self.site = site
        self.problems: list[Problem] = []
        self.emitted: dict[tuple[str, Key], Draft] = {}
        self._counts: dict[str, int] = {}
        self._found: dict[str, Any] = {}
        self.ignored: set[int] = set()
        self.heard: dict[tuple[int, int], set[str]] = {}
        self.rescued: set[str] = set()
        self.contained: list[dict[str, Any]] = []
        self.trace: Tracer | None = None
        self.event = message.type.partition("^")[2]
        self.sender = message.header.text(4) or message.header.text(3) or "local"

    def codes(self, name: str) -> dict[str, str]:
        """The code table called `name`, with the rows of the site's overlay."""
        found = codes(name, self.site.overlay)
        return found if self.trace is None else self.trace.codes(name, found)

    def above(self, name: str, segment: Segment) -> Segment | None:
        """The nearest segment of this name before another of the message."""

        def all_above() -> list[Segment | None]:
            last: Segment | None = None
            return [last := one if one.name == name else last for one in self.message.segments]

        return self.once(f"above {name}", all_above)[segment.index - 1]

    def once(self, name: str, find: Callable[[], T]) -> T:
        """What `find` finds in all of the message, looked for once: for each segment it would cost their square."""
        if name not in self._found:
            self._found[name] = find()
        return cast("T", self._found[name])

    def emit(self, type_name: str, key: Key, initial: dict[str, Any]) -> str:
        """The local name of a side record, made at its first mention; a later one fills what that did not say."""
        place = (type_name, key)
        if place not in self.emitted:
            number = self._counts[type_name] = self._counts.get(type_name, 0) + 1
            # not with a stroke: `specimen/2` is the second record of a plan's `specimen`
            local = f"{self.prefix}{type_name.lower()}+{number}"
            self.emitted[place] = Draft(local=local, type=type_name, body={}, initial=initial, keys=(key,))
        else:
            self.emitted[place].initial = {**initial, **self.emitted[place].initial}
        if self.trace is not None:
            self.trace.emitted(self.emitted[place].local)
        return self.emitted[place].local

    def contain(self, type_name: str, body: dict[str, Any]) -> str:
        """The reference to a resource inside the record that is made: it has no number it could be found by again.

        Its id comes of its content, so that the same one told twice is one, and a changed one is another.
        """
        return self.hold(inside(type_name, body))

    def hold(self, resource: dict[str, Any]) -> str:
        """The reference to a resource made by `inside`, which the record holds from now on, once."""
        if not any(one is resource for one in self.contained):
            self.contained.append(resource)
        return f"#{resource['id']}"

    def mention(self, type_name: str, key: Key, body: dict[str, Any] | None = None) -> str:
        """The local name of a record told elsewhere: linked when it is known, named by its number when it is not.

        `body` is what this message changes of it.
        """
        local = self.emit(type_name, key, {})
        draft = self.emitted[(type_name, key)]
        draft.partial = True
        draft.body.update(body or {})
        return local


def inside(type_name: str, body: dict[str, Any]) -> dict[str, Any]:
    """The resource that is to stand inside a record, with its id."""
    name = f"{type_name.lower()}-{hashlib.sha256(repr(body).encode()).hexdigest()[:12]}"
    return {"resourceType": type_name, "id": name, **body}


class Value:
    """One repetition of a field as a conversion sees it; `component` 0 means the whole repetition."""

    __slots__ = ("_parts", "_plain", "delimiters", "raw", "segment", "source")

    def __init__(self, raw: str, source: Source, segment: Segment) -> None:
        self.raw = raw
        self.source = source
        self.segment = segment
        self.delimiters = segment.delimiters
        self._parts: list[str] | None = None
        self._plain: list[str] | None = None  # the texts where nothing is escaped or divided further; else empty

    def text(self, component: int = 1, sub: int = 1) -> str:
        """The unescaped text of a component, without control characters; `""` reads as empty here."""
        plain = self._plain
        if plain is None:
            plain = self._plain = self.segment.texts(self.raw)
        if plain:
            return plain[component - 1] if component <= len(plain) and sub == 1 else ""
        return self._text(component, sub)

    def _text(self, component: int, sub: int) -> str:
        parts = self._parts
        if parts is None:
            parts = self._parts = self.raw.split(self.delimiters.component)
        if component > len(parts):
            return ""
        found = parts[component - 1]
        if not found:
            return ""
        delimiters = self.delimiters
        if delimiters.sub in found:
            found = component_text(self.raw, delimiters, component, sub)
        elif sub > 1:
            return ""
        elif delimiters.escape in found:
            found = unescape(found, delimiters)
        if found.isprintable():
            return "" if found == NULL else found.strip()
        return clean(found).strip()

    def said(self, component: int = 1) -> str:
        """The unescaped text of a component that has no subcomponents: a separator left in it (`H&E`) is text."""
        parts = self._parts
        if parts is None:
            parts = self._parts = self.raw.split(self.delimiters.component)
        if component > len(parts) or self.delimiters.sub not in parts[component - 1]:
            return self.text(component)
        return clean(unescape(parts[component - 1], self.delimiters)).strip()

    def whole(self) -> str:
        """The unescaped text of the place the row names."""
        return self.text(self.source.component or 1, self.source.sub or 1)

    def full(self) -> str:
        """The unescaped text of the whole repetition, with its component separators as sent."""
        return clean(unescape(self.raw, self.delimiters)).strip()

    def other(self, number: int, component: int = 1, sub: int = 1) -> str:
        """The text of another field of the same segment (first repetition)."""
        found = self.segment.ask(number, component, sub)
        return "" if found == NULL else clean(found).strip()

    def sibling(self, number: int) -> Value:
        """The first repetition of another field of the same segment, as a value."""
        self.segment.asked |= 1 << number
        repetitions = self.segment.repetitions(number)
        return Value(repetitions[0] if repetitions else "", place(self.segment.name, number), self.segment)

    def siblings(self, number: int) -> list[Value]:
        """All repetitions of another field of the same segment."""
        self.segment.asked |= 1 << number
        return [Value(raw, place(self.segment.name, number), self.segment) for raw in self.segment.repetitions(number)]

    def problem(self, finding: str, /, component: int = 0, **args: str) -> Problem:
        """A finding at this place, or at a component of it."""
        place = f"{self.segment.name}#{self.segment.index}-{self.source.field}"
        if component := component or self.source.component:
            place += f".{component}"
        return Problem(finding, place, args=tuple(args.items()))


@cache
def place(segment: str, number: int) -> Source:
    """The whole of a field."""
    return Source(segment, number)


def clean(text: str) -> str:
    """`text` without control characters, which no FHIR string may hold; line ends and tabs stay."""
    if text.isprintable():
        return text
    return "".join(c for c in text if c >= " " or c in "\t\r\n")


Conversion = Callable[[Value, Context, str], Any]
Gatherer = Callable[[list[Value], Context, str], Any]
Link = Callable[[Segment, Context, str], dict[str, Any]]
CONVERSIONS: dict[str, Conversion] = {}
GATHERERS: dict[str, Gatherer] = {}
LINKS: dict[str, Link] = {}


def conversion(name: str) -> Callable[[Conversion], Conversion]:
    """Register a function under the name tables use."""

    def register(function: Conversion) -> Conversion:
        CONVERSIONS[name] = function
        return function

    return register


def rescue(name: str) -> Callable[[Conversion], Conversion]:
    """Register a conversion that reads a content beside its own field: where it makes a value, what is told of the
    place is that it was read as what it is (`mappings.reading.weighing.settle`)."""

    def register(function: Conversion) -> Conversion:
        @wraps(function)
        def reading(value: Value, context: Context, argument: str) -> Any:
            found = function(value, context, argument)
            if found is not None:
                context.rescued.add(value.problem("field.out-of-place").where)
            return found

        return conversion(name)(reading)

    return register


def gatherer(name: str) -> Callable[[Gatherer], Gatherer]:
    """Register a function that reads all repetitions of a field in all its segments together."""

    def register(function: Gatherer) -> Gatherer:
        GATHERERS[name] = function
        return function

    return register


def link(name: str) -> Callable[[Link], Link]:
    """Register a function that says what stands beside a reference to a record below (`>condition`)."""

    def register(function: Link) -> Link:
        LINKS[name] = function
        return function

    return register
