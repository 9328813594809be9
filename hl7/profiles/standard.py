"""Message profiles in the standard's own XML (2.5.1 §2.12): HL7v2xConformanceProfile with its HL7v2xStaticDef.

Its conditions are written in words: they are told where they matter, and not judged.
"""

from __future__ import annotations

from lxml import etree

from hl7.profiles.parts import BadProfile, Part, Place, Profile, most_of, name_of, number_of

_SEGMENT, _GROUP = "Segment", "SegGroup"
_PARTS = frozenset(("Field", "Component", "SubComponent"))


def read(root: etree._Element) -> Profile:
    """The profile below `root`; raises BadProfile."""
    found = next((node for node in root.iter() if name_of(node) == "HL7v2xStaticDef"), None)
    if found is None:
        raise BadProfile("it holds neither HL7v2xStaticDef nor ConformanceProfile, the definition of a message")
    segments: dict[str, tuple[Part, ...]] = {}
    whole = Place(name="", segment=False, children=_places(found, segments))
    if not segments:
        raise BadProfile("its definition names no segment")
    kind = "^".join(part for part in (found.get("MsgType", ""), found.get("EventType", "")) if part)
    dynamic = next((node for node in root.iter() if name_of(node) == "DynamicDef"), None)
    accept, application = (dynamic.get(name, "") if dynamic is not None else "" for name in ("AccAck", "AppAck"))
    version = root.get("HL7Version", "")
    return Profile(type=kind, version=version, root=whole, segments=segments, accept=accept, application=application)


def _places(node: etree._Element, segments: dict[str, tuple[Part, ...]]) -> tuple[Place, ...]:
    return tuple(_place(child, segments) for child in node if name_of(child) in (_SEGMENT, _GROUP))


def _place(node: etree._Element, segments: dict[str, tuple[Part, ...]]) -> Place:
    segment, name, usage = name_of(node) == _SEGMENT, node.get("Name", ""), node.get("Usage", "O")
    if segment and len(name) != 3:
        raise BadProfile("a segment has no name of three letters")
    if segment and usage not in ("X", "W"):
        segments[name] = (*segments.get(name, ()), _part(node))
    return Place(
        name=name,
        segment=segment,
        usage=usage,
        least=int(node.get("Min", "1") != "0"),
        most=most_of(node),
        children=() if segment else _places(node, segments),
    )


def _part(node: etree._Element) -> Part:
    return Part(
        usage=node.get("Usage", "O"),
        least=number_of(node, "Min"),
        most=number_of(node, "Max"),
        length=number_of(node, "Length"),
        constant=node.get("ConstantValue", ""),
        parts=tuple(_part(child) for child in node if name_of(child) in _PARTS),
        table=node.get("Table", ""),
    )
