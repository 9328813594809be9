"""Co-constraints in the schema of NIST's tools (CoConstraintContext), read as tables."""

from __future__ import annotations

from lxml import etree

from hl7.profiles.nist_rules import Values, cell, condition_in
from hl7.profiles.parts import Cell, CoConstraint, CoGroup, CoTable, name_of, number_of


def read(root: etree._Element, values: Values) -> dict[str, tuple[CoTable, ...]]:
    """The tables of each message, by its id."""
    found: dict[str, tuple[CoTable, ...]] = {}
    for message in _named(root, "ByMessage"):
        tables = [
            _table(table, context.get("Path", "."), segment.get("Path", "."), values)
            for context in _named(message, "Context")
            for segment in _named(context, "Segment")
            for table in (*_named(segment, "SimpleTable"), *_named(segment, "ConditionalTable"))
        ]
        found[message.get("ID", "")] = (*found.get(message.get("ID", ""), ()), *tables)
    return found


def _table(node: etree._Element, context: str, path: str, values: Values) -> CoTable:
    kin = [each for each in node.iter() if name_of(each) == "IdPath"]
    conditions = _named(node, "Condition")
    return CoTable(
        context=context,
        path=path,
        condition=condition_in(node if _direct(conditions) else conditions[0], values) if conditions else None,
        kin=tuple(each.get("Path", "") for each in sorted(kin, key=lambda each: number_of(each, "Priority"))),
        single=tuple(_constraint(each, values) for each in _named(node, "CoConstraint")),
        groups=tuple(_group(each, values) for each in _named(node, "CoConstraintGroup")),
    )


def _direct(conditions: list[etree._Element]) -> bool:
    """Whether a Condition holds its expression itself, and not an Assertion that does."""
    return not any(name_of(child) == "Assertion" for child in conditions[0])


def _group(node: etree._Element, values: Values) -> CoGroup:
    primary = _named(node, "Primary")
    return CoGroup(
        name=node.get("Name", ""),
        usage=node.get("Usage", "O"),
        least=number_of(node, "Min"),
        most=number_of(node, "Max"),
        primary=_constraint(primary[0] if primary else node, values),
        others=tuple(_constraint(each, values) for each in _named(node, "CoConstraint")),
    )


def _constraint(node: etree._Element, values: Values) -> CoConstraint:
    selectors = [one for part in _named(node, "Selectors") for one in part if isinstance(one.tag, str)]
    constraints = [one for part in _named(node, "Constraints") for one in part if isinstance(one.tag, str)]
    called = [f"{one.get('Name', '')}={one.get('Code') or one.get('Value') or ''}" for one in selectors]
    return CoConstraint(
        name=" ".join(called),
        usage=node.get("Usage", "O"),
        least=number_of(node, "Min"),
        most=number_of(node, "Max"),
        selectors=tuple(Cell(path=one.get("Path", "."), condition=cell(one, values)) for one in selectors),
        constraints=tuple(Cell(path=one.get("Path", "."), condition=cell(one, values)) for one in constraints),
    )


def _named(node: etree._Element, name: str) -> list[etree._Element]:
    return [child for child in node if name_of(child) == name]
