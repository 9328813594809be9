"""One received message under work: its lane's lease, what it says, and what is to be recorded of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from canonical.problem import Problem, blocking
from hl7 import er7
from hub.exchange.channels import Channel
from hub.exchange.out.forward import Arrived
from hub.exchange.work import reading
from hub.exchange.work.lanes import Lease
from hub.records import merges
from hub.store.database import Row
from mappings.reading.engine import Translation

_KEPT = ("sequence.", "semantic.came-first")
Channels = dict[tuple[UUID, int | None], Channel]


@dataclass(slots=True)
class Work:
    """One message with its lane's lease, its translation, and what is to be recorded of it.

    `last`: none of its lane comes after it, so that the lane is given back when it is recorded (`released`).
    """

    lease: Lease
    row: Row
    last: bool = False
    released: bool = False
    translation: Translation | None = None
    problems: list[Problem] = field(default_factory=list)
    prefix: str = ""
    channel: Channel | None = None
    message: er7.Message | None = None
    stopped: bool = False
    filtered: bool = False

    @property
    def merges(self) -> bool:
        """Whether the message changes who a record is (a merge, a move, another number) and may go on."""
        drafts = self.translation.drafts if self.translation is not None else []
        return any(draft.merge_into or draft.action in merges.ACTIONS for draft in drafts) and not blocking(
            self.problems
        )

    def told(self, problems: Iterable[Problem]) -> str:
        """Findings to be kept of it (JSON), after those that reading it does not find: the order of MSH-13, if let
        pass, and that it came before its record."""
        if reading.broken(self.row["problems"]):
            return str(self.row["problems"])
        kept = json.loads(self.row["problems"]) if any(code in self.row["problems"] for code in _KEPT) else ()
        door = [one for one in kept if one["code"].startswith(_KEPT) and one["severity"] != "error"]
        return json.dumps([*door, *(problem.as_json() for problem in problems)], ensure_ascii=False)

    @property
    def under(self) -> tuple[UUID, int | None]:
        """The channel and its version that the message was received under."""
        return self.row["channel_id"], self.row["channel_version"]

    @property
    def id(self) -> UUID:
        """The message's id."""
        return self.row["id"]  # type: ignore[no-any-return]


def arrived(item: Work, failed: bool) -> Arrived:
    """A message whose fate is decided, for the destinations of its channel."""
    if item.channel is None or item.message is None:
        raise ValueError("not read")
    content = bytes(item.row["content"])
    return Arrived(id=item.id, channel=item.channel, message=item.message, content=content, failed=failed)
