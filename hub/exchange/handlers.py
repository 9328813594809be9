"""What follows a delivery's reply, and what a job does: registered by name, so that queues know no business.

A reply handler runs in the transaction that records the delivery as done; a job runs in its own. `load` imports the
rooms that register themselves: every module of the packages in `_SCANNED`, and those named in `_ROOMS`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from hub.exchange.partners import Partner
from hub.store.database import Transaction
from hub.world import Tenant, World

_ROOMS = (
    "hub.exchange.work.awaited",
    "hub.exchange.work.overdue",
    "hub.exchange.work.upkeep",
    "hub.records.reindex",
    "hub.records.words",
    "hub.retention.run",
)
_SCANNED = ("hub.billing", "hub.bulk", "hub.requests", "hub.rnds", "hub.subscriptions", "hub.watch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A partner's answer: the exact bytes, kept under `message_id`, and the delivery it answers with its purpose.

    `accepted` is False when the transport itself could read a refusal in it (an HL7 AE); `reconciled` is True when
    the answer came from asking about a delivery in doubt.
    """

    content: bytes
    message_id: UUID
    delivery_id: UUID
    partner: Partner
    operation: str
    purpose: dict[str, Any]
    accepted: bool = True
    reconciled: bool = False


class Ask(Protocol):
    """Sends a question over the delivery's transport, to the address of `operation`, and returns the answer's bytes."""

    async def __call__(self, content: bytes, action: str = "", operation: str = "") -> bytes:
        """`action` is the SOAPAction; without an operation the question goes where the delivery goes."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A delivery whose last sending ended without an answer: the partner may or may not have it."""

    content: bytes
    delivery_id: UUID
    partner: Partner
    operation: str
    purpose: dict[str, Any]
    ask: Ask


ReplyHandler = Callable[[World, Tenant, Transaction, Reply], Awaitable[None]]
Reconcile = Callable[[World, Tenant, Doubt], Awaitable[bytes | None]]
Job = Callable[[World, Tenant, dict[str, Any]], Awaitable[str]]
GivenUp = Callable[[World, Tenant, Transaction, Partner, str], Awaitable[None]]
Written = Callable[[Transaction, dict[str, Any]], Awaitable[None]]
REPLIES: dict[str, ReplyHandler] = {}
WRITTEN: dict[str, Written] = {}
GIVEN_UP: dict[str, GivenUp] = {}
RECONCILE: dict[str, Reconcile] = {}
JOBS: dict[str, Job] = {}


def on_reply(operation: str) -> Callable[[ReplyHandler], ReplyHandler]:
    """Register the handler of an operation's replies, or of a topic's.

    A delivery whose purpose names a `topic` is answered to the handler of that topic: one operation of a partner may
    serve several rooms of the hub.
    """

    def register(function: ReplyHandler) -> ReplyHandler:
        REPLIES[operation] = function
        return function

    return register


def on_written(operation: str) -> Callable[[Written], Written]:
    """Register what follows when an operation's message, or a topic's, was left as a file: nobody answers that.

    It is called with the delivery's purpose, in the transaction that records the delivery as done.
    """

    def register(function: Written) -> Written:
        WRITTEN[operation] = function
        return function

    return register


def on_giving_up(kind: str) -> Callable[[GivenUp], GivenUp]:
    """Register what follows when a delivery to a partner of a kind ends dead or refused; it is called with the code."""

    def register(function: GivenUp) -> GivenUp:
        GIVEN_UP[kind] = function
        return function

    return register


def topic(operation: str, purpose: dict[str, Any]) -> str:
    """The name under which a delivery's replies are handled."""
    return str(purpose.get("topic") or operation)


def reconcile(operation: str) -> Callable[[Reconcile], Reconcile]:
    """Register what is asked before a delivery (by operation or topic) in doubt is sent again.

    The function returns the answer the partner already gave (the delivery is then done with it, nothing is sent),
    or None when the partner surely has nothing; it raises TryLater when it cannot know.
    """

    def register(function: Reconcile) -> Reconcile:
        RECONCILE[operation] = function
        return function

    return register


def job(name: str) -> Callable[[Job], Job]:
    """Register a job under the name schedules use; it returns one line about what it did (no patient data)."""

    def register(function: Job) -> Job:
        JOBS[name] = function
        return function

    return register


def load() -> None:
    """Import every room that registers handlers; a process that works lanes calls this once."""
    for room in _ROOMS:
        importlib.import_module(room)
    for name in _SCANNED:
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            importlib.import_module(module.name)
