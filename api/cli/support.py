"""a bundle for whoever helps from outside: `support FILE.zip`, without patient data and without secrets"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from api import running
from api.cli import output
from canonical.errors import PonteError

if TYPE_CHECKING:
    from hub.settings import Settings


def arguments(parser: argparse.ArgumentParser) -> None:
    """Where it is written."""
    parser.add_argument("file", type=Path, help="a new file; look into it before it leaves the house")
    parser.add_argument("--json", action="store_true", help="one JSON object per file of the bundle")
    running.options(parser, tenant=False)


def run(given: argparse.Namespace) -> int:
    """0 when it is written, also while the database is away; 4 when it cannot be written."""
    for name, size in asyncio.run(_run(given)):
        if given.json:
            output.line({"name": name, "bytes": size})
        else:
            output.say(f"{size:>10}  {name}")
    return 0


async def _run(given: argparse.Namespace) -> list[tuple[str, int]]:
    from hub.operate import support
    from hub.world import opened

    settings = _settings(given.data)
    try:
        async with opened(settings, size=2) as world:
            return await support.bundle(settings, world, given.file)
    except PonteError as error:
        if given.file.exists() or not given.file.parent.is_dir():  # the file was the fault, not the database
            raise
        output.complain(f"{error.text}; the bundle has no database part")
        return await support.bundle(settings, None, given.file)


def _settings(data: Path | None) -> Settings:
    """The running hub's settings, or those of the environment when none runs: logs are wanted then most of all."""
    import os

    from hub.settings import from_environment

    try:
        return running.located(data)
    except PonteError:
        return from_environment(os.environ, data=data)
