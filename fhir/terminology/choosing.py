"""What a part of a value set means to a system that chooses by itself, and which excludes it leaves out itself."""

from __future__ import annotations

from collections.abc import Iterable

from canonical.codes import aliases, spellings
from fhir.terminology.nodes import Codes, Node
from fhir.terminology.selection import Selecting, choosing, of_filters
from fhir.terminology.stated import Library, Part


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
