"""The items of FHIR Shorthand (FSH 3.0 §3.4, §3.5) with their rules: rule sets inserted, indented rules placed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from fhir.shorthand.tokens import Token, Unreadable, tokens

ITEMS = frozenset(
    (
        "Alias", "Profile", "Extension", "Invariant", "Instance", "ValueSet", "CodeSystem", "RuleSet", "Mapping",
        "Logical", "Resource",
    )
)  # fmt: skip
_CALL = re.compile(r"([^\s(]+)\(((?:\\.|[^\\)])*)\)\Z", re.DOTALL)
_DEEPEST = 10
MOST_RULES = 200_000


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule without its star; `path` is what the rules it is indented under put before its own."""

    words: tuple[Token, ...]
    line: int
    indent: int
    path: str = ""


@dataclass(slots=True)
class Item:
    """An item: its kind, name, keywords and rules, and where it stands."""

    kind: str
    name: str
    file: str
    line: int
    keys: dict[str, tuple[Token, ...]] = field(default_factory=dict)
    rules: list[Rule] = field(default_factory=list)

    def text(self, key: str) -> str:
        """A keyword's value; empty without one."""
        return " ".join(token.text for token in self.keys.get(key, ()))


def items(file: str, text: str) -> Iterator[Item]:
    """The items of a file; raises Unreadable."""
    current: Item | None = None
    for kind, line, indent, words in _groups(text):
        if kind in ITEMS:
            if not words:
                raise Unreadable(line)
            call = _CALL.match(words[0].text) if kind == "RuleSet" else None
            rest = (Token("word", call[2], line),) if call else tuple(words[1:])
            current = Item(kind, call[1] if call else words[0].text, file, line, {kind: rest})
            yield current
        elif current is None:
            raise Unreadable(line)
        elif kind == "*":
            current.rules.append(Rule(tuple(words), line, indent))
        else:
            current.keys[kind] = tuple(words)


def _groups(text: str) -> Iterator[tuple[str, int, int, list[Token]]]:
    """Keywords and stars with the words up to the next one."""
    head: Token | None = None
    words: list[Token] = []
    for token in tokens(text):
        if token.kind in ("key", "star"):
            if head is not None:
                yield head.text, head.line, head.indent, words
            head, words = token, []
        elif head is None:
            raise Unreadable(token.line)
        else:
            words.append(token)
    if head is not None:
        yield head.text, head.line, head.indent, words


def expanded(item: Item, sets: Mapping[str, Item]) -> list[Rule]:
    """The rules of an item with rule sets in their places and every rule's context; raises Unreadable."""
    found = list(_inserted(item.rules, sets, 0))
    if len(found) > MOST_RULES:
        raise Unreadable(item.line, "rule", rule="insert")
    return list(_placed(found))


def _inserted(rules: Iterable[Rule], sets: Mapping[str, Item], depth: int) -> Iterator[Rule]:
    for rule in rules:
        texts = [word.text for word in rule.words]
        if "insert" not in texts[:2]:
            yield rule
            continue
        at = texts.index("insert")
        call = _CALL.match(texts[at + 1]) if len(texts) > at + 1 else None
        name = call[1] if call else "".join(texts[at + 1 : at + 2])
        found = sets.get(name)
        if found is None or depth >= _DEEPEST:
            raise Unreadable(rule.line, "name", name=name[:100])
        if at:  # `* path insert Set`: the set's rules are of that path
            yield replace(rule, words=rule.words[:at])
        inner = _filled(found, call[2] if call else "")
        shift = rule.indent + (2 if at else 0)
        yield from _inserted((replace(one, indent=one.indent + shift) for one in inner), sets, depth + 1)


def _filled(found: Item, given: str) -> list[Rule]:
    """A rule set's rules with its parameters, written `{name}`, replaced."""
    wanted = [name.strip() for name in found.text("RuleSet").split(",") if name.strip()]
    values = (
        [one.strip().removeprefix("[[").removesuffix("]]") for one in re.split(r"(?<!\\),", given)] if given else []
    )
    if not wanted:
        return found.rules
    pairs = dict(zip(wanted, (value.replace("\\,", ",").replace("\\)", ")") for value in values), strict=False))
    return [replace(rule, words=tuple(_substituted(rule.words, pairs))) for rule in found.rules]


def _substituted(words: Iterable[Token], pairs: Mapping[str, str]) -> Iterator[Token]:
    for word in words:
        text = word.text
        for name, value in pairs.items():
            text = text.replace("{" + name + "}", value)
        if text == word.text:
            yield word
        elif word.kind == "string":
            yield replace(word, text=text)
        else:
            yield from (
                replace(one, kind="word" if one.kind != "string" else "string", line=word.line)
                for one in tokens(f" {text}")
            )


def _placed(rules: Iterable[Rule]) -> Iterator[Rule]:
    """Rules with the path of the one they are indented under (§3.5.3)."""
    stack: list[tuple[int, str]] = []
    for rule in rules:
        while stack and stack[-1][0] >= rule.indent:
            stack.pop()
        above = stack[-1][1] if stack else ""
        first = rule.words[0].text if rule.words else "."
        own = "" if first.startswith("^") or first in ("obeys", ".", "insert") else first
        stack.append((rule.indent, ".".join(step for step in (above, own) if step)))
        yield replace(rule, path=above)
