"""A message as it goes out: stamped, built, checked and signed; or blocked, with the findings that say why."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from canonical.errors import Misconfigured
from canonical.problem import Problem, blocking
from hub.billing.check import checking
from hub.billing.message import messages, signing
from hub.billing.profiles import PayerProfile
from hub.store.database import Transaction
from hub.world import Tenant, World
from tiss.wire import epilogo, soap
from tiss.wire import message as tiss_message
from tiss.wire.build import UnknownElement

_TOLD = ("batch.", "signature.")  # what these codes say is meant for the biller


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """The exact bytes (None when blocked), their hash and transaction number, and the findings."""

    content: bytes | None
    hash: str
    sequence: int
    problems: tuple[Problem, ...]


async def seal(
    world: World, tenant: Tenant, tx: Transaction, profile: PayerProfile, made: tuple[str, dict[str, Any]]
) -> Sealed:
    """Seal (transaction, body) for a payer; a blocking finding, a missing login or certificate blocks."""
    sequence, stated = 0, ""
    try:
        mark = await messages.stamp(world, tenant, tx, profile)
        sequence = mark.sequence
        # off the event loop: a hundred guides are tenths of a second of work
        raw = await asyncio.to_thread(messages.request, profile, *made, mark)
        stated = hash_of(raw)
        problems = await asyncio.to_thread(checking.findings, raw, profile, mark.at.date())
        content = None if blocking(problems) else await signing.signed(world, tx, profile, raw)
        if content is not None and content != raw and (grown := checking.too_large(content, profile)):
            problems = [*(problem for problem in problems if problem.code != grown[0].code), *grown]
            content = None if blocking(grown) else content
    except UnknownElement as error:
        content, problems = None, [Problem("guide.mapping", str(error))]
    except Misconfigured as error:
        content, problems = None, [Problem(error.code if error.code.startswith(_TOLD) else "batch.no-login")]
    return Sealed(content=content, hash=stated, sequence=sequence, problems=tuple(problems))


def stated_in(travelling: bytes) -> str:
    """The hash of a message as it travels, within an envelope or bare."""
    found = soap.read(travelling)
    return hash_of(found.content) if isinstance(found, soap.Body) else ""


def hash_of(raw: bytes) -> str:
    """The hash a message carries."""
    found = tiss_message.read(raw)
    return "" if isinstance(found, Problem) else epilogo.stated(found.root)
