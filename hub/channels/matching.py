"""What a channel decides about a message: whose it is, whether a filter leaves it out, which lane it waits in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Literal

from canonical.identity import number
from canonical.problem import Problem
from hl7.er7 import Message
from hub.channels.document import Condition, Document

PATIENT = "patient"
FILTERED = "message.filtered"
_LANES = {
    PATIENT: ("PID-3", "PID-2", "PID-4"),
    "visit": ("PV1-19", "PID-18", "PV1-50"),
    "order": ("ORC-3", "OBR-3", "ORC-2", "OBR-2"),
    "channel": (),
}


def stranger(document: Document, message: Message) -> Problem | None:
    """A finding when the message does not come from whom the channel expects (MSH-3, MSH-4)."""
    expected = document.sender
    for place, patterns in ((3, expected.applications), (4, expected.facilities)):
        if patterns and not _like(_names(message, place), patterns):
            return Problem("sender.unknown", f"MSH-{place}")
    return None


def decision(document: Document, message: Message) -> Literal["take", "skip"]:
    """Whether the filters take the message; the first that applies decides."""
    return "take" if left_out(document, message) is None else "skip"


def left_out(document: Document, message: Message) -> Problem | None:
    """The finding that names the filter which leaves the message out, by its number and name; None when it is taken."""
    if not document.filters:
        return None
    for nth, one in enumerate(document.filters, start=1):
        if applies(one, message):
            said = f"{nth} ({one.name})" if one.name else str(nth)
            return None if one.action == "take" else Problem(FILTERED, one.field or "MSH-9", args=(("filter", said),))
    wanted = any(one.action == "take" for one in document.filters)
    return Problem(f"{FILTERED}.not-taken", "MSH-9") if wanted else None


def applies(condition: Condition, message: Message) -> bool:
    """Whether everything the condition says holds."""
    if condition.types and not _of_type(message.type, condition.types):
        return False
    if condition.applications and not _like(_names(message, 3), condition.applications):
        return False
    if condition.facilities and not _like(_names(message, 4), condition.facilities):
        return False
    return not condition.field or _holds(condition, list(values(message, condition.field)))


def _holds(condition: Condition, found: list[str]) -> bool:
    """One operator on all values of the place; `differs` wants none of them equal."""
    if condition.present is not None:
        return any(found) is condition.present
    if condition.differs:
        return condition.differs not in found
    if condition.begins:
        return any(value.startswith(condition.begins) for value in found)
    return any(value in (condition.among or (condition.equals,)) for value in found)


def values(message: Message, place: str) -> Iterator[str]:
    """Every value at a place (`PV1-3.4`): all segments of that name, all repetitions of the field."""
    segment_name, _, rest = place.partition("-")
    field, _, component = rest.partition(".")
    for segment in message.named(segment_name):
        for repetition in range(len(segment.repetitions(int(field)))):
            if text := segment.text(int(field), int(component or 1), repetition=repetition):
                yield text


def lane_value(document: Document, message: Message | None) -> str:
    """What keeps the message in order with others; empty for the channel's own lane."""
    if message is None:
        return ""
    for segment, field, component in _lane_places(document.lane):
        found = message.text(segment, field, component)
        if found and found != '""':
            return found
    return ""


@lru_cache(maxsize=256)
def _lane_places(lane: str) -> tuple[tuple[str, int, int], ...]:
    """Where a lane's value may stand, the first choice first: segment, field and component."""
    kind, _, place = lane.partition(":")
    found = []
    for one in (place,) if place else _LANES[kind]:
        segment, _, rest = one.partition("-")
        field, _, component = rest.partition(".")
        found.append((segment, int(field), int(component or 1)))
    return tuple(found)


def lane_of(channel: str, document: Document, message: Message | None) -> int:
    """The lane a message of a channel (its id) waits in."""
    return lane_number(channel, lane_value(document, message))


def lane_number(channel: str, value: str) -> int:
    """The lane of a channel (its id) that keeps the messages with one value in order."""
    return number("inbound", channel, value)


def _of_type(found: str, wanted: Iterable[str]) -> bool:
    return any(found == one or fnmatchcase(found, one) or found.partition("^")[0] == one for one in wanted)


def _names(message: Message, place: int) -> list[str]:
    """The components of an HD field: namespace and universal id both name the sender."""
    return [message.header.text(place, component) for component in (1, 2)]


def _like(found: Iterable[str], patterns: Iterable[str]) -> bool:
    return any(name and fnmatchcase(name, pattern) for name in found for pattern in patterns)
