"""What a message profile says, whatever XML it is written in: segments, fields and their parts, the tree of groups."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lxml import etree

from hl7.profiles.conditions import Condition

FORBIDDEN = frozenset(("X", "W"))  # not supported; withdrawn
_CHOICE = re.compile(r"C\(\s*(\w+)\s*/\s*(\w+)\s*\)\Z")


class BadProfile(ValueError):
    """The text is no message profile; the message says why, in English."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A condition with what follows: the usage of a part when it holds and when not, or the name of a constraint.

    `target` is the path of what a rule of a group is about; `table` names the value set a rule binds a field to.
    """

    condition: Condition
    holds: str = ""
    fails: str = ""
    name: str = ""
    target: str = ""
    table: str = ""

    def usage(self, holds: bool | None, choice: tuple[str, str]) -> str:
        """What the rule makes of a conditional part with these two usages; `C` where it cannot be judged."""
        if holds is None:
            return "C"
        return (self.holds or choice[0]) if holds else (self.fails or choice[1])


def choice_of(usage: str) -> tuple[str, str]:
    """The two usages of `C(R/X)`; for `C` and `CE` (2.5.1 §2.12.7) required, or required but may be empty, else not
    supported."""
    match = _CHOICE.match(usage)
    return (match[1], match[2]) if match else ("RE" if usage == "CE" else "R", "X")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What a profile says of a field, component or subcomponent; `most` and `length` are 0 where it sets no limit.

    `shortest` is the least length. `table` names the HL7 table of its values, `values` are those the profile itself
    lists; the code stands in one of the components `located`, else in the first. `rules` say, for the parts
    below by number, when one is used; `constraints` are what must hold of the whole. `slices` are other definitions
    that a value of it may have.
    """

    usage: str
    least: int
    most: int
    length: int
    constant: str
    parts: tuple[Part, ...]
    table: str = ""
    values: frozenset[str] = frozenset()
    shortest: int = 0
    located: tuple[int, ...] = ()
    rules: Mapping[int, Rule] = field(default_factory=dict)
    constraints: tuple[Rule, ...] = ()
    slices: tuple[Slice, ...] = ()

    def choice(self) -> tuple[str, str]:
        """The two usages of a conditional part."""
        return choice_of(self.usage)

    @property
    def conditional(self) -> bool:
        """Whether a condition says how it is used."""
        return self.usage[:1] == "C"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """A definition for some of what stands at one place: for the one that is the `occurrence`th of its kind, or for
    those a condition holds of. `beside`: the condition looks at the segment that holds the value, not at the value.
    """

    part: Part
    name: str = ""
    occurrence: int = 0
    condition: Condition | None = None
    beside: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A segment or group where the profile has it, or the whole message; `most` is 0 where it repeats without limit.

    `rules` are the predicates of a group, each with its target below it, `constraints` what must hold of it. The
    place of a segment has its definition as `part`, and where it is divided `slices`, before it.
    """

    name: str
    segment: bool
    usage: str = "R"
    least: int = 1
    most: int = 1
    children: tuple[Place, ...] = ()
    rules: tuple[Rule, ...] = ()
    constraints: tuple[Rule, ...] = ()
    part: Part | None = None
    slices: tuple[Slice, ...] = ()

    def line(self) -> str:
        """The place as part of a structure line; empty for what the profile does not support."""
        if self.usage in FORBIDDEN:
            return ""
        inner = self.name if self.segment else self.inside()
        if not inner:
            return ""
        inner = f"{{{inner}}}" if self.most != 1 else inner if self.segment else f"({inner})"
        return inner if self.usage == "R" and self.least else f"[{inner}]"

    def inside(self) -> str:
        """What it holds as a structure line."""
        return " ".join(filter(None, (child.line() for child in self.children)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A test of a co-constraint on one field; `path` is told where it fails."""

    path: str
    condition: Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class CoConstraint:
    """Segments that all `selectors` fit must fulfil all `constraints`, and be there as often as is said."""

    name: str
    usage: str
    least: int
    most: int
    selectors: tuple[Cell, ...]
    constraints: tuple[Cell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CoGroup:
    """Segments that share a value (OBX-4) with one that fits `primary`: each such set must fulfil `others`."""

    name: str
    usage: str
    least: int
    most: int
    primary: CoConstraint
    others: tuple[CoConstraint, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CoTable:
    """Co-constraints of the segments at `path` below each group at `context`; `condition` says in which groups.

    `kin` are the paths whose value, in the first that has one, tells which segments belong together.
    """

    context: str
    path: str
    condition: Condition | None
    kin: tuple[str, ...]
    single: tuple[CoConstraint, ...]
    groups: tuple[CoGroup, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A message profile: the type and version it is for, its structure, its segments by name (each as a part whose
    parts are fields), the acknowledgements agreed on (MSH-15, MSH-16; empty: nothing is said), and its co-constraints.

    `unread` names the kinds of files beside it that are not judged. `others` are the further messages of one file.
    """

    type: str
    version: str
    root: Place
    segments: dict[str, tuple[Part, ...]]
    accept: str = ""
    application: str = ""
    tables: tuple[CoTable, ...] = ()
    unread: tuple[str, ...] = ()
    others: tuple[Profile, ...] = ()


def parsed(raw: bytes) -> etree._Element:
    """The root of an XML text, read without entities and network; raises BadProfile."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True)
    try:
        return etree.fromstring(raw, parser)
    except etree.XMLSyntaxError:
        raise BadProfile("it is no well-formed XML") from None


def name_of(node: etree._Element) -> str:
    """An element's name without its namespace."""
    return etree.QName(node).localname if isinstance(node.tag, str) else ""


def number_of(node: etree._Element, *names: str) -> int:
    """A whole number in the first of these attributes that has one; 0 for `*`, `NA`, nothing, and what is none."""
    texts: Iterable[str] = (node.get(name, "") for name in names)
    return next((int(text) for text in texts if text.isascii() and text.isdigit() and len(text) < 10), 0)


def most_of(node: etree._Element) -> int:
    """`Max` of a segment or group: 1 where it is 1, 0 or not said, 0 for no limit."""
    said = node.get("Max", "1")
    return 1 if said in ("1", "0") else number_of(node, "Max")
