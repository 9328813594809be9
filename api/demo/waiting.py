"""Waiting for what workers do by themselves: a question asked again until it is answered or time is up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from api.demo.trial import Trial
from canonical.errors import TryLater
from hub.exchange.work import jobs
from hub.operate.books import billed

PAUSE = 0.1


async def until(question: Callable[[], Awaitable[bool]], seconds: float) -> bool:
    """Whether the question was answered with yes in time."""
    deadline = time.monotonic() + seconds
    while not await question():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(PAUSE)
    return True


async def job(trial: Trial, name: str, seconds: float = 60, **arguments: Any) -> str:
    """Queue a job as a schedule would, and return what the worker that ran it said; raises TryLater."""
    async with trial.world.transaction(trial.tenant) as tx:
        identity = await jobs.enqueue(tx, name, arguments)
    status, said = "", ""

    async def ended() -> bool:
        nonlocal status, said
        async with trial.world.transaction(trial.tenant) as tx:
            status, said = await billed.job_outcome(tx, identity)
        return status not in ("QUEUED", "")

    if not await until(ended, seconds) or status != "DONE":
        raise TryLater(f"the job {name} ended as {status or 'unknown'}: {said}")
    return said


async def control(trial: Trial, path: str) -> dict[str, Any]:
    """What a simulator says it really received; raises TryLater when there is none."""
    if trial.hub.simulators is None:
        raise TryLater("no simulators run")
    answer = await trial.client.get(f"{trial.hub.simulators.http}{path}")
    if answer.status_code != 200:
        raise TryLater(f"the simulator answered {answer.status_code}")
    return dict(answer.json())


async def payer_books(trial: Trial) -> dict[str, dict[str, Any]]:
    """The simulated payers' books by registro ANS."""
    return {book["ans"]: book for book in (await control(trial, "/control/received"))["payers"]}
