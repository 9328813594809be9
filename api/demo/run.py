"""Runs the demonstration: a hub on a scratch folder, the day sent to it, and each step's own checks."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import logging
import os
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import httpx

from api import supervisor
from api.demo import day, faults
from api.demo.parts import Payer
from api.demo.people import people
from api.demo.screen import Screen
from api.demo.step import Step
from api.demo.steps import STEPS
from api.demo.trial import StepFunction, Trial
from canonical.errors import PonteError
from hub.exchange.partners import partners_of
from hub.exchange.work import usual
from hub.operate import agenda
from hub.settings import Settings
from hub.world import Tenant, World, opened

log = logging.getLogger("ponte.demo")
SEED = 20261122
PEOPLE_OF_FAULTS = 12


def run(screen: Screen, *, seed: int = SEED) -> list[Step]:
    """All steps of the demonstration; a step that failed ends it, the rest is then missing."""
    start = time.monotonic()
    begun = Step("hub", "A hub of its own starts: PostgreSQL, Valkey, doors, workers, simulators")
    screen.begin(begun)
    steps = [begun]
    with _scratch() as settings:
        try:
            with supervisor.running(settings) as hub:
                begun.true("every child process runs", all(c.poll() is None for c in hub.children.values()))
                begun.seconds = time.monotonic() - start
                screen.end(begun)
                steps += asyncio.run(_steps(hub, screen, seed))
            begun.true("nothing of the hub is left running", all(c.poll() is not None for c in hub.children.values()))
        except PonteError as error:
            begun.failure = "; ".join([error.text, *_last_words(settings)])
            screen.end(begun)
    return steps


def _last_words(settings: Settings) -> list[str]:
    """The last line of each log, since the folder is gone when somebody wants to look; logs hold no patient data."""
    found = []
    for path in sorted(settings.logs.glob("*.log")):
        lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        found += [f"{path.stem}: {lines[-1][:300]}"] if lines else []
    return found


@contextlib.contextmanager
def _scratch() -> Iterator[Settings]:
    """Settings on a folder that is removed; free ports; loopback simulators may be reached."""
    with tempfile.TemporaryDirectory(prefix="ponte-demo-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)  # the database server's own account must be able to enter
        before = os.environ.get("PONTE_HOME")
        os.environ["PONTE_HOME"] = name
        try:
            yield Settings(data=Path(name) / "data", http_port=0, mllp_port=0)
        finally:
            if before is None:
                os.environ.pop("PONTE_HOME", None)
            else:
                os.environ["PONTE_HOME"] = before


async def _steps(hub: supervisor.Hub, screen: Screen, seed: int) -> list[Step]:
    done: list[Step] = []
    async with _trial(hub, screen, seed) as trial:
        for name, title, function in STEPS:
            step = Step(name, title)
            done.append(step)
            screen.begin(step)
            start = time.monotonic()
            await _guarded(function, trial, step)
            step.seconds = time.monotonic() - start
            screen.end(step)
            if step.failure:
                break
    return done


async def _guarded(function: StepFunction, trial: Trial, step: Step) -> None:
    """A step that cannot go on says why, by kind and code: texts of foreign errors may hold a patient's data."""
    try:
        await function(trial, step)
    except PonteError as error:
        step.failure = f"{error.code}: {error.text}"
    except Exception as error:  # whatever it was, the demonstration must end with a sentence
        step.failure = f"{type(error).__name__} at {_place(error)}"


def _place(error: BaseException) -> str:
    """The innermost place in our own code."""
    found, trace = "?", error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if "/site-packages/" not in code.co_filename:
            found = f"{Path(code.co_filename).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return found


async def rest(world: World, tenant: Tenant) -> None:
    """The steps start the business's jobs themselves: one that the clock started in between (batches close at eight in
    the evening) would find half a day, and answers the steps do not expect."""
    for one in usual.kit(usual.PAYER):
        await agenda.switch(world, tenant, "demo", one.name, active=False)


@contextlib.asynccontextmanager
async def _trial(hub: supervisor.Hub, screen: Screen, seed: int) -> AsyncIterator[Trial]:
    limits = httpx.Limits(max_connections=8)
    async with (
        opened(hub.settings, size=4) as world,
        httpx.AsyncClient(base_url=hub.settings.base_url, timeout=30, limits=limits, trust_env=False) as client,
    ):
        tenant = await world.tenant("demo")
        async with world.transaction(tenant) as tx:
            payers = [Payer(ans=partner.code, name=partner.name) for partner in await partners_of(tx, "payer")]
        await rest(world, tenant)
        now = world.now().astimezone(ZoneInfo(tenant.zone)).replace(tzinfo=None, microsecond=0)
        yesterday = now.date() - datetime.timedelta(days=1)
        others = people(Random(seed + 1), PEOPLE_OF_FAULTS, yesterday)  # noqa: S311  (invents data)
        renumbered = faults.renumber(others)
        yield Trial(
            hub=hub,
            world=world,
            tenant=tenant,
            client=client,
            screen=screen,
            day=day.make(seed, yesterday, payers or [Payer(ans="000000", name="sem operadora")]),
            faults=faults.make(renumbered, now - datetime.timedelta(hours=1)),
        )
