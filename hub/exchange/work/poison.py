"""A message that fails for a defect, not for its data: tried as often as its channel says, then given up.

While it is tried its lane waits and no other does. Given up, it stands among the errors with the reason, and its lane
goes on or stops until someone resumes it, as the channel says. After the mending a replay works it again.

One that ends the process which works it (memory, a fault of a library) cannot be told by it. Its lane was not given
back, and others with it: their first messages are then begun one by one, each counted before, and the one over which
this happens MOST_BEGUN times is given up unread.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal
from uuid import UUID

from canonical.problem import Problem, json_of
from hub.channels.document import Poison
from hub.exchange.work import lanes
from hub.exchange.work.lanes import Lease
from hub.store.database import Transaction

REASON = "message.defect"
MOST_BEGUN = 3
"""How often a message is begun by itself, after a worker ended with its lane in hand."""
Met = Literal["again", "goes-on", "stops"]


async def met(tx: Transaction, held: Lease, message: UUID, policy: Poison, problems: Sequence[Problem]) -> Met:
    """Count a failed attempt: the message is tried `again`, or given up and its lane `goes-on` or `stops`.

    Raises LeaseLost.
    """
    attempt = await tx.value(
        "UPDATE message SET attempt = attempt + 1 WHERE tenant_id = $1 AND id = $2 RETURNING attempt", message
    )
    if attempt < policy.attempts:
        await lanes.back_off(tx, held, REASON, lanes.delay(attempt))
        return "again"
    return await given_up(tx, held, message, policy, problems)


async def given_up(tx: Transaction, held: Lease, message: UUID, policy: Poison, problems: Sequence[Problem]) -> Met:
    """Set a message among the errors with `problems`; its lane `goes-on` or `stops`. Raises LeaseLost."""
    await lanes.acknowledge(tx, [(held, 1)])
    await tx.run(
        "UPDATE message SET status = 'ERROR', problems = $3, finished_at = now() WHERE tenant_id = $1 AND id = $2",
        message,
        json_of(problems),
    )
    if policy.then == "pause":
        await lanes.pause(tx, held, REASON)
    return "stops" if policy.then == "pause" else "goes-on"


async def begun(tx: Transaction, message: UUID) -> None:
    """Count that a message is begun by itself; to be committed before it is read."""
    await tx.run("UPDATE message SET attempt = attempt + 1 WHERE tenant_id = $1 AND id = $2", message)


def deadly(kept: str) -> bool:
    """Whether findings (JSON) say that a message was given up unread; no process that serves others may read it."""
    return f'"{lanes.ABANDONED}"' in kept
