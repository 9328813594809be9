"""Message profiles in the schema of NIST's tools (IGAMT): a profile whose segments and data types stand apart, and, in
files of their own, its conditions and constraints, its value sets and their bindings, its co-constraints.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from lxml import etree

from hl7.profiles import nist_slices, nist_together
from hl7.profiles.conditions import Condition, steps
from hl7.profiles.nist_rules import Values, bound, condition_in
from hl7.profiles.parts import BadProfile, CoTable, Part, Place, Profile, Rule, most_of, name_of, number_of

_DEEPEST = 2  # a component and its subcomponents; more an ER7 message cannot say
_RULED = frozenset(("Segment", "Datatype", "Group", "Message"))
_READ = frozenset(
    ("ConformanceContext", "ValueSetLibrary", "ValueSetBindingsContext", "CoConstraintContext", "ProfileSlicing")
)


@dataclass(slots=True)
class _Library:
    """What the files say, by the id others name it with; rules of groups and messages are not by field."""

    segments: dict[str, etree._Element] = field(default_factory=dict)
    types: dict[str, etree._Element] = field(default_factory=dict)
    values: Values = field(default_factory=dict)
    free: set[str] = field(default_factory=set)  # value sets that are not to be judged
    rules: dict[tuple[str, str], dict[int, Rule]] = field(default_factory=dict)
    targeted: dict[tuple[str, str], list[Rule]] = field(default_factory=dict)
    constraints: dict[tuple[str, str], list[Rule]] = field(default_factory=dict)
    tables: dict[str, tuple[CoTable, ...]] = field(default_factory=dict)
    divided: nist_slices.Divided = field(default_factory=nist_slices.Divided)
    unread: list[str] = field(default_factory=list)


def is_one(root: etree._Element) -> bool:
    """Whether the text is a profile in this schema."""
    return name_of(root) == "ConformanceProfile"


def read(root: etree._Element, others: list[etree._Element]) -> Profile:
    """The messages of the profile, with what the `others` say of them: the first, and in it the others; raises
    BadProfile."""
    messages = [node for node in root.iter() if name_of(node) == "Message"]
    if not messages:
        raise BadProfile("it holds no Message")
    first, *more = (_message(node, root, _library(root, others)) for node in messages)
    return replace(first, others=tuple(more))


def _message(message: etree._Element, root: etree._Element, library: _Library) -> Profile:
    segments: dict[str, tuple[Part, ...]] = {}
    names = (message.get("ID", ""), message.get("StructID", ""))
    places = _places(message, library, segments, [(name, name) for name in names])
    if not segments:
        raise BadProfile("its definition names no segment")
    kind = "^".join(part for part in (message.get("Type", ""), message.get("Event", "")) if part)
    library.unread += [f"ProfileSlicing {group}" for name, group, _ in library.divided.segments if name in names]
    return Profile(
        type=kind,
        version=root.get("HL7Version", ""),
        root=_grouped(Place(name="", segment=False, children=places), "Message", names, library),
        segments=segments,
        tables=next((library.tables[name] for name in names if name in library.tables), ()),
        unread=tuple(library.unread),
    )


def _library(root: etree._Element, others: list[etree._Element]) -> _Library:
    found = _Library()
    for node in root.iter():
        if name_of(node) in ("Segment", "Datatype") and node.get("ID"):
            place = found.segments if name_of(node) == "Segment" else found.types
            place[node.get("ID", "")] = node
    for node in (node for other in others for node in other.iter()):
        if name_of(node) == "ValueSetDefinition":
            codes = (each.get("Value", "").strip() for each in node if each.get("Usage", "R") != "E")
            found.values[node.get("BindingIdentifier", "")] = frozenset(filter(None, codes))
        elif name_of(node) == "NoValidation":
            found.free |= {(each.text or "").strip() for each in node}
    found.values = {name: codes for name, codes in found.values.items() if name not in found.free}
    for other in others:  # what names value sets comes after them
        _take(other, found)
    return found


def _take(other: etree._Element, found: _Library) -> None:
    """What one file beside the profile says, by its kind."""
    if name_of(other) not in _READ:
        found.unread.append(name_of(other))
    for node in other.iter():
        parent = node.getparent()
        if name_of(node) in ("ByID", "ByName") and parent is not None and name_of(parent) in _RULED:
            _take_rules(node, (name_of(parent), node.get("ID") or node.get("Name") or ""), found)
    if name_of(other) == "CoConstraintContext":
        found.tables.update(nist_together.read(other, found.values))
    if name_of(other) == "ProfileSlicing":
        nist_slices.read(other, found.divided)


def _take_rules(node: etree._Element, place: tuple[str, str], found: _Library) -> None:
    """The predicates and constraints of one segment, data type, group or message."""
    for each in node:
        kind = name_of(each)
        if kind in ("ValueSetBinding", "SingleCodeBinding"):
            found.constraints.setdefault(place, []).extend(bound(each, found.values))
            continue
        condition = condition_in(each, found.values)
        if condition is None:
            continue
        if kind == "Predicate":
            target = each.get("Target", "")
            rule = Rule(
                condition=condition,
                holds=each.get("TrueUsage", "R"),
                fails=each.get("FalseUsage", "X"),
                name=each.get("ID", ""),
                target=target,
            )
            way = steps(target)
            if way and len(way) == 1:
                found.rules.setdefault(place, {})[way[0][0]] = rule
            found.targeted.setdefault(place, []).append(rule)
        elif kind == "Constraint":
            found.constraints.setdefault(place, []).append(Rule(condition=condition, name=each.get("ID", "")))


def _places(
    node: etree._Element, library: _Library, segments: dict[str, tuple[Part, ...]], owners: list[tuple[str, str]]
) -> tuple[Place, ...]:
    """The places of a group or message; `owners` are its names, each with the message's, that slices know it by."""
    nodes = [child for child in node if name_of(child) in ("Segment", "Group")]
    found = []
    for position, child in enumerate(nodes, start=1):
        keys = [(*owner, position) for owner in owners]
        divided = next((library.divided.segments.pop(key) for key in keys if key in library.divided.segments), [])
        found.append(_divided(_place(child, library, segments, owners), divided, library))
    return tuple(found)


