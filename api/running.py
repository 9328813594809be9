"""How commands reach a hub: by PONTE_DATABASE_URL, or by the run file of the hub that runs on this machine."""

from __future__ import annotations

import argparse
import dataclasses
import os
from pathlib import Path

from hub import runfile
from hub.settings import Settings, from_environment


def options(parser: argparse.ArgumentParser, *, tenant: bool = True) -> None:
    """The options every operating command shares."""
    parser.add_argument("--data", type=Path, help="data directory of the hub (default: the last one started here)")
    if tenant:
        usual = os.environ.get("PONTE_TENANT") or "demo"
        parser.add_argument("--tenant", default=usual, help="whose rows (default: PONTE_TENANT, or else demo)")


def located(data: Path | None) -> Settings:
    """Settings that reach the running hub's database; raises Misconfigured when none runs."""
    settings = from_environment(os.environ, data=data)
    if settings.database_url:
        return settings
    facts = runfile.read(settings, anywhere=data is None)
    urls = {"database_url": facts["database_url"], "redis_url": facts.get("redis_url", "")}
    return dataclasses.replace(settings, data=Path(facts["data"]), **urls)
