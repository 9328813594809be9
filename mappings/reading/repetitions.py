"""Repetitions of a field of which nothing was made, beside others of which something was (2.5.1 §2.5.4).

Fields are accounted for as a whole (`mappings.reading.account`); of one that repeats, each repetition is told that no
row made anything of and that no row told of either. One that says no more than another that stands is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from canonical.problem import Problem
from hl7.er7 import NULL, Message, Segment
from mappings.reading.account import Account, populated, why_nothing

Heard = Mapping[tuple[int, int], set[str]]
"""By segment index and field number: the repetitions of which something was made or told."""


def unheard(message: Message, account: Account, heard: Heard) -> Iterator[Problem]:
    """The finding for each such field, once for all segments of a name, at the first repetition it is true of."""
    found: dict[tuple[str, int], list[str]] = {}
    for (index, number), made in heard.items():
        segment = message.segments[index - 1]
        if not made or account.fate[index] != "mapped" or not account.made.get(index, 0) >> number & 1:
            continue  # nothing was made of any: the whole field is accounted for
        if account.passed.get(index, 0) >> number & 1:
            continue  # it fills gaps only, and others had said it
        if nth := _lost(segment, number, made):
            found.setdefault((segment.name, number), []).append(f"{segment.name}#{index}-{number}[{nth}]")
    for places in found.values():
        yield Problem("field.nothing-made", places[0], args=(("count", str(len(places))),))


def _lost(segment: Segment, number: int, made: set[str]) -> int:
    """The first repetition, from 1, that says something which none of `made` says; 0 where there is none."""
    holding: dict[str, list[frozenset[str]]] = {}
    for raw in made:
        for text in (said := _texts(raw, segment)):
            holding.setdefault(text, []).append(said)
    for nth, raw in enumerate(segment.repetitions(number), start=1):
        if raw in made or raw == NULL or not populated(raw, segment.delimiters):
            continue
        texts = _texts(raw, segment)
        alike = min((holding.get(text, []) for text in texts), key=len, default=[])
        if not any(texts <= other for other in alike) and why_nothing(segment, number, raw) is None:
            return nth
    return 0


def _texts(raw: str, segment: Segment) -> frozenset[str]:
    """What the components and subcomponents of a repetition say, wherever they stand."""
    parts = raw.replace(segment.delimiters.sub, segment.delimiters.component).split(segment.delimiters.component)
    return frozenset(text for part in parts if (text := part.strip().casefold()))
