"""National documents (RNDS) by tables: canonical records become a Composition and its entries.

A plan (`document_plans`) says what the entries are and in which section they stand; a table (`rnds/*.csv`) says which
element comes from which record.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from canonical.problem import Problem, blocking
from fhir.definitions.table import type_named
from mappings.national.document_plans import DocumentPlan, EntryPlan, Part
from mappings.national.document_values import PROFILE, Lacking, View, valued
from mappings.national.medication_values import CONVERSIONS
from mappings.tables.body import Body, compiled
from mappings.tables.table import HERE, TableError, read_rows

Record = Mapping[str, Any]
_ROOM = "rnds"
_COLUMNS = ["target", "source", "convert", "when", "note", "spec"]
URL = "urn:uuid:transient-"  # no UUID, but what RNDS expects: the number is the entry's place (ERR921)


@dataclass(frozen=True, slots=True)
class Row:
    """One row; `label` is how the analyst calls the element, `place` is file and line."""

    path: str
    source: str
    constant: str | None
    convert: str
    argument: str
    when: str
    label: str
    place: str


@cache
def table(name: str, type_name: str, below: str = "") -> tuple[Row, ...]:
    """The rows of `rnds/<name>.csv` for an element of a type, those that fill gaps last; raises TableError."""
    file = f"{_ROOM}/{name}.csv"
    head = f"{type_name}.{below}." if below else f"{type_name}."
    found = []
    for line, values in read_rows(HERE / file, _COLUMNS):
        place = f"{file}:{line}"
        path = values["target"].removeprefix(head)
        convert, _, argument = values["convert"].partition(":")
        if path == values["target"] or (convert or "text") not in CONVERSIONS:
            raise TableError(f"{place}: target or conversion")
        if values["when"] not in ("", "present", "absent") and not values["when"].startswith("equals:"):
            raise TableError(f"{place}: when {values['when']!r}")
        if not values["spec"]:
            raise TableError(f"{place}: `spec` is empty")
        text = values["source"]
        constant = text[1:] if text.startswith("=") else None
        label = values["note"] or values["target"]
        source = "" if constant is not None else text
        found.append(Row(path, source, constant, convert or "text", argument, values["when"], label, place))
    return tuple(sorted(found, key=lambda row: row.when == "absent"))


@dataclass(slots=True)
class _Made:
    """An entry under construction: its plan, its record, the address others use, body and findings."""

    plan: EntryPlan
    record: Any
    url: str
    body: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


Document = tuple[list[tuple[str, dict[str, Any]]], list[Problem]]


def compose(plan: DocumentPlan, scope: Record, view: View) -> Document:
    """The entries (fullUrl, resource), Composition first, and what the records lack; what blocks forbids sending.

    `scope` holds the records by the names plans use; `view` what conversions need besides. An optional entry that
    lacks something is told in its other form, or left out, with a warning. Of the patient, tables read `person`: the
    identifiers, and under `unidentified` why there is none.
    """
    patient = scope.get("patient") or {}
    unidentified = scope.get("unidentified") if plan.unidentified else None
    scope = {**scope, "person": {"identifier": patient.get("identifier", ()), "unidentified": unidentified}}
    made, told = _settled(plan, scope, view)
    view = replace(view, links=_links(made), groups=_groups(made))
    problems = [*told, *_too_few(plan, made)]
    head = _composition(plan, made, scope, view, problems)
    problems += [problem for one in made for problem in one.problems]
    return [(f"{URL}0", head), *((one.url, one.body) for one in made)], problems


def _settled(plan: DocumentPlan, scope: Record, view: View) -> tuple[list[_Made], list[Problem]]:
    """The entries that stand, in order, and what was left out or told otherwise: until nothing changes any more."""
    wanted = [
        (entry, record) for entry in plan.entries if not entry.substitute for record in valued(scope, entry.source)
    ]
    others = {entry.name: entry for entry in plan.entries if entry.substitute}
    told: list[Problem] = []
    lost: dict[str, Problem] = {}  # why records that others refer to cannot stand there: the reason of those others
    while True:
        made = [_Made(entry, record, f"{URL}{n}") for n, (entry, record) in enumerate(wanted, start=1)]
        view = replace(view, links=_links(made), groups=_groups(made))
        for one in made:
            _fill(one, scope, view)
        referred = {url for one in made for url in _urls(one.body)}
        kept: list[tuple[EntryPlan, Any]] = []
        for one in made:
            if one.plan.linked and one.url not in referred:
                continue
            if not one.plan.optional or not blocking(one.problems):
                kept.append((one.plan, one.record))
            elif one.plan.linked:
                lost[_name(one.record, one.plan.type)] = blocking(one.problems)[0]
            elif (other := others.get(one.plan.name)) and other is not one.plan:
                kept.append((other, one.record))
                told.append(_told("rnds.as-text", one, lost))
            else:
                out = _told("rnds.left-out", one, lost)
                told = [problem for problem in told if problem.where != out.where or not one.plan.substitute]
                told.append(out)
        if all(plan is one.plan for (plan, _), one in zip(kept, made, strict=False)) and len(kept) == len(made):
            return made, told
        wanted = kept


def _urls(node: Any) -> Iterator[str]:
    """The literal references within a body."""
    if isinstance(node, dict):
        if isinstance(node.get("reference"), str):
            yield node["reference"]
        for value in node.values():
            yield from _urls(value)
    elif isinstance(node, list):
        for value in node:
            yield from _urls(value)


def _links(made: Sequence[_Made]) -> dict[str, str]:
    """The records of the document by their own references."""
    named = {f"{r.get('resourceType')}/{r.get('id')}": one.url for one in made if isinstance(r := one.record, Mapping)}
    return {name: url for name, url in named.items() if "None" not in name.split("/")}


def _groups(made: Sequence[_Made]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in made:
        found.setdefault(one.plan.name, []).append(one.url)
    return found


def _told(code: str, one: _Made, lost: Mapping[str, Problem]) -> Problem:
    why = blocking(one.problems)[0]
    if why.code == "rnds.link":  # what is wrong is wrong with the record it refers to
        why = next((lost[name] for name in _urls(one.record) if name in lost), why)
    return Problem(code, _name(one.record, one.plan.type), args=_reason(one.plan.label, why))


def _reason(label: str, why: Problem) -> tuple[tuple[str, str], ...]:
    return (("entry", label), ("reason", why.text("pt").rstrip(".")))


def _too_few(plan: DocumentPlan, made: Sequence[_Made]) -> list[Problem]:
    counts = {entry.name: sum(one.plan is entry for one in made) for entry in plan.entries}
    return [
        Problem("rnds.entry-missing", f"{plan.kind}/{entry.name}", args=(("entry", entry.label),))
        for entry in plan.entries
        if counts[entry.name] < entry.least
    ]


def _name(record: Any, type_name: str) -> str:
    """A record as findings name it."""
    if isinstance(record, Mapping) and record.get("id"):
        return f"{record.get('resourceType', type_name)}/{record['id']}"
    return type_name


def _fill(one: _Made, scope: Record, view: View) -> None:
    place = _Place(one.plan.type, "", _name(one.record, one.plan.type))
    content = one.plan.tables, one.plan.parts
    body = _filled(place, content, {**scope, one.plan.name: one.record}, view, one.problems)
    _check_needs(place, one.plan.tables, one.plan.needs, body, one.problems)
    meta = {"profile": [f"{PROFILE}{one.plan.profile}"]}
    one.body = {"resourceType": one.plan.type, "meta": meta, **body}


def _composition(
    plan: DocumentPlan, made: Sequence[_Made], scope: Record, view: View, problems: list[Problem]
) -> dict[str, Any]:
    place = _Place("Composition", "", _name(scope.get("subject"), plan.subject))
    scope = {**scope, "plan": {"code": plan.code, "title": plan.title}}
    body = _filled(place, (plan.tables, plan.parts), scope, view, problems)
    _check_needs(place, plan.tables, plan.needs, body, problems)
    sections: list[dict[str, Any]] = []
    for section in plan.sections:
        entries = [{"reference": one.url} for one in made if one.plan.section == section.name]
        title = {"title": section.title} if section.title else {}
        if entries:
            sections += [{**title, "entry": e} for e in ([[e] for e in entries] if section.split else [entries])]
    body["section"] = sections
    return {"resourceType": "Composition", "meta": {"profile": [f"{PROFILE}{plan.profile}"]}, **body}


@dataclass(frozen=True, slots=True)
class _Place:
    """Where rows write: the resource's type, the repeating element below it, and the record findings name."""

    type: str
    below: str
    record: str


