"""Which value sets a system that chooses by itself can answer whole, and what of one it can leave out by itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from canonical.codes import aliases, spellings
from fhir.terminology.selection import All, Codes, Either, Node, Selecting, Without, choosing, of_filters

if TYPE_CHECKING:
    from fhir.terminology.sets import Library, Part, Reader, Set

Whole = tuple[Selecting, Node]


def spelled(system: str, code: str) -> tuple[str, ...]:
    """The code and its other spellings in that system (CID-10 with and without dot)."""
    return (code, *spellings(system, code)) if system else (code,)


def node_of(part: Part, own: Selecting) -> Node | None:
    """What a part of that system alone means, as a tree; None where more than the system decides."""
    if part.sets or part.system not in aliases(own.url):
        return None
    if part.codes:
        return Codes(tuple(code for each in part.codes for code in spelled(part.system, each)))
    node, rest = of_filters(part.filters, lists=True)
    return None if rest else node


def apart(library: Library, part: Part, excludes: Iterable[Part]) -> tuple[list[Part], tuple[Node, ...]]:
    """The excludes that each member of a part is tried against, and those its system leaves out by itself."""
    own = choosing(library.system(part.system, part.version)) if part.system and not part.codes else None
    left: list[Part] = []
    taken: list[Node] = []
    for each in excludes:
        node = node_of(each, own) if own is not None else None
        if node is None:
            left.append(each)
        else:
            taken.append(node)
    return left, tuple(taken)


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