def _divided(place: Place, nodes: list[etree._Element], library: _Library) -> Place:
    """The place with its slices; a group that is divided is told as not judged (the schema divides segments alone)."""
    if nodes and not place.segment:
        rule = Rule(condition=Condition(kind="SegmentSlicing"), name=f"SegmentSlicing {place.name}")
        return replace(place, constraints=(*place.constraints, rule))

    def defined(name: str) -> Part | None:
        node = library.segments.get(name)
        return _whole(node, library) if node is not None and node.get("Name", "") == place.name else None

    return replace(place, slices=nist_slices.slices(nodes, defined, library.values)) if nodes else place


def _place(
    node: etree._Element, library: _Library, segments: dict[str, tuple[Part, ...]], owners: list[tuple[str, str]]
) -> Place:
    segment, usage = name_of(node) == "Segment", node.get("Usage", "O")
    name, part = node.get("Name", ""), None
    if segment:
        defined = library.segments.get(node.get("Ref", ""))
        name = defined.get("Name", "") if defined is not None else ""
        if defined is None or len(name) != 3:
            raise BadProfile("a segment is named that it does not define")
        part = _whole(defined, library)
        if usage not in ("X", "W") and part not in segments.get(name, ()):
            segments[name] = (*segments.get(name, ()), part)
    names = (node.get("ID", ""), name)
    below = [(message, own) for message, _ in owners for own in names if message and own]
    place = Place(
        name=name,
        segment=segment,
        usage=usage,
        least=int(node.get("Min", "1") != "0"),
        most=most_of(node),
        children=() if segment else _places(node, library, segments, below),
        part=part,
    )
    return place if segment else _grouped(place, "Group", names, library)


def _grouped(place: Place, kind: str, names: tuple[str, ...], library: _Library) -> Place:
    """The group or message with its rules, by any of its names."""
    kinds = ("Message", "Group") if kind == "Message" else (kind,)  # older files rule a message as a group of its id
    keys = [(each, name) for each in kinds for name in names if name]
    rules = [rule for key in keys for rule in library.targeted.get(key, ())]
    constraints = [rule for key in keys for rule in library.constraints.get(key, ())]
    return replace(place, rules=tuple(rules), constraints=tuple(constraints))


def _whole(node: etree._Element, library: _Library) -> Part:
    place = ("Segment", node.get("ID", ""))
    fields = [child for child in node if name_of(child) == "Field"]
    parts = tuple(_field(node, number, child, library) for number, child in enumerate(fields, start=1))
    part = Part(usage="R", least=0, most=0, length=0, constant="", parts=parts)
    return _ruled(part, place, library, node.get("Name", ""))


def _field(segment: etree._Element, number: int, node: etree._Element, library: _Library) -> Part:
    """A field with its slices: those of a file beside the profile, then what another field makes of it."""

    def defined(name: str) -> Part | None:
        return _part(node, library, 0, name) if name in library.types else None

    names = (segment.get("ID", ""), segment.get("Label", ""))
    nodes = next(
        (library.divided.fields[name, number] for name in names if (name, number) in library.divided.fields), []
    )
    slices = nist_slices.slices(nodes, defined, library.values)
    return replace(_part(node, library, 0), slices=(*slices, *nist_slices.cases(segment, number, defined)))


def _part(node: etree._Element, library: _Library, depth: int, datatype: str = "") -> Part:
    bound = node.get("Binding") or node.get("Table") or ""
    loose = node.get("BindingStrength", "R") != "R"  # suggested or not decided: other codes are nobody's mistake
    if loose or library.free.intersection(bound.split(":")):
        bound = ""
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
        shortest=number_of(node, "MinLength"),
        located=tuple(int(each) for each in node.get("BindingLocation", "").split(":") if each.isdigit()),
    )
    defined = library.types.get(datatype or node.get("Datatype", ""))
    if defined is None:
        return part
    components = tuple(_components(defined, library, depth + 1)) if depth < _DEEPEST else ()
    if components:  # lengths are of simple values
        part = replace(part, parts=components, length=0, shortest=0)
    return _ruled(part, ("Datatype", defined.get("ID", "")), library, defined.get("Name", ""))


def _components(node: etree._Element, library: _Library, depth: int) -> Iterator[Part]:
    for child in node:
        if name_of(child) == "Component":
            yield _part(child, library, depth)


def _ruled(part: Part, place: tuple[str, str], library: _Library, name: str) -> Part:
    rules: Mapping[int, Rule] = library.rules.get(place) or library.rules.get((place[0], name)) or {}
    constraints = library.constraints.get(place) or library.constraints.get((place[0], name)) or []
    return replace(part, rules=rules, constraints=tuple(constraints))
