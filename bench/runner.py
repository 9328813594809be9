"""Finds the benchmarks of this folder and runs them on a scratch hub: an embedded PostgreSQL nobody else uses.

A benchmark is a module with `async def measure(world, tenant) -> list[Measure]`, or, when it needs no database,
`def measure_offline() -> list[Measure]`. There is no list: `fhir_read.py` is `./ponte bench fhir-read`.
"""

from __future__ import annotations

import asyncio
import dataclasses
import importlib
import re
import tempfile
from pathlib import Path
from types import ModuleType

from bench.measure import Measure
from canonical.errors import Misconfigured
from hub import seed
from hub.servers import postgres
from hub.settings import Settings, prepare_folders
from hub.store import migrate
from hub.world import opened

HERE = Path(__file__).resolve().parent
_MARK = re.compile(r"^(async )?def measure(_offline)?\(", re.MULTILINE)


def names() -> list[str]:
    """The benchmarks as they are called on the command line."""
    return sorted(path.stem.replace("_", "-") for path in HERE.glob("*.py") if _MARK.search(path.read_text("utf-8")))


def run(name: str, messages: int = 0) -> list[Measure]:
    """Run one benchmark and return its figures; raises Misconfigured for an unknown name.

    `messages` is how many pass, for a benchmark that lets it be chosen; 0 means its own number.
    """
    if name not in names():
        raise Misconfigured(f"there is no benchmark {name!r}; known: {', '.join(names())}")
    module = importlib.import_module(f"bench.{name.replace('-', '_')}")
    if hasattr(module, "measure_offline"):
        return list(module.measure_offline())
    return _on_scratch(module, messages)


def _on_scratch(module: ModuleType, messages: int = 0) -> list[Measure]:
    """A cluster with the product's own settings (fsync and synchronous commit on), removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="ponte-bench-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        settings = Settings(data=Path(name) / "data", http_port=0, mllp_port=0)
        prepare_folders(settings)
        with postgres.running(settings) as cluster:
            asyncio.run(migrate.make_roles(cluster, settings))
            asyncio.run(migrate.upgrade(cluster.owner_url, cluster.application_url))
            urls = {"database_url": cluster.application_url, "owner_database_url": cluster.owner_url}
            return asyncio.run(_measure(module, dataclasses.replace(settings, **urls), messages))  # type: ignore[arg-type]


async def _measure(module: ModuleType, settings: Settings, messages: int) -> list[Measure]:
    async with opened(settings) as world:
        tenant = await seed.demo_tenant(world, "bench", "Hospital de Medida")
        chosen = (messages,) if messages and hasattr(module, "MESSAGES") else ()
        return list(await module.measure(world, tenant, *chosen))
