"""A database that hangs: it neither answers nor refuses (its machine stands still, its network swallows what is sent).

A statement that takes long says nothing by itself. While one does, another that costs nothing is asked; where that is
not answered either, all connections are cut off, so that whoever waits is told, and nobody begins until it answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg

from canonical.errors import PonteError, TryLater
from hub.store.lending import Lending

LOOK_SECONDS = 0.5
PATIENT_SECONDS = 6.0
"""A connection used for longer than this is a reason to ask."""
ASK_SECONDS = 2.0
AGAIN_SECONDS = 2.0
"""Between two questions while somebody uses a connection for long and the database answers."""
_LATE_SECONDS = 0.5  # this process itself stood still meanwhile: what was not heard is not held against the database


async def watch(lending: Lending, ask: Callable[[float], Awaitable[object]]) -> None:
    """Look at what is lent until cancelled.

    `ask` puts the question that costs nothing, for so many seconds at most: it raises TimeoutError when nothing came.
    """
    pause = LOOK_SECONDS
    while True:
        await asyncio.sleep(pause)
        pause = LOOK_SECONDS
        if not lending.stopped and lending.longest() < PATIENT_SECONDS:
            continue
        if await hangs(ask):
            lending.cut()
        elif lending.stopped:
            lending.resume()
        else:
            pause = AGAIN_SECONDS


async def hangs(ask: Callable[[float], Awaitable[object]]) -> bool:
    """Whether a question is left without an answer twice: the second goes over a new connection.

    A server that cannot be reached leaves it without an answer too; one that says no has answered.
    """
    unanswered = 0
    loop = asyncio.get_running_loop()
    while unanswered < 2:
        began = loop.time()
        try:
            await ask(ASK_SECONDS)
            return False
        except TimeoutError:
            unanswered += loop.time() - began < ASK_SECONDS + _LATE_SECONDS
        except (PonteError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            if not isinstance(error, TryLater) or error.code != "store.down":
                return False
            unanswered += 1
    return True
