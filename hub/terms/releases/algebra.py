"""What an expression constraint means, as one statement of named steps, each a set of concepts worked out once.

Sets are joined, intersected and taken from each other whole, so no step looks through another once for each row. What
an expression needs beyond `MOST_STEPS` is refused; how long the statement may take is bounded where it is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fhir.terminology.nodes import (
    All,
    Codes,
    Defined,
    Described,
    Dotted,
    Either,
    Every,
    Grouped,
    Historic,
    Lineage,
    Listed,
    MemberOf,
    Node,
    Numbers,
    Related,
    Texts,
    Tips,
    Truth,
    Without,
)
from fhir.terminology.systems import Unanswered
from hub.find.statement import Statement
from hub.terms.releases import comparing

MOST_STEPS = 300
_NEEDS = (Related, Grouped, Dotted, Listed, Described, Historic)
_UNIT = "number, owner, part"


def apart(node: Any) -> bool:
    """Whether a tree, or a part of it, is to be worked out in steps."""
    match node:
        case All(parts) | Either(parts):
            return any(apart(part) for part in parts)
        case Without(of, taken):
            return apart(of) or apart(taken)
        case Lineage(of=of):
            return not isinstance(of, Codes)  # what lies below many is joined once, not looked up for each
        case MemberOf(of):
            return apart(of)
    return isinstance(node, (*_NEEDS, Tips, Defined))


class Algebra:
    """The steps of one expression over one release; `simple` gives the condition on a row for what needs no steps."""

    def __init__(
        self, statement: Statement, release: str, simple: Callable[[Node, str], str], refuse: Callable[[], None]
    ) -> None:
        self._statement = statement
        self._release = release
        self._simple = simple
        self._refuse = refuse
        self._steps: list[str] = []
        self._done: dict[Node, str] = {}
        self._makers: dict[type[Any], Callable[[Any], str]] = {
            All: lambda node: self._all(node.parts, self.of, self._excess, "number"),
            Either: lambda node: self._step(" UNION ".join(f"SELECT number FROM {self.of(p)}" for p in node.parts)),
            Without: lambda node: self._less(self.of(node.of), self.of(node.taken)),
            Lineage: self._lineage,
            MemberOf: lambda node: self._listed(Listed(node.of)),
            Related: self._related,
            Grouped: self._grouped,
            Dotted: self._dotted,
            Tips: self._tips,
            Listed: self._listed,
            Described: self._described,
            Defined: self._defined,
            Historic: self._historic,
        }

    def means(self, node: Node) -> str:
        """A query of the numbers of the concepts a tree means."""
        last = self.of(node)
        return f"WITH {', '.join(self._steps)} SELECT number FROM {last}"

    def of(self, node: Node) -> str:
        """The name of the step with the numbers a tree means."""
        if node not in self._done:
            if isinstance(node, _NEEDS):
                self._refuse()
            self._done[node] = self._makers[type(node)](node) if apart(node) else self._plain(node)
        return self._done[node]

    def codes(self, node: Node) -> str:
        """A query of the codes a tree means; codes that are named need not be concepts of the release."""
        if isinstance(node, Codes):
            return f"SELECT unnest({self._statement.argument(list(node.codes))}::text[]) AS code"
        return f"SELECT c.code FROM {self.of(node)} e JOIN term_concept c ON c.number = e.number"

    def argument(self, value: Any) -> str:
        """The placeholder of a value."""
        return self._statement.argument(value)

    def _step(self, sql: str) -> str:
        if len(self._steps) >= MOST_STEPS:
            raise Unanswered("too-costly", "fhir.terminology.too-long")
        name = f"e{len(self._steps) + 1}"
        self._steps.append(f"{name} AS MATERIALIZED ({sql})")
        return name

    def _plain(self, node: Node) -> str:
        return self._step(
            f"SELECT c.number FROM term_concept c WHERE c.release = {self._release} AND {self._simple(node, 'c')}"
        )

    def _less(self, found: str, taken: str, columns: str = "number") -> str:
        return self._step(f"SELECT {columns} FROM {found} EXCEPT SELECT {columns} FROM {taken}")

    def _all(
        self,
        parts: Sequence[Node],
        of: Callable[[Node], str],
        excess: Callable[[Any], str],
        columns: str,
    ) -> str:
        """What all parts mean; one that only bounds how many there may be takes from the others what has more."""
        bounds = [part for part in parts if isinstance(part, Related | Grouped) and not part.low]
        others: list[Node] = [part for part in parts if part not in bounds and not isinstance(part, Every)]
        if not others:
            others = [bounds.pop(0)] if bounds else [Every()]
        found = of(others[0])
        for other in others[1:]:
            found = self._step(f"SELECT {columns} FROM {found} INTERSECT SELECT {columns} FROM {of(other)}")
        for bound in bounds:
            if bound.high is not None:
                found = self._less(found, excess(bound), columns)
        return found

    def _lineage(self, node: Lineage) -> str:
        of, column = self.of(node.of), "ancestors" if node.far else "parents"
        if node.down:
            pairs = (
                f"SELECT c.number, unnest(c.{column}) AS above FROM term_concept c WHERE c.release = {self._release}"
            )
            sql = f"SELECT DISTINCT x.number FROM ({pairs}) x JOIN {of} o ON o.number = x.above"
        else:
            sql = f"SELECT DISTINCT unnest(c.{column}) AS number FROM {of} e JOIN term_concept c ON c.number = e.number"
        return self._step(f"{sql} UNION SELECT number FROM {of}" if node.itself else sql)

    def _relations(self, node: Related) -> str:
        """The relationships that fit, each with the concept it is asked of, its owner and its group."""
        number, value = ("r.target", "r.source") if node.reverse else ("r.source", "r.target")
        parts = [f"r.release = {self._release}", f"{number} IS NOT NULL"]
        if not isinstance(node.name, Every):
            parts.append(f"r.kind IN (SELECT number FROM {self.of(node.name)})")
        if isinstance(node.value, Numbers | Texts | Truth):
            parts.append(comparing.concrete(node.operator, node.value, self.argument))
        elif isinstance(node.value, Every):
            parts += [] if node.operator == "=" else ["false"]
        else:
            known = f"SELECT number FROM {self.of(node.value)}"
            if node.operator == "=":
                parts.append(f"{value} IN ({known})")
            else:
                parts.append(f"{value} IN (SELECT {value} FROM term_relation r WHERE r.release = {self._release} "
                             f"EXCEPT {known})")  # fmt: skip
        return self._step(
            f"SELECT {number} AS number, r.source AS owner, r.part FROM term_relation r WHERE {' AND '.join(parts)}"
        )

    def _counted(self, found: str, low: int, high: int | None, columns: str) -> str:
        most = "" if high is None else f" AND count(*) <= {int(high)}"
        return self._step(f"SELECT {columns} FROM {found} GROUP BY {columns} HAVING count(*) >= {int(low)}{most}")

    def _excess(self, node: Related | Grouped) -> str:
        """The concepts that have more than `high` of it."""
        found = self._relations(node) if isinstance(node, Related) else self._units(node.of)
        return self._counted(found, (node.high or 0) + 1, None, "number")

    def _related(self, node: Related) -> str:
        if node.low:
            return self._counted(self._relations(node), node.low, node.high, "number")
        everything = self.of(Every())
        return everything if node.high is None else self._less(everything, self._excess(node))

    def _grouped(self, node: Grouped) -> str:
        if node.low:
            return self._counted(self._units(node.of), node.low, node.high, "number")
        everything = self.of(Every())
        return everything if node.high is None else self._less(everything, self._excess(node))

    def _units(self, node: Node) -> str:
        """The groups that meet all of a tree: the concept, whose group it is, and the group's number."""
        match node:
            case All(parts):
                return self._all(parts, self._units, self._excess_of_group, _UNIT)
            case Either(parts):
                return self._step(" UNION ".join(f"SELECT {_UNIT} FROM {self._units(part)}" for part in parts))
            case Related():
                if node.low:
                    return self._counted(self._relations(node), node.low, node.high, _UNIT)
                whole = "r.target" if node.reverse else "r.source"
                every = self._step(
                    f"SELECT DISTINCT {whole} AS number, r.source AS owner, r.part FROM term_relation r "
                    f"WHERE r.release = {self._release} AND {whole} IS NOT NULL"
                )
                return every if node.high is None else self._less(every, self._excess_of_group(node), _UNIT)
        raise TypeError(f"{type(node).__name__} is no attribute")

    def _excess_of_group(self, node: Related) -> str:
        return self._counted(self._relations(node), (node.high or 0) + 1, None, _UNIT)

    def _dotted(self, node: Dotted) -> str:
        name = "" if isinstance(node.name, Every) else f"AND r.kind IN (SELECT number FROM {self.of(node.name)})"
        return self._step(
            f"SELECT DISTINCT r.target AS number FROM {self.of(node.of)} e JOIN term_relation r ON r.source = e.number "
            f"WHERE r.target IS NOT NULL {name}"
        )

    def _tips(self, node: Tips) -> str:
        of = self.of(node.of)
        pairs = f"SELECT c.number, unnest(c.ancestors) AS above FROM {of} e JOIN term_concept c ON c.number = e.number"
        gone = (
            f"SELECT x.{'number' if node.top else 'above'} AS number FROM ({pairs}) x JOIN {of} o ON o.number = x.above"
        )
        return self._less(of, self._step(gone))

    def _listed(self, node: Listed) -> str:
        parts = [f"m.release = {self._release}"]
        if not isinstance(node.of, Every):
            parts.append(f"m.list IN ({self.codes(node.of)})")
        parts += [] if any(test.field == "active" for test in node.tests) else ["m.active"]
        parts += [comparing.of_member(test, self) for test in node.tests]
        where = " AND ".join(parts)
        if not node.field:
            return self._step(f"SELECT DISTINCT m.number FROM term_member m WHERE {where}")
        return self._step(
            f"SELECT DISTINCT c.number FROM term_member m JOIN term_concept c ON c.release = {self._release} "
            f"AND c.code = m.fields->>{self.argument(node.field)} WHERE {where}"
        )

    def _described(self, node: Described) -> str:
        parts = [f"n.release = {self._release}"]
        parts += [] if any(test.field == "active" for test in node.tests) else ["n.active"]
        parts += [comparing.of_description(test, self) for test in node.tests]
        return self._step(f"SELECT DISTINCT n.number FROM term_name n WHERE {' AND '.join(parts)}")

    def _defined(self, node: Defined) -> str:
        parts = [f"c.release = {self._release}", *(comparing.of_concept(test, self) for test in node.tests)]
        return self._step(f"SELECT c.number FROM term_concept c WHERE {' AND '.join(parts)}")

    def _historic(self, node: Historic) -> str:
        of = self.of(node.of)
        return self._step(
            f"SELECT number FROM {of} UNION SELECT m.number FROM term_member m JOIN term_concept c "
            f"ON c.release = {self._release} AND c.code = m.fields->>'targetComponentId' "
            f"JOIN {of} e ON e.number = c.number WHERE m.release = {self._release} AND m.active "
            f"AND m.list IN ({self.codes(node.lists)})"
        )