def _filled(
    place: _Place,
    content: tuple[Sequence[str], Sequence[Part]],
    scope: Record,
    view: View,
    problems: list[Problem],
) -> dict[str, Any]:
    body = Body(_type_at(place.type, place.below))
    for name in content[0]:
        for row in table(name, place.type, place.below):
            _put(body, row, place, scope, view, problems)
    for part in content[1]:
        below = f"{place.below}.{part.element}" if place.below else part.element
        inner = _Place(place.type, below, place.record)
        for position, entry in enumerate(valued(scope, part.source), start=1):
            found = {**scope, part.each: entry, f"{part.each}_position": position}
            own: list[Problem] = []
            made = _filled(inner, (part.tables, part.parts), found, view, own)
            if part.optional and (wrong := blocking(own)):
                own = [Problem("rnds.left-out", wrong[0].where, args=_reason(part.label, wrong[0]))]
                made = {}
            problems += own
            if made:
                body.value.setdefault(part.element, []).append(made)
    return body.value


def _put(body: Body, row: Row, place: _Place, scope: Record, view: View, problems: list[Problem]) -> None:
    if row.when == "absent" and _is_there(body, row.path):
        return
    values = [row.constant] if row.constant is not None else valued(scope, row.source)
    if row.when.startswith("equals:"):
        values = [value for value in values if str(value) == row.when.removeprefix("equals:")]
    where = ".".join(step for step in (place.record, place.below, row.path) if step)
    if not values:
        if not row.when:
            problems.append(Problem("rnds.missing", where, args=(("field", row.label), ("source", row.source))))
        return
    try:
        for made in CONVERSIONS[row.convert](values, row.argument, view):
            body.put(row.path, made)
    except Lacking as error:
        args = (("field", row.label), ("source", row.source), *error.args_named)
        problems.append(Problem(error.code, where, args=args))


