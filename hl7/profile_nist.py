"""Message profiles in the schema of NIST's tools (IGAMT): a profile whose segments and data types stand apart, and, in
files of their own, its conditions and constraints and its value sets.

Conditions and constraints of segments and data types are read; those of groups and whole messages are not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from lxml import etree

from hl7.profile_parts import BadProfile, Condition, Part, Profile, Rule, name_of, number_of, steps

_DEEPEST = 2  # a component and its subcomponents; more an ER7 message cannot say
_WRAPPERS = frozenset(("Condition", "Assertion"))


@dataclass(slots=True)
class _Library:
    """What the files say, by the id others name it with."""

    segments: dict[str, etree._Element] = field(default_factory=dict)
    types: dict[str, etree._Element] = field(default_factory=dict)
    values: dict[str, frozenset[str]] = field(default_factory=dict)
    rules: dict[tuple[str, str], dict[int, Rule]] = field(default_factory=dict)
    constraints: dict[tuple[str, str], list[Rule]] = field(default_factory=dict)


def is_one(root: etree._Element) -> bool:
    """Whether the text is a profile in this schema."""
    return name_of(root) == "ConformanceProfile"


def read(root: etree._Element, others: list[etree._Element]) -> Profile:
    """The first message of the profile, with the conditions and value sets of the `others`; raises BadProfile."""
    message = next((node for node in root.iter() if name_of(node) == "Message"), None)
    if message is None:
        raise BadProfile("it holds no Message")
    library = _library(root, others)
    segments: dict[str, tuple[Part, ...]] = {}
    line = " ".join(filter(None, (_element(child, library, segments) for child in message)))
    if not segments:
        raise BadProfile("its definition names no segment")
    kind = "^".join(part for part in (message.get("Type", ""), message.get("Event", "")) if part)
    return Profile(type=kind, version=root.get("HL7Version", ""), line=line, segments=segments)


def _library(root: etree._Element, others: list[etree._Element]) -> _Library:
    found = _Library()
    for node in root.iter():
        if name_of(node) in ("Segment", "Datatype") and node.get("ID"):
            place = found.segments if name_of(node) == "Segment" else found.types
            place[node.get("ID", "")] = node
    for other in others:
        for node in other.iter():
            if name_of(node) == "ValueSetDefinition":
                codes = (each.get("Value", "") for each in node if each.get("Usage", "R") != "E")
                found.values[node.get("BindingIdentifier", "")] = frozenset(filter(None, codes))
            elif name_of(node) in ("ByID", "ByName") and name_of(node.getparent()) in ("Segment", "Datatype"):  # type: ignore[arg-type]
                _take_rules(node, found)
    return found


def _take_rules(node: etree._Element, found: _Library) -> None:
    """The predicates and constraints of one segment or data type."""
    parent = node.getparent()
    place = (name_of(parent) if parent is not None else "", node.get("ID") or node.get("Name") or "")
    for each in node:
        condition = next((_condition(inner[0]) for inner in each if name_of(inner) in _WRAPPERS and len(inner)), None)
        if condition is None:
            continue
        if name_of(each) == "Predicate":
            target = steps(each.get("Target", ""))
            if target and len(target) == 1:
                rule = Rule(condition=condition, holds=each.get("TrueUsage", "R"), fails=each.get("FalseUsage", "X"))
                found.rules.setdefault(place, {})[target[0][0]] = rule
        elif name_of(each) == "Constraint":
            found.constraints.setdefault(place, []).append(Rule(condition=condition, name=each.get("ID", "")))


def _condition(node: etree._Element) -> Condition:
    listed = node.get("CSV")
    words = listed.split(",") if listed is not None else [node.get("Text") or node.get("Regex") or ""]
    if name_of(node) == "SimpleValue":
        words = [node.get("Operator", ""), node.get("Value", "")]
    return Condition(
        kind=name_of(node),
        path=node.get("Path", ""),
        words=tuple(word.strip() for word in words),
        any_case=node.get("IgnoreCase", "false") == "true",
        inner=tuple(_condition(child) for child in node if isinstance(child.tag, str)),
    )


def _element(node: etree._Element, library: _Library, segments: dict[str, tuple[Part, ...]]) -> str:
    """A segment or group as part of a structure line; empty for what the profile does not support."""
    kind, usage = name_of(node), node.get("Usage", "O")
    if kind not in ("Segment", "Group") or usage in ("X", "W"):
        return ""
    if kind == "Segment":
        defined = library.segments.get(node.get("Ref", ""))
        inner = defined.get("Name", "") if defined is not None else ""
        if defined is None or len(inner) != 3:
            raise BadProfile("a segment is named that it does not define")
        part = _whole(defined, library)
        segments[inner] = (*segments.get(inner, ()), *(() if part in segments.get(inner, ()) else (part,)))
    else:
        inner = " ".join(filter(None, (_element(child, library, segments) for child in node)))
    if not inner:
        return ""
    repeats = node.get("Max", "1") not in ("1", "0")
    inner = f"{{{inner}}}" if repeats else f"({inner})" if kind == "Group" else inner
    return inner if usage == "R" and node.get("Min", "1") != "0" else f"[{inner}]"


def _whole(node: etree._Element, library: _Library) -> Part:
    place = ("Segment", node.get("ID", ""))
    parts = tuple(_part(child, library, 0) for child in node if name_of(child) == "Field")
    part = Part(usage="R", least=0, most=0, length=0, constant="", parts=parts)
    return _ruled(part, place, library, node.get("Name", ""))


def _part(node: etree._Element, library: _Library, depth: int) -> Part:
    bound = node.get("Binding") or node.get("Table") or ""
    values = frozenset().union(*(library.values.get(name, frozenset()) for name in bound.split(":")))
    part = Part(
        usage=node.get("Usage", "O"),
        least=number_of(node, "Min"),
        most=number_of(node, "Max"),
        length=number_of(node, "MaxLength"),
        constant=node.get("ConstantValue", ""),
        parts=(),
        table=bound,
        values=values,
    )
    defined = library.types.get(node.get("Datatype", ""))
    if defined is None or depth >= _DEEPEST:
        return part
    components = tuple(_components(defined, library, depth + 1))
    part = replace(part, parts=components, length=0 if components else part.length)  # lengths are of simple values
    return _ruled(part, ("Datatype", defined.get("ID", "")), library, defined.get("Name", ""))


def _components(node: etree._Element, library: _Library, depth: int) -> Iterator[Part]:
    for child in node:
        if name_of(child) == "Component":
            yield _part(child, library, depth)


def _ruled(part: Part, place: tuple[str, str], library: _Library, name: str) -> Part:
    rules: Mapping[int, Rule] = library.rules.get(place) or library.rules.get((place[0], name)) or {}
    constraints = library.constraints.get(place) or library.constraints.get((place[0], name)) or []
    return replace(part, rules=rules, constraints=tuple(constraints))
