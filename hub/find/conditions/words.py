"""`_content` and `_text` by the index of words (`idx_word`): which records hold a word, in the order of their rids.

The index is made after the write (`hub.records.words`): what is stored but not yet indexed is listed as due, and is
read instead. So an answer is never behind what is stored. Numbers, addresses and very short words are not
indexed; they, phrases, exclusions and narratives are judged by reading the records that the question's words leave.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from fhir.search.conditions import Words
from hub.find.conditions.scans import asked, found, says
from hub.find.statement import Source, Statement
from hub.records.index import key_of

CODE = "_content"
SHORTEST, LONGEST = 3, 60
# A word is kept by its characters beyond ASCII, whatever the database's locale takes for a letter.
NO_WORD = "^[0-9]|[\x01-\x2f\x3a-\x60\x7b-\x7f]"
_TOKEN = re.compile(r"\s*(?:'((?:[^'\\]|''|\\.)*)'(?::[*A-D]+)?|(<->|<\d+>|[&|!()]))")
_NOT_WORD = re.compile(NO_WORD)
Tree = tuple[Any, ...] | str  # a word, or ("&" | "|", parts)


@dataclass(frozen=True, slots=True)
class Said:
    """Records that say the words: `tree` is what they must hold, which is all when `exact`; None where all are read."""

    words: Words
    tree: Tree | None
    exact: bool

    def whole(self, statement: Statement) -> str:
        """The subquery of all their rids."""
        if self.tree is None:
            return found(statement, self.words)
        return f"{self._indexed(statement)} UNION ALL {self._due(statement)}"

    def first(self, statement: Statement, after: int | None, limit: int) -> str:
        """The subquery of at least the first `limit` of their rids behind `after`; empty where they are read."""
        if self.tree is None:
            return ""
        place = statement.argument(after) if after is not None else ""
        parts = [
            f"(SELECT b.rid FROM ({part}) b{f' WHERE b.rid > {place}' if place else ''} ORDER BY b.rid LIMIT {limit})"
            for part in (self._indexed(statement), self._due(statement))
        ]
        return " UNION ALL ".join(parts)

    def _indexed(self, statement: Statement) -> str:
        """Those indexed as they are now, and read again where words alone do not tell."""
        key = self._key(statement)
        due = f"SELECT 1 FROM word_due e WHERE {statement.of_tenant('e')} AND e.key = {key} AND e.rid = h.rid"
        indexed = f"SELECT h.rid FROM ({_holding(statement, key, self.tree or '')}) h WHERE NOT EXISTS ({due})"
        if self.exact:
            return indexed
        row = f"{statement.of_tenant('t')} AND t.rid = h.rid AND NOT t.deleted"
        return f"{indexed} AND EXISTS (SELECT 1 FROM resource t WHERE {row} AND {says(statement, self.words)})"

    def _due(self, statement: Statement) -> str:
        """Those not indexed yet, which are read."""
        key = self._key(statement)
        return (
            f"SELECT t.rid FROM word_due e JOIN resource t ON {statement.of_tenant('t')} AND t.rid = e.rid "
            f"WHERE {statement.of_tenant('e')} AND e.key = {key} AND NOT t.deleted AND {says(statement, self.words)}"
        )

    def _key(self, statement: Statement) -> str:
        return statement.literal(key_of(self.words.type_name, CODE))


def _holding(statement: Statement, key: str, tree: Tree) -> str:
    """The rids of records that hold the words of a tree."""
    if isinstance(tree, str):
        word = statement.argument(tree)
        return f"SELECT w.rid FROM idx_word w WHERE {statement.of_tenant('w')} AND w.key = {key} AND w.word = {word}"
    parts = [_holding(statement, key, part) for part in tree[1]]
    if tree[0] == "|":
        return " UNION ALL ".join(parts)
    tests = [f"EXISTS (SELECT 1 FROM ({each}) o WHERE o.rid = a.rid)" for each in parts[1:]]
    return f"SELECT a.rid FROM ({parts[0]}) a WHERE {' AND '.join(tests)}"


async def told(source: Source, words: Words) -> Said | None:
    """The condition by the index, where that can help; None when no word is asked for."""
    statement = source.statement()
    key = statement.argument(key_of(words.type_name, CODE))
    row = (
        await source.rows(
            statement,
            f"SELECT {asked(statement, words)}::text AS asked, EXISTS (SELECT 1 FROM word_state s "
            f"WHERE {statement.of_tenant('s')} AND s.key = {key}) AS ready LIMIT 1",
        )
    )[0]
    if not row["asked"]:
        return None
    tree, exact = understood(row["asked"])
    return Said(words, tree if row["ready"] else None, exact and not words.narrative)


def understood(query: str) -> tuple[Tree | None, bool]:
    """What a text search query needs of a record, and whether that is all it asks; None when it may be any record."""
    tokens = [(word, mark) for word, mark in _TOKEN.findall(query)]
    reader = _Reader(tokens)
    tree = reader.either()
    return tree, reader.exact


class _Reader:
    """Reads a query as PostgreSQL writes it: `'a' & !( 'b' | 'c' <-> 'd' )`."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens = tokens
        self.at = 0
        self.exact = True

    def _mark(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def either(self) -> Tree | None:
        """Parts joined by `|`: nothing is needed where one of them needs nothing."""
        parts = [self._all()]
        while self._mark() == "|":
            self.at += 1
            parts.append(self._all())
        known = list(dict.fromkeys(part for part in parts if part is not None))
        if len(known) < len(set(parts)):
            return None
        return known[0] if len(known) == 1 else ("|", tuple(known))

    def _all(self) -> Tree | None:
        """Parts joined by `&`, or by the distance of a phrase."""
        parts = [self._one()]
        while (mark := self._mark()) == "&" or mark.startswith("<"):
            self.exact = self.exact and mark == "&"
            self.at += 1
            parts.append(self._one())
        known = list(dict.fromkeys(part for part in parts if part is not None))
        if not known:
            return None
        return known[0] if len(known) == 1 else ("&", tuple(known))

    def _one(self) -> Tree | None:
        word, mark = self.tokens[self.at]
        self.at += 1
        if mark == "!":
            self.exact = False
            self._one()
            return None
        if mark == "(":
            found = self.either()
            self.at += 1
            return found
        return self._word(word)

    def _word(self, text: str) -> Tree | None:
        word = re.sub(r"\\(.)", r"\1", text.replace("''", "'"))
        if SHORTEST <= len(word) <= LONGEST and not _NOT_WORD.search(word):
            return word
        self.exact = False
        return None
