"""Runs a whole hub on one machine: servers, migration, then the doors as child processes that are kept alive."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from api import places
from api.simulators import config as simulated
from canonical.errors import Misconfigured, PonteError
from hub import runfile
from hub.seed import Simulators, seed
from hub.servers import postgres, process, valkey
from hub.settings import Settings
from hub.store import migrate

READY_SECONDS = 120
"""A door that dies is told at once; this is for a machine that is slow or busy."""


@dataclass(slots=True, kw_only=True)
class Server:
    """An embedded server: its process at this moment, and how to start it again."""

    process: Callable[[], subprocess.Popen[bytes]]
    revive: Callable[[], None]


@dataclass(slots=True)
class Hub:
    """A running hub: its settings with real addresses, its child processes by name, its embedded servers."""

    settings: Settings
    environment: Mapping[str, str]
    children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    servers: dict[str, Server] = field(default_factory=dict)
    simulators: Simulators | None = None

    @property
    def addresses(self) -> dict[str, str]:
        """What `up --json` prints."""
        base = self.settings.base_url
        return {
            "fhir": f"{base}/fhir",
            "api": f"{base}/api/v1",
            "mllp": f"{self.settings.host}:{self.settings.mllp_port}",
            "console": f"{base}/",
            **({"tenant": "demo"} if self.settings.demo else {}),
            "token_url": f"{base}/oauth/token",
        }


@contextlib.contextmanager
def running(settings: Settings) -> Iterator[Hub]:
    """A hub that is ready to serve; everything it started ends with the block. Raises Misconfigured."""
    with contextlib.ExitStack() as stack:
        try:
            hub = _start_all(settings, stack)
        except OSError as error:
            raise Misconfigured(f"cannot start in {settings.data}: {error.strerror}") from None
        yield hub


def _start_all(settings: Settings, stack: contextlib.ExitStack) -> Hub:
    settings = places.prepared(settings)
    settings = places.with_ports(settings)
    servers: dict[str, Server] = {}
    settings = _servers(settings, servers, stack)
    simulators = places.simulators(settings) if settings.demo and settings.simulators else None
    asyncio.run(seed(settings, simulators))
    hub = Hub(settings, _environment(settings, simulators), servers=servers, simulators=simulators)
    stack.callback(_stop_children, hub)
    for name, command in _doors(hub).items():
        _start(hub, name, command)
    _await_ready(hub)
    facts = {**hub.addresses, "database_url": settings.database_url, "redis_url": settings.redis_url}
    if simulators is not None:
        facts |= {f"simulators_{name}": str(value) for name, value in dataclasses.asdict(simulators).items()}
    runfile.write(settings, facts)
    stack.callback(runfile.remove, settings)
    return hub


def listening() -> list[int]:
    """The signals that told this process to end, empty until one comes: it is taken note of, and interrupts nothing.

    To be called before the hub is said to run: whoever hears that may end it at once.
    """
    ended: list[int] = []
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, lambda number, _frame: ended.append(number))
    return ended


def watch(hub: Hub, ended: list[int]) -> None:
    """Keep servers and children alive until `ended` holds a signal; what dies is started again after a pause."""
    commands = _doors(hub)
    while not ended:
        time.sleep(0.2)
        for name, server in hub.servers.items():
            if not ended and server.process().poll() is not None:
                _revive(name, server)
        for name, child in list(hub.children.items()):
            if child.poll() is not None and not ended:
                _start_again(hub, name, child.returncode, commands[name])


def _start_again(hub: Hub, name: str, code: int, command: list[str]) -> None:
    sys.stderr.write(f"ponte: {name} ended with {code}; starting it again\n")
    time.sleep(0.5)
    _start(hub, name, command)


def _revive(name: str, server: Server) -> None:
    sys.stderr.write(f"ponte: {name} ended with {server.process().returncode}; starting it again\n")
    try:
        server.revive()
    except PonteError as error:
        sys.stderr.write(f"ponte: {error.text}\n")
        time.sleep(1)


def _servers(settings: Settings, servers: dict[str, Server], stack: contextlib.ExitStack) -> Settings:
    if not settings.database_url:
        cluster = stack.enter_context(postgres.running(settings))
        place = settings
        servers["PostgreSQL"] = Server(process=lambda: cluster.process, revive=lambda: postgres.revive(cluster, place))
        asyncio.run(migrate.make_roles(cluster, settings))
        settings = dataclasses.replace(
            settings, database_url=cluster.application_url, owner_database_url=cluster.owner_url
        )
    if settings.owner_database_url:
        asyncio.run(migrate.upgrade(settings.owner_database_url, settings.database_url))
    if not settings.redis_url:
        cache = stack.enter_context(valkey.started(settings))
        home = settings
        servers["Valkey"] = Server(process=lambda: cache.process, revive=lambda: valkey.revive(cache, home))
        settings = dataclasses.replace(settings, redis_url=cache.url)
    return settings


def _environment(settings: Settings, simulators: Simulators | None) -> dict[str, str]:
    environment = dict(os.environ)
    environment.update(
        PONTE_DATA=str(settings.data),
        PONTE_DATABASE_URL=settings.database_url,
        PONTE_REDIS_URL=settings.redis_url,
        PONTE_HTTP_PORT=str(settings.http_port),
        PONTE_MLLP_PORT=str(settings.mllp_port),
        PONTE_HOST=settings.host,
        PYTHONPATH=str(Path(__file__).resolve().parent.parent),
    )
    environment.pop("PONTE_OWNER_DATABASE_URL", None)
    if simulators is not None:
        config = simulated.Config(
            http_port=places.port_of(simulators.http),
            lab_port=simulators.lab_port,
            results_host=settings.host,
            results_port=simulators.results_port,
            rnds_auth_port=places.port_of(simulators.rnds_auth),
            rnds_ehr_port=places.port_of(simulators.rnds_ehr),
            rnds_folder=simulators.rnds_folder,
        )
        environment[simulated.VARIABLE] = config.as_json()
    return environment


def _doors(hub: Hub) -> dict[str, list[str]]:
    base = [sys.executable, "-X", "utf8", "-m", "api.cli", "serve"]
    doors = {"doors": [*base, "doors"]}
    for number in range(1, hub.settings.worker_count + 1):
        doors[f"worker-{number}"] = [*base, "worker"]
    if hub.simulators is not None:
        doors["simulators"] = [*base, "simulators"]
    return doors


def _start(hub: Hub, name: str, command: list[str]) -> None:
    log = hub.settings.logs / f"{name}.log"
    hub.children[name] = process.spawn(command, environment=hub.environment, log=log)


def _stop_children(hub: Hub) -> None:
    for child in hub.children.values():
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
    for child in hub.children.values():
        process.stop(child, signal.SIGTERM, 10)


def _await_ready(hub: Hub) -> None:
    """Wait for the doors. One that ends by itself says that it cannot start; one that is killed (a worker by the first
    message it meets, by want of memory) is started again, as later: the others need not go without.
    """
    wanted = [f"http://{hub.settings.host}:{hub.settings.http_port}/health/ready"]
    if hub.simulators is not None:
        wanted.append(f"{hub.simulators.http}/health")
    deadline = time.monotonic() + READY_SECONDS
    while wanted and time.monotonic() < deadline:
        for name, child in list(hub.children.items()):
            code = child.poll()
            if code is not None and code < 0:
                _start_again(hub, name, code, _doors(hub)[name])
            elif code is not None:
                raise Misconfigured(f"{name} did not start; see {hub.settings.logs / (name + '.log')}")
        wanted = [url for url in wanted if not _answers(url)]
        time.sleep(0.05 if wanted else 0)
    if wanted:
        raise Misconfigured(f"the hub was not ready within {READY_SECONDS} seconds; see {hub.settings.logs}")


def _answers(url: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310  (our own address)
        return bool(answer.status == 200)
    return False
