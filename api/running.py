"""How commands reach a hub: by PONTE_DATABASE_URL, or by the run file of the hub that runs on this machine."""

from __future__ import annotations

import argparse
import dataclasses
import os
from pathlib import Path
from typing import Any

from hub import runfile
from hub.settings import Settings, from_environment


def options(parser: argparse.ArgumentParser, *, tenant: bool = True) -> None:
    """The options every operating command shares."""
    parser.add_argument("--data", type=Path, help="data directory of the hub (default: the last one started here)")
    if tenant:
        usual = os.environ.get("PONTE_TENANT") or "demo"
        parser.add_argument("--tenant", default=usual, help="whose rows (default: PONTE_TENANT, or else demo)")


def action(actions: Any, name: str, text: str, *, tenant: bool = True) -> argparse.ArgumentParser:
    """One action of an operating command, with `--json` and the options all share."""
    parser: argparse.ArgumentParser = actions.add_parser(name, help=text)
    parser.add_argument("--json", action="store_true", help="one JSON object per line")
    options(parser, tenant=tenant)
    return parser


def located(data: Path | None) -> Settings:
    """Settings that reach the running hub's database; raises Misconfigured when none runs."""
    settings = from_environment(os.environ, data=data)
    if settings.database_url:
        return settings
    facts = runfile.read(settings, anywhere=data is None)
    urls = {"database_url": facts["database_url"], "redis_url": facts.get("redis_url", "")}
    return dataclasses.replace(settings, data=Path(facts["data"]), **urls)
