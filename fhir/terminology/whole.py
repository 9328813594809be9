"""Which value sets a system that chooses by itself can answer whole."""

from __future__ import annotations

from fhir.terminology.choosing import node_of
from fhir.terminology.nodes import All, Either, Node, Without
from fhir.terminology.selection import Selecting, choosing, of_filters
from fhir.terminology.sets import Reader
from fhir.terminology.stated import Part, Set

Whole = tuple[Selecting, Node]


def chosen(reader: Reader, found: Set, above: tuple[str, ...] = ()) -> Whole | None:
    """The one system that can choose all members by itself, and which; None where they must be walked."""
    above = reader.deeper(found, above)
    if found.listed:
        return None
    wholes = [_of_include(reader, part, above) for part in found.includes]
    whole = _joined(wholes, Either)
    if whole is None:
        return None
    owner, node = whole
    gone = [node_of(part, owner) for part in found.excludes]
    taken = tuple(each for each in gone if each is not None)
    if len(taken) < len(gone):
        return None
    return owner, Without(node, Either(taken)) if taken else node


def _of_include(reader: Reader, part: Part, above: tuple[str, ...]) -> Whole | None:
    """The same for one include, whose sets must all be of that system."""
    wholes: list[Whole | None] = []
    if part.system:
        own = choosing(reader.library.system(part.system, part.version))
        if own is None or part.codes:
            return None
        node, rest = of_filters(part.filters, lists=True)
        wholes.append(None if rest else (own, node))
    wholes += [chosen(reader, reader.imported(url), above) for url in part.sets]
    return _joined(wholes, All)


def _joined(wholes: list[Whole | None], how: type[All] | type[Either]) -> Whole | None:
    """What several mean together; None when one is not known, or they are of two systems."""
    known = [whole for whole in wholes if whole is not None]
    if not known or len(known) < len(wholes):
        return None
    owner = known[0][0]
    if any((each.url, each.version) != (owner.url, owner.version) for each, _ in known):
        return None
    nodes = tuple(node for _, node in known)
    return owner, nodes[0] if len(nodes) == 1 else how(nodes)
