"""What follows a delivery's reply, and what a job does: registered by name, so that queues know no business.

A reply handler runs in the transaction that records the delivery as done; a job runs in its own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from hub.exchange.partners import Partner
from hub.store.database import Transaction
from hub.world import Tenant, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A partner's answer: the exact bytes, kept under `message_id`, and the delivery it answers with its purpose."""

    content: bytes
    message_id: UUID
    delivery_id: UUID
    partner: Partner
    operation: str
    purpose: dict[str, Any]


ReplyHandler = Callable[[World, Tenant, Transaction, Reply], Awaitable[None]]
Job = Callable[[World, Tenant, dict[str, Any]], Awaitable[str]]
REPLIES: dict[str, ReplyHandler] = {}
JOBS: dict[str, Job] = {}


def on_reply(operation: str) -> Callable[[ReplyHandler], ReplyHandler]:
    """Register the handler of an operation's replies."""

    def register(function: ReplyHandler) -> ReplyHandler:
        REPLIES[operation] = function
        return function

    return register


def job(name: str) -> Callable[[Job], Job]:
    """Register a job under the name schedules use; it returns one line about what it did (no patient data)."""

    def register(function: Job) -> Job:
        JOBS[name] = function
        return function

    return register
