"""One door as a process: what `ponte serve` runs."""

from __future__ import annotations

import asyncio
import logging
import resource
import signal
from collections.abc import Awaitable, Callable

import uvloop

from api import logs
from api.doors.board import Board
from api.doors.collector import Collector
from canonical.errors import Misconfigured
from hub.exchange.door.keep import Keeper
from hub.exchange.work import memory, scheduler, worker
from hub.settings import Settings
from hub.world import World, opened

log = logging.getLogger("ponte.serve")
MOST_DESCRIPTORS = 65536


def run(door: str, settings: Settings) -> int:
    """Serve `door` until SIGTERM or SIGINT."""
    if door == "simulators":
        from api.simulators import serve as simulators

        return simulators.run()
    if not settings.database_url:
        raise Misconfigured("set PONTE_DATABASE_URL, or use `ponte up` for the embedded database")
    logs.begin(door, settings.log_format)
    lift_descriptors()
    uvloop.run(_serve(door, settings))
    return 0


def lift_descriptors() -> int:
    """Take as many descriptors as the system lets this process have; returns how many.

    A shell gives 1,024: fewer than the connections one door takes, and HTTP lives of the same ones.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return soft


async def _serve(door: str, settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with opened(settings) as world:
        await DOORS[door](world, stop)


async def _doors(world: World, stop: asyncio.Event) -> None:
    """HTTP, MLLP and scheduler in one process, so that what arrives together commits together."""
    keeper = Keeper(world.database, world.bell.ring)
    board = Board(world, keeper)
    await board.start()
    aside = [
        asyncio.create_task(Collector(world, keeper).follow(stop)),
        asyncio.create_task(board.follow(stop)),
        asyncio.create_task(scheduler.run(world, stop)),
    ]
    try:
        await _http(world, keeper, stop)
    finally:
        stop.set()
        await asyncio.gather(*aside, return_exceptions=True)
        await board.close()


async def _api(world: World, stop: asyncio.Event) -> None:
    await _http(world, Keeper(world.database, world.bell.ring), stop)


async def _mllp(world: World, stop: asyncio.Event) -> None:
    keeper = Keeper(world.database, world.bell.ring)
    board = Board(world, keeper)
    await board.start()
    memory.settle_in(memory.AT_A_DOOR)
    await asyncio.gather(board.follow(stop), Collector(world, keeper).follow(stop))
    await board.close()


async def _http(world: World, keeper: Keeper, stop: asyncio.Event) -> None:
    import uvicorn  # here, so that doors without HTTP start without it

    from api.http.app import create_app

    config = uvicorn.Config(
        create_app(world, keeper),
        host=world.settings.host,
        port=world.settings.http_port,
        log_config=None,  # its own lines would show what an exception says, which may be what somebody sent
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # whose word on who called counts is ours to say (api.http.whence)
        timeout_graceful_shutdown=5,
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]  # ours end all doors together
    memory.settle_in(memory.AT_A_DOOR)
    task = asyncio.create_task(server.serve())
    waiting = asyncio.create_task(stop.wait())
    await asyncio.wait((task, waiting), return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    waiting.cancel()
    await task


async def _worker(world: World, stop: asyncio.Event) -> None:
    memory.settle_in()
    await worker.run(world, stop)


DOORS: dict[str, Callable[[World, asyncio.Event], Awaitable[None]]] = {
    "doors": _doors,
    "api": _api,
    "console": _api,
    "mllp": _mllp,
    "worker": _worker,
    "scheduler": scheduler.run,
}
