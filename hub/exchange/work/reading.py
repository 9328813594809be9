"""What a kept message says when its turn comes: judged as its door does, left out, passed on, or translated.

A replay and its rehearsal read by this one function, so that neither takes what the door would refuse today: a
stranger, a message without the segments its type is about, a frame that did not end.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from canonical.problem import Problem, blocking
from hl7 import er7
from hub.channels import matching
from hub.exchange.answer import late
from hub.exchange.channels import Channel
from hub.exchange.door.receive import broken_table, judge
from mappings.reading.engine import Translation, translate, untouched
from mappings.tables.table import TableError

FRAME = ("er7.cut", "er7.unfinished", "er7.too-large", "er7.too-slow")
"""What only the door saw of a frame: its bytes are not the message, whatever they say, and never become it."""


@dataclass(slots=True, kw_only=True)
class Reading:
    """A message read under its channel; without a translation it is an error. `filtered`: left out by the channel.

    `message` is None where it cannot be read or is refused as its door refuses it: then it goes on to no destination.
    """

    message: er7.Message | None = None
    translation: Translation | None = None
    problems: list[Problem] = field(default_factory=list)
    filtered: bool = False

    @property
    def passes(self) -> bool:
        """Whether it becomes records, goes on, or is left out as declared."""
        return self.translation is not None and (self.filtered or not blocking(self.problems))


def read(raw: bytes, kept: str, channel: Channel | None, prefix: str = "") -> Reading:
    """What `raw`, kept with the findings `kept` (JSON), says under `channel`."""
    if channel is None:
        return Reading(problems=[Problem("message.no-channel", "MSH")])
    if unended := broken(kept):
        return Reading(problems=unended)
    message, judged = judge(raw, channel)
    if message is None or blocking(judged):
        return Reading(problems=judged)
    out = matching.left_out(channel.document, message)
    if out is not None:  # replayed, and left out as the channel says today
        return _untouched(message, [*message.problems, out], filtered=True)
    if not channel.document.records or late.is_acknowledgement(message):  # what is only passed on
        return _untouched(message, message.problems)
    translation = translate(message, zone=channel.zone, prefix=prefix, site=channel.site)
    problems = [*message.problems, *translation.problems]
    return Reading(message=message, translation=translation, problems=problems)


def _untouched(message: er7.Message, problems: Sequence[Problem], *, filtered: bool = False) -> Reading:
    return Reading(message=message, translation=untouched(message), problems=list(problems), filtered=filtered)


def defect(error: Exception) -> Problem:
    """What is said of a message over which a mapping failed: the table at fault, or a defect of the hub itself."""
    return broken_table(error) if isinstance(error, TableError) else Problem("message.defect", "MSH")


def broken(kept: str) -> list[Problem]:
    """The findings (of `kept`, JSON) of a frame that was cut or given up; none for all others."""
    if '"er7.' not in kept:
        return []
    return [Problem(one["code"], one["where"]) for one in json.loads(kept) if one["code"] in FRAME]
