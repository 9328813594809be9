"""Runs a whole hub on one machine: servers, migration, then the doors as child processes that are kept alive."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from canonical.errors import Misconfigured
from hub import runfile
from hub.seed import seed
from hub.servers import postgres, process, valkey
from hub.settings import Settings, prepare_folders
from hub.store import migrate

READY_SECONDS = 60


@dataclass(slots=True)
class Hub:
    """A running hub: its settings with real addresses, and its child processes by name."""

    settings: Settings
    environment: Mapping[str, str]
    children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def addresses(self) -> dict[str, str]:
        """What `up --json` prints."""
        base = self.settings.base_url
        return {
            "fhir": f"{base}/fhir",
            "api": f"{base}/api/v1",
            "mllp": f"{self.settings.host}:{self.settings.mllp_port}",
            "console": f"{base}/",
            "tenant": "demo",
            "token_url": f"{base}/oauth/token",
        }


@contextlib.contextmanager
def running(settings: Settings) -> Iterator[Hub]:
    """A hub that is ready to serve; everything it started ends with the block. Raises Misconfigured."""
    prepare_folders(settings)
    settings = _with_ports(settings)
    with contextlib.ExitStack() as stack:
        settings = _servers(settings, stack)
        asyncio.run(seed(settings))
        hub = Hub(settings, _environment(settings))
        stack.callback(_stop_children, hub)
        for name, command in _doors(settings).items():
            _start(hub, name, command)
        _await_ready(hub)
        facts = {**hub.addresses, "database_url": settings.database_url, "redis_url": settings.redis_url}
        runfile.write(settings, facts)
        stack.callback(runfile.remove, settings)
        yield hub


def watch(hub: Hub) -> None:
    """Keep the children alive until SIGINT or SIGTERM; one that dies is started again after a pause."""
    ended: list[int] = []
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, lambda number, _frame: ended.append(number))
    commands = _doors(hub.settings)
    while not ended:
        time.sleep(0.2)
        for name, child in list(hub.children.items()):
            if child.poll() is not None and not ended:
                sys.stderr.write(f"ponte: {name} ended with {child.returncode}; starting it again\n")
                time.sleep(0.5)
                _start(hub, name, commands[name])


def _with_ports(settings: Settings) -> Settings:
    """Port 0 means any free one; a taken port is said in one sentence."""
    chosen = {}
    for name in ("http_port", "mllp_port"):
        port = getattr(settings, name)
        if port == 0:
            chosen[name] = process.free_port(settings.host)
            continue
        with contextlib.closing(socket.socket()) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((settings.host, port))
            except OSError as error:
                option = "--" + name.replace("_", "-")
                raise Misconfigured(
                    f"port {port} on {settings.host} cannot be used ({error.strerror}); choose another with {option}"
                ) from None
    return dataclasses.replace(settings, **chosen)  # type: ignore[arg-type]


def _servers(settings: Settings, stack: contextlib.ExitStack) -> Settings:
    if not settings.database_url:
        cluster = stack.enter_context(postgres.running(settings))
        asyncio.run(migrate.make_roles(cluster, settings))
        settings = dataclasses.replace(
            settings, database_url=cluster.application_url, owner_database_url=cluster.owner_url
        )
    if settings.owner_database_url:
        asyncio.run(migrate.upgrade(settings.owner_database_url, settings.database_url))
    if not settings.redis_url:
        settings = dataclasses.replace(settings, redis_url=stack.enter_context(valkey.running(settings)))
    return settings


def _environment(settings: Settings) -> dict[str, str]:
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
    return environment


def _doors(settings: Settings) -> dict[str, list[str]]:
    base = [sys.executable, "-X", "utf8", "-m", "api.cli", "serve"]
    doors = {"doors": [*base, "doors"]}
    for number in range(1, settings.workers + 1):
        doors[f"worker-{number}"] = [*base, "worker"]
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
    deadline = time.monotonic() + READY_SECONDS
    url = f"http://{hub.settings.host}:{hub.settings.http_port}/health/ready"
    while time.monotonic() < deadline:
        for name, child in hub.children.items():
            if child.poll() is not None:
                raise Misconfigured(f"{name} did not start; see {hub.settings.logs / (name + '.log')}")
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2) as answer:
            if answer.status == 200:
                return
        time.sleep(0.05)
    raise Misconfigured(f"the hub was not ready within {READY_SECONDS} seconds; see {hub.settings.logs}")