def _is_there(body: Body, path: str) -> bool:
    """Whether the place of a path has a value, whatever its tags."""
    return bool(valued(body.value, ".".join(name for name, _, _ in compiled(body.type, path))))


def _check_needs(
    place: _Place, tables: Sequence[str], needs: Sequence[str], body: Mapping[str, Any], problems: list[Problem]
) -> None:
    """A Problem for each needed element (`a|b`: one of them) that no row could fill and no row told of."""
    for path in needs:
        paths = path.split("|")
        told = tuple(f"{place.record}.{one}" for one in paths)
        if any(valued(body, one) for one in paths) or any(p.where.startswith(told) for p in problems if p.blocks):
            continue
        where = told[0]
        rows = [row for name in tables for row in table(name, place.type) if _bare(row.path).startswith(tuple(paths))]
        label = rows[0].label if rows else path
        source = ", ".join(dict.fromkeys(row.source for row in rows if row.source))
        problems.append(Problem("rnds.missing", where, args=(("field", label), ("source", source))))


def _bare(path: str) -> str:
    """A path without tags."""
    return ".".join(step.partition("[")[0] for step in path.split("."))


@cache
def _type_at(type_name: str, below: str) -> str:
    """The type of a repeating element; raises TableError."""
    for step in below.split(".") if below else ():
        found = type_named(type_name)
        if found is None or step not in found.elements or not found.elements[step].repeats:
            raise TableError(f"{type_name} has no repeating element {step!r}")
        type_name = found.elements[step].types[0]
    return type_name
