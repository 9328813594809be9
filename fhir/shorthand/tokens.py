"""The words of FHIR Shorthand (FSH 3.0 §3.3): strings, rules and keywords that begin a line, and everything else."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

KEYWORDS = frozenset(
    (
        "Alias", "Profile", "Extension", "Invariant", "Instance", "ValueSet", "CodeSystem", "RuleSet", "Mapping",
        "Logical", "Resource", "Parent", "Id", "Title", "Description", "Expression", "XPath", "Severity", "InstanceOf",
        "Usage", "Source", "Target", "Context", "Characteristics",
    )
)  # fmt: skip
_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\f\v\u00a0\ufeff]+) | (?P<line>\n)
    | (?P<comment>//[^\n]* | /\*.*?\*/)
    | \"\"\"(?P<multi>.*?)\"\"\"
    | "(?P<string>(?:\\.|[^"\\])*)"
    | (?P<word>[^\s"()]*\#"(?:\\.|[^"\\])*" | [^\s"()]+\((?:\\.|[^\\)])*\) | [^\s"]+)""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


class Unreadable(Exception):
    """The text is no FSH from this line on; `code` and `named` make the finding."""

    def __init__(self, line: int, code: str = "syntax", **named: str) -> None:
        super().__init__(code)
        self.line = line
        self.code = code
        self.named = named


@dataclass(frozen=True, slots=True)
class Token:
    """A word, a `string`, a rule's `star` or a `key`; of a star `indent` is how far it stands in."""

    kind: str
    text: str
    line: int
    indent: int = 0


def tokens(text: str) -> Iterator[Token]:
    """The tokens of a text; raises Unreadable."""
    place, line, column, first = 0, 1, 0, True
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise Unreadable(line)
        place = match.end()
        kind, found = str(match.lastgroup), match[str(match.lastgroup)]
        if kind == "line":
            line, column, first = line + 1, 0, True
        elif kind == "space":
            column += len(found.replace("\t", "  "))
        elif kind != "comment":
            yield _token(kind, found, line, column if first else -1)
            first = False
        if kind != "line":
            line += match[0].count("\n")


def _token(kind: str, found: str, line: int, column: int) -> Token:
    """One token; `column` is that of the first of a line, else -1."""
    if kind == "multi":
        return Token("string", textwrap.dedent(found).strip(), line)
    if kind == "string":
        return Token("string", unescaped(found), line)
    if column >= 0 and found == "*":
        return Token("star", found, line, column)
    if column >= 0 and found[-1] == ":" and found[:-1] in KEYWORDS:
        return Token("key", found[:-1], line)
    return Token("word", found, line)


def unescaped(text: str) -> str:
    """A string's content."""
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), text, flags=re.DOTALL)
