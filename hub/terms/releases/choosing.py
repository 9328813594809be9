"""What a tree of `fhir.terminology.selection` means, as a condition on the rows of a release.

Lists of ancestors and of marks are indexed; a part that starts from other concepts is an array worked out once.
"""

from __future__ import annotations

from fhir.terminology.selection import (
    All,
    Chosen,
    Codes,
    Either,
    Every,
    Has,
    Lineage,
    MemberOf,
    Node,
    Stated,
    Valued,
    Without,
)
from fhir.terminology.systems import Unanswered
from hub.find.statement import Statement
from hub.terms.releases.staging import LONGEST_MARK, words_of

_FLAGS = {"inactive": "inactive", "notSelectable": "abstract", "abstract": "abstract"}


class Choice:
    """Conditions of one statement on the release `number`."""

    def __init__(self, statement: Statement, number: int) -> None:
        self._statement = statement
        self._release = statement.argument(number) + "::int"
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
        match node:
            case Every():
                return "true"
            case Codes(codes):
                return f"{alias}.code = ANY({self._statement.argument(list(codes))}::text[])"
            case Lineage():
                return self._lineage(node, alias)
            case MemberOf(of):
                return f"{alias}.marks && {self._lists(of)}"
            case Has(name, values):
                return self._has(name, values, alias)
            case Valued(name, of):
                return self._valued(name, of, alias)
            case Stated(name):
                return self._stated(name, alias)
            case All(parts) | Either(parts):
                word = " AND " if isinstance(node, All) else " OR "
                return "(" + word.join(self.means(part, alias) for part in parts) + ")"
            case Without(of, taken):
                return f"({self.means(of, alias)} AND NOT {self.means(taken, alias)})"

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
            raise Unanswered("unsupported", "fhir.terminology.expression", name="* =")
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
