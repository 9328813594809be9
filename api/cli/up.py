"""start everything on this machine: database, Valkey, all doors; Ctrl-C stops cleanly"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING

from api.cli import output
from api.native import build, finder

if TYPE_CHECKING:
    from hub.seed import Keys


def arguments(parser: argparse.ArgumentParser) -> None:
    """Where the data is kept and which ports are used (0: any free one)."""
    parser.add_argument("--data", type=Path, help="data directory (default: .ponte/data beside the launcher)")
    parser.add_argument("--host", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--http-port", type=int, help="port of FHIR, API and console (default 8080)")
    parser.add_argument("--mllp-port", type=int, help="port of the MLLP door (default 2575)")
    parser.add_argument("--json", action="store_true", help="one JSON line when ready")


def run(given: argparse.Namespace) -> int:
    """Run the hub until it is told to stop."""
    from api import supervisor
    from hub.seed import Keys, trial_keys
    from hub.settings import from_environment

    settings = from_environment(os.environ, data=given.data)
    chosen = {n: v for n in ("host", "http_port", "mllp_port") if (v := getattr(given, n)) is not None}
    with supervisor.running(dataclasses.replace(settings, **chosen)) as hub:
        ended = supervisor.listening()
        if given.json:
            output.line(hub.addresses)
        else:
            _welcome(hub.addresses, asyncio.run(trial_keys(hub.settings)) if hub.settings.demo else Keys())
        supervisor.watch(hub, ended)
    return 0


def _welcome(addresses: dict[str, str], keys: Keys) -> None:
    output.say("Ponte is running / Ponte está no ar")
    for name, label in (("console", "console"), ("fhir", "FHIR R4"), ("mllp", "MLLP"), ("api", "API")):
        output.say(f"  {label:<8} {addresses[name]}")
    if tenant := addresses.get("tenant"):
        forgotten = f"as it was changed; forgotten: ./ponte user reset admin --tenant {tenant}"
        output.say(f"  login    console: {tenant} / admin, password {keys.password or forgotten}")
        output.say(f"  token    ./ponte token --tenant {tenant}   (or POST {addresses['token_url']})")
        if keys.secret:
            output.say(f"  client   {tenant}.trial, secret {keys.secret}")
    else:
        output.say("  tenants  ./ponte tenant list; ./ponte tenant add makes one")
    if finder.state(build.FOLDER) == "old":
        output.say("  slower   the sources changed since they were compiled: ./ponte compile")
    output.say("Ctrl-C stops it.")
