"""Where a hub runs on this machine: its data directory and its ports, checked before anything starts."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import hashlib
import os
import shutil
import socket
import time
from pathlib import Path

from api.simulators.rnds import keys
from canonical.errors import Misconfigured
from hub import runfile
from hub.seed import Simulators
from hub.servers import process
from hub.settings import Settings, default_data, prepare_folders

SYSTEM_DATA = Path("/var/lib/ponte")
FREE_TO_BEGIN = 250 * 1024 * 1024
FREE_TO_GO_ON = 32 * 1024 * 1024
PATIENCE_SECONDS = 15.0


def prepared(settings: Settings) -> Settings:
    """Settings whose data directory exists and can be used; raises Misconfigured.

    As root the database server runs under an account of its own. Where that account cannot enter the default data
    directory (a private home), the data lies under /var/lib/ponte instead; a chosen directory is never moved.
    """
    if not settings.database_url and settings.data == default_data(os.environ).resolve():
        account = process.server_account()
        if not process.reachable(settings.data, account):
            mark = hashlib.sha256(str(settings.data).encode()).hexdigest()[:12]
            settings = dataclasses.replace(settings, data=SYSTEM_DATA / mark)
    prepare_folders(settings)
    needed = FREE_TO_GO_ON if settings.database_url or (settings.data / "postgres").exists() else FREE_TO_BEGIN
    if shutil.disk_usage(settings.data).free < needed:
        size = needed // (1024 * 1024)
        raise Misconfigured(f"the disk of {settings.data} is full: at least {size} MB must be free")
    if not os.access(settings.data, os.W_OK):
        raise Misconfigured(f"cannot write the data directory {settings.data}")
    return settings


def with_ports(settings: Settings) -> Settings:
    """Port 0 means any free one; a taken port is said in one sentence."""
    chosen = {}
    deadline = time.monotonic() + (PATIENCE_SECONDS if runfile.stale(settings) else 0)
    for name in ("http_port", "mllp_port"):
        port = getattr(settings, name)
        if port == 0:
            chosen[name] = process.free_port(settings.host)
            continue
        while (reason := _taken(settings.host, port)) is not None:
            if time.monotonic() >= deadline:
                option = "--" + name.replace("_", "-")
                raise Misconfigured(
                    f"port {port} on {settings.host} cannot be used ({reason}); choose another with {option}"
                )
            time.sleep(0.1)  # the doors of a hub that was killed are still closing
    return dataclasses.replace(settings, **chosen)  # type: ignore[arg-type]


def _taken(host: str, port: int) -> str | None:
    """Why a port cannot be listened on; None when it can."""
    with contextlib.closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            return getattr(error, "strerror", None) or "no such port"
    return None


def simulators(settings: Settings) -> Simulators:
    """Free loopback ports for the simulated partners, and TLS files for those that need them."""
    ports: set[int] = set()
    while len(ports) < 5:
        ports.add(process.free_port())
    http, lab, results, auth, ehr = ports
    folder = settings.data / "simulators" / "rnds"
    keys.prepare(folder, datetime.datetime.now(datetime.UTC))
    return Simulators(
        http=f"http://127.0.0.1:{http}",
        lab_host="127.0.0.1",
        lab_port=lab,
        results_port=results,
        rnds_auth=f"https://127.0.0.1:{auth}/api",
        rnds_ehr=f"https://127.0.0.1:{ehr}/api",
        rnds_folder=str(folder),
    )


def port_of(url: str) -> int:
    """The port of a base address."""
    return int(url.rpartition(":")[2].partition("/")[0])
