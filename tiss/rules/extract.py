"""Reduces guides to what the rules ask, in one walk.

Only the elements that `layout.csv` and `identifiers.csv` name are visited.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from lxml import etree

from tiss import shapes
from tiss.rules.case import FOLDER, Guide, Row, Section
from tiss.rules.identifiers import Checker, elements
from tiss.shapes import Shapes
from tiss.versions import NAMESPACE

_NS = f"{{{NAMESPACE}}}"
BATCH = f"{_NS}guiasTISS"


class Step(NamedTuple):
    """What to do at one element: begin a `section`'s line, walk on to `below`, or keep and check a leaf's text."""

    role: str
    check: str
    section: Section | None
    below: dict[str, Step]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a guide kind is walked: the steps, and the path of each role of the guide itself."""

    kind: str
    steps: dict[str, Step]
    paths: dict[str, str]


@cache
def plans(version: str) -> dict[str, Plan]:
    """The plan of every guide kind of a version, by tag."""
    table = shapes.of(version)
    kinds = {row["kind"] for row in layout()}
    types = {part.name: part.type for shape in table.types.values() for part in shape.parts if part.name in kinds}
    return {f"{_NS}{kind}": _plan(kind, table, types[kind]) for kind in sorted(kinds & types.keys())}


@cache
def layout() -> tuple[dict[str, str], ...]:
    """The rows of `layout.csv`."""
    with (FOLDER / "layout.csv").open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))


def _plan(kind: str, table: Shapes, type_name: str) -> Plan:
    rows = [row for row in layout() if row["kind"] == kind]
    paths = {row["role"]: row["path"] for row in rows if row["scope"] == "guide"}
    sections = {
        row["path"]: Section(
            role=row["role"],
            path=row["path"],
            paths={line["role"]: line["path"] for line in rows if line["scope"] == row["role"]},
        )
        for row in rows
        if row["scope"] == "rows"
    }
    roles = {path: role for role, path in paths.items()}
    for section in sections.values():
        roles |= {f"{section.path}/{path}": role for role, path in section.paths.items()}
    steps = _steps(table, type_name, "", roles, sections)
    return Plan(kind=kind, steps=steps, paths=paths)


def _steps(
    table: Shapes, type_name: str, prefix: str, roles: dict[str, str], sections: dict[str, Section]
) -> dict[str, Step]:
    """The steps below a type: only elements that are asked for, or lead to one."""
    steps: dict[str, Step] = {}
    for part in table.types[type_name].parts:
        if part.name.startswith("{") or prefix.count("/") > 12:
            continue
        path = prefix + part.name
        below = _steps(table, part.type, path + "/", roles, sections)
        step = Step(roles.get(path, ""), elements().get(part.name, ""), sections.get(path), below)
        if any(step):
            steps[_NS + part.name] = step
    return steps


def guides(container: etree._Element, place: str, version: str, checker: Checker) -> Iterator[Guide]:
    """The guides of a guiasTISS element, in order; identifiers are checked on the way."""
    known = plans(version)
    children = [child for child in container if child.tag in known]
    seen: dict[str, int] = {}
    total: dict[str, int] = {}
    for child in children:
        total[child.tag] = total.get(child.tag, 0) + 1
    for child in children:
        plan = known[child.tag]
        seen[child.tag] = position = seen.get(child.tag, 0) + 1
        name = f"{plan.kind}[{position}]" if total[child.tag] > 1 else plan.kind
        yield _guide(child, plan, position, f"{place}/{name}", checker)


def _guide(node: etree._Element, plan: Plan, position: int, place: str, checker: Checker) -> Guide:
    texts: dict[str, str] = {}
    lines: list[tuple[Section, dict[str, str]]] = []
    _walk(node, plan.steps, texts, lines, checker)
    return Guide(
        kind=plan.kind, position=position, place=place, paths=plan.paths, texts=texts, rows=_rows(place, lines)
    )


def _walk(
    node: etree._Element,
    steps: dict[str, Step],
    texts: dict[str, str],
    lines: list[tuple[Section, dict[str, str]]],
    checker: Checker,
) -> None:
    for child in node:
        step = steps.get(child.tag)
        if step is None:
            continue
        role, check, section, below = step
        if not below:
            text = child.text or ""
            if role:
                texts.setdefault(role, text)
            if check and (check, text) not in checker.good:
                checker.judge(check, text, child)
        elif section is None:
            _walk(child, below, texts, lines, checker)
        else:
            line: dict[str, str] = {}
            lines.append((section, line))
            _walk(child, below, line, lines, checker)


def _rows(place: str, lines: list[tuple[Section, dict[str, str]]]) -> tuple[Row, ...]:
    total: dict[str, int] = {}
    for section, _ in lines:
        total[section.path] = total.get(section.path, 0) + 1
    seen: dict[str, int] = {}
    rows = []
    for section, texts in lines:
        path = section.path
        seen[path] = position = seen.get(path, 0) + 1
        rows.append(
            Row(section, position, f"{place}/{path}[{position}]" if total[path] > 1 else f"{place}/{path}", texts)
        )
    return tuple(rows)
