"""Closure tables (R4 §4.7.14, $closure): how the codes a client has met lie to each other, told as they are added.

A client keeps the pairs and can then search its own data by subsumption. Only a pair of codes that both were met is
told; the codes of two systems never subsume each other here.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fhir.terminology.answers import found
from fhir.terminology.systems import System, above

MOST_CONCEPTS = 10_000


@dataclass(frozen=True, slots=True)
class Member:
    """A code that was met, as the client writes it, and the version of the table in which it was added."""

    system: str
    code: str
    version: int


@dataclass(frozen=True, slots=True)
class Pair:
    """That `target` is a wider concept than `source`, or (`equal`) the same one in another spelling."""

    system: str
    source: str
    target: str
    equal: bool = False


def pairs(systems: Mapping[str, System], members: Sequence[Member], since: int) -> Iterator[Pair]:
    """The pairs of `members` that came after version `since`, in the order in which their codes were added.

    `systems` has the code system of each; raises Unanswered for a code that its system lacks.
    """
    spelled: dict[tuple[str, str], list[Member]] = defaultdict(list)
    own: list[tuple[Member, str]] = []
    for member in members:
        code = found(systems[member.system], member.code).code
        own.append((member, code))
        spelled[member.system, code].append(member)
    for member, code in own:
        for wider in above(systems[member.system], code):
            for other in spelled.get((member.system, wider), ()):
                same = wider == code
                if (
                    other is member
                    or (same and other.version > member.version)
                    or max(member.version, other.version) <= since
                ):
                    continue
                yield Pair(member.system, member.code, other.code, same)


def concept_map(name: str, version: int, told: Sequence[Pair], now: datetime.datetime) -> dict[str, Any]:
    """The ConceptMap that tells the pairs: a source and what subsumes it."""
    groups: dict[str, dict[str, list[dict[str, str]]]] = defaultdict(lambda: defaultdict(list))
    for pair in told:
        equivalence = "equal" if pair.equal else "subsumes"
        groups[pair.system][pair.source].append({"code": pair.target, "equivalence": equivalence})
    body: dict[str, Any] = {
        "resourceType": "ConceptMap",
        "version": str(version),
        "title": name,
        "status": "active",
        "experimental": False,
        "date": now.isoformat(timespec="seconds"),
    }
    if groups:
        body["group"] = [
            {
                "source": system,
                "target": system,
                "element": [{"code": code, "target": targets} for code, targets in elements.items()],
            }
            for system, elements in groups.items()
        ]
    return body
