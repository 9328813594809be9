"""What a tree of `fhir.terminology.selection` means, as a condition on the rows of a release.

Lists of ancestors and of marks are indexed; a part that starts from other concepts is an array worked out once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from fhir.terminology.nodes import (
    All,
    Chosen,
    Codes,
    Either,
    Every,
    Has,
    Lineage,
    MemberOf,
    Node,
    Related,
    Stated,
    Without,
)
from fhir.terminology.systems import Unanswered
from hub.find.statement import Statement
from hub.terms.releases.algebra import Algebra, apart
from hub.terms.releases.staging import LONGEST_MARK, words_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A release a tenant may use, the one that counts first before others of its system.

    `depth` is 1 where its relationships, descriptions and members are kept with their details.
    """

    id: int
    system: str
    version: str
    name: str
    depth: int


_FLAGS = {"inactive": "inactive", "notSelectable": "abstract", "abstract": "abstract"}


class Choice:
    """Conditions of one statement on a release."""

    def __init__(self, statement: Statement, known: Known) -> None:
        self._statement = statement
        self._known = known
        self._release = statement.argument(known.id) + "::int"
        self._aliases = 0

    def wall(self) -> str:
        """That the tenant may use the release."""
        tenant = self._statement.of_tenant("wu")
        return (
            f"({self._release} IN (SELECT wu.release FROM term_use wu WHERE {tenant}) "
            f"OR {self._release} IN (SELECT wr.id FROM term_release wr WHERE wr.house))"
        )

    def of(self, alias: str) -> str:
        """That a row is of the release."""
        return f"{alias}.release = {self._release}"

    def chosen(self, chosen: Chosen, alias: str) -> str:
        """That a row is one of those chosen."""
        parts = [self.of(alias), self.wall(), self.means(chosen.node, alias)]
        words = words_of(" ".join(chosen.words))
        if words:
            query = " & ".join(f"'{word}':*" for word in words)
            parts.append(f"{alias}.words @@ {self._statement.argument(query)}::text::tsquery")
        if chosen.words and not words:
            parts.append("false")
        parts += [f"NOT {alias}.inactive"] if chosen.active else []
        parts += [f"NOT {alias}.abstract"] if chosen.selectable else []
        return " AND ".join(parts)

    def means(self, node: Node, alias: str) -> str:
        """That a tree means a row."""
        if apart(node) and (self._known.depth or not isinstance(node, All | Either | Without)):
            return self._in_steps(node, alias)
        match node:
            case Every():
                return "true"
            case Codes(codes):
                return f"{alias}.code = ANY({self._statement.argument(list(codes))}::text[])"
            case Lineage():
                return self._lineage(node, alias)
            case MemberOf(of):
                return self._member(of, alias)
            case Has(name, values):
                return self._has(name, values, alias)
            case Stated(name):
                return self._stated(name, alias)
            case All(parts) | Either(parts):
                word = " AND " if isinstance(node, All) else " OR "
                return "(" + word.join(self.means(part, alias) for part in parts) + ")"
            case Without(of, taken):
                return f"({self.means(of, alias)} AND NOT {self.means(taken, alias)})"
        raise TypeError(f"{type(node).__name__} is worked out in steps")

    def _in_steps(self, node: Node, alias: str) -> str:
        """The same, worked out in steps; of a release without details a plain attribute is told by the marks."""
        if isinstance(node, Related) and not self._known.depth and node.plain:
            return self._valued(node.name, cast(Node, node.value), alias)
        steps = Algebra(self._statement, self._release, self.means, self._refuse)
        return f"{alias}.number IN ({steps.means(node)})"

    def _member(self, of: Node, alias: str) -> str:
        if isinstance(of, Every):
            return f"EXISTS (SELECT 1 FROM unnest({alias}.marks) AS mark WHERE starts_with(mark, '^'))"
        return f"{alias}.marks && {self._lists(of)}"

    def _refuse(self) -> None:
        """Raises Unanswered for a release that was brought in without what is asked for."""
        if not self._known.depth:
            raise Unanswered("unsupported", "fhir.terminology.older-import", name=self._known.version)

    def _of(self, node: Node, column: str) -> str:
        """An array of a column (of `{a}`) over the rows a tree means."""
        self._aliases += 1
        alias = f"o{self._aliases}"
        told = column.format(a=alias)
        return f"ARRAY(SELECT {told} FROM term_concept {alias} WHERE {self.of(alias)} AND {self.means(node, alias)})"

    def _lineage(self, node: Lineage, alias: str) -> str:
        column = "ancestors" if node.far else "parents"
        if node.down:
            found = f"{alias}.{column} && {self._of(node.of, '{a}.number')}"
        else:
            found = f"{alias}.number = ANY({self._of(node.of, f'unnest({{a}}.{column})')})"
        return f"({found} OR {self.means(node.of, alias)})" if node.itself else f"({found})"

    def _lists(self, of: Node) -> str:
        """The marks of membership in lists, whose own concepts need not be of the release."""
        if isinstance(of, Codes):
            return f"{self._statement.argument([f'^{code}' for code in of.codes])}::text[]"
        return self._of(of, "'^' || {a}.code")

    def _stated(self, name: str, alias: str) -> str:
        mark = self._statement.argument(f"{name}=")
        return f"EXISTS (SELECT 1 FROM unnest({alias}.marks) AS mark WHERE starts_with(mark, {mark}))"

    def _has(self, name: str, values: tuple[str, ...], alias: str) -> str:
        if name == "display":
            return f"{alias}.display = ANY({self._statement.argument(list(values))}::text[])"
        if name in _FLAGS:
            wanted = {value.lower() for value in values}
            return f"{alias}.{_FLAGS[name]}::text = ANY({self._statement.argument(sorted(wanted))}::text[])"
        marks = [f"{name}={value[:LONGEST_MARK]}" for value in values]
        return f"{alias}.marks && {self._statement.argument(marks)}::text[]"

    def _valued(self, name: Node, of: Node, alias: str) -> str:
        if isinstance(name, Every):
            raise Unanswered("unsupported", "fhir.terminology.older-import", name=self._known.version)
        if isinstance(of, Every) and isinstance(name, Codes):
            return "(" + " OR ".join(self.means(Stated(code), alias) for code in name.codes) + ")"
        self._aliases += 1
        value = f"o{self._aliases}"
        pairs = self._of(
            name,
            f"unnest(ARRAY(SELECT {{a}}.code || '=' || {value}.code FROM term_concept {value} "
            f"WHERE {self.of(value)} AND {self.means(of, value)}))",
        )
        return f"{alias}.marks && {pairs}"
