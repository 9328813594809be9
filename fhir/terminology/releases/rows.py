"""The rows every release is read as, one by one, and the files they are read from.

Nothing is held but what a reader needs to tell rows apart, so a release of any size is read in little memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

LONGEST_LINE = 1_000_000


class Broken(Exception):
    """A file that is not what its name or heading says; `name` and `line` tell where, `why` is a short English word."""

    def __init__(self, name: str, line: int, why: str) -> None:
        super().__init__(f"{name}:{line}: {why}")
        self.name, self.line, self.why = name, line, why


class Concept(NamedTuple):
    """A concept; `abstract`: only for grouping."""

    code: str
    inactive: bool = False
    abstract: bool = False


class Detail(NamedTuple):
    """What RF2 says of a description or a member beside it; `kind` is the description's type."""

    kind: str
    module: str
    since: str
    active: bool


class Name(NamedTuple):
    """A name of a concept; one whose `detail` says that it is inactive is kept for expressions only.

    `use`: `p` the one to show in its language, `f` fully specified, `s` synonym, `d` definition, `c` for the public.
    `ref` numbers a name whose rank a `Rank` tells (SNOMED CT descriptions); 0: none.
    """

    code: str
    text: str
    language: str
    use: str
    ref: int = 0
    detail: Detail | None = None


class Rank(NamedTuple):
    """That a dialect (SNOMED CT language refset) prefers (`best`) or accepts the name numbered `ref`."""

    ref: int
    dialect: str
    best: bool
    list: str = ""


class Edge(NamedTuple):
    """That `child` stands right below `parent`."""

    child: str
    parent: str


class Fact(NamedTuple):
    """A property; `kind` is its JSON key (`valueCode`, `valueString` …)."""

    code: str
    name: str
    kind: str
    value: str


class Relation(NamedTuple):
    """A relationship in a group (`part`; 0: in none) to a concept (`target`) or a value (`#5`, `"x"`, `true`)."""

    code: str
    part: int
    kind: str
    target: str
    value: str = ""


class Member(NamedTuple):
    """That a concept is in a list of the release (a SNOMED CT reference set, a LOINC answer list).

    `fields`: the row's further columns as a JSON object, where there is a `detail`.
    """

    group: str
    code: str
    detail: Detail | None = None
    fields: str = "{}"


class Mapped(NamedTuple):
    """What a map of the release makes of a concept: the best fit (`rank`) of each `part` counts."""

    map: str
    code: str
    target: str
    part: int
    rank: int
    rule: str
    advice: str


Row = Concept | Name | Rank | Edge | Fact | Relation | Member | Mapped


@dataclass(frozen=True, slots=True)
class File:
    """A file of a release: its name within the package and its lines, opened when they are asked for."""

    name: str
    lines: Callable[[], Iterator[str]]

    @property
    def last(self) -> str:
        """The name without folders, in lower case."""
        return self.name.replace("\\", "/").rpartition("/")[2].lower()


@dataclass(slots=True, kw_only=True)
class Release:
    """What a package holds: a code system in a version, its rows, and what of it is not read and why.

    `depth` is 1 where relationships, descriptions and members come with their details.
    `rows` may be walked once. `not_read` is filled while they are walked: a reason, and how often it was met.
    """

    system: str
    version: str
    name: str
    rows: Iterator[Row]
    language: str = "en"
    depth: int = 0
    not_read: dict[str, int] = field(default_factory=dict)

    def skip(self, why: str, times: int = 1) -> None:
        """Count what is not read."""
        self.not_read[why] = self.not_read.get(why, 0) + times


def split(file: File, mark: str) -> Iterator[tuple[int, Mapping[str, str]]]:
    """The lines of a file whose first line names its columns, split plainly at `mark`; raises Broken."""
    lines = file.lines()
    heading = [name.strip().strip('"') for name in next(lines, "").lstrip("\ufeff").split(mark)]
    for number, line in enumerate(lines, start=2):
        if line:
            values = line.split(mark)
            if len(values) < len(heading):
                raise Broken(file.name, number, "columns")
            yield number, dict(zip(heading, (value.strip() for value in values), strict=False))


def heading(file: File) -> str:
    """The first line, or nothing for an empty file."""
    return next(file.lines(), "").lstrip("\ufeff")


def named(files: Sequence[File], *names: str) -> File | None:
    """The file of one of these names (lower case, without folders)."""
    return next((file for file in files if file.last in names), None)
