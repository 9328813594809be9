"""Fixtures: one real PostgreSQL and one real Valkey for the whole run, a fresh tenant for each test that asks."""

from __future__ import annotations

import dataclasses
import gc
import os
import tempfile
import uuid
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import clusters
import hypothesis
import pytest
import pytest_asyncio
from turns import pytest_collection_modifyitems, pytest_xdist_make_scheduler

from hub.exchange.work import memory
from hub.servers import postgres, valkey
from hub.settings import Settings
from hub.world import Tenant, World, opened

ROOT = Path(__file__).resolve().parent.parent
__all__ = ["pytest_collection_modifyitems", "pytest_xdist_make_scheduler"]  # found by pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--accept", action="store_true", help="write the expected files of cases instead of comparing")


def pytest_configure(config: pytest.Config) -> None:
    """Generated cases are bounded by their number, never by the machine's speed; CI tries the same ones each time."""
    clusters.share(config)
    base = hypothesis.settings.get_profile("ci" if "CI" in os.environ else "default")
    slow = [hypothesis.HealthCheck.too_slow]
    hypothesis.settings.register_profile("ponte", base, deadline=None, suppress_health_check=slow)
    hypothesis.settings.load_profile("ponte")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """The garbage of thousands of tests is looked for as in the hub's own processes: rarely, and not in what was loaded.

    Otherwise the collector walks through all of them again and again, for a third of the run.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        _set_aside()
        gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, object, object]:
    """A look through everything that lives falls between two files: in a test it would be a second of processor time,
    which tests that bound theirs would take for the project's.
    """
    found = yield
    if (nextitem is None or nextitem.path != item.path) and gc.get_count()[2] > _LOOKS_AT_THE_MIDDLE:
        _set_aside()
    return found


_LOOKS_AT_THE_MIDDLE = 3  # since the last look through everything


def _set_aside() -> None:
    memory.settle_in(memory.AT_A_DOOR)
    gc.set_threshold(memory.AT_A_DOOR, 10, 1_000)


@pytest.fixture(autouse=True)
def _environment_as_found() -> Iterator[None]:
    """A test that leaves a variable behind fails, not the one after it."""
    before = _environment()
    yield
    assert _environment() == before, "a test changed os.environ for all that follow; monkeypatch undoes it"


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}


@pytest.fixture(scope="session")
def data_root() -> Iterator[Path]:
    """A folder the database's account can enter (pytest's own folders are private to the user)."""
    with tempfile.TemporaryDirectory(prefix="ponte-tests-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.fixture(scope="session")
def cluster(data_root: Path) -> Iterator[tuple[Settings, postgres.Cluster]]:
    """A running, migrated cluster with settings that point to it."""
    with clusters.own(data_root / "data") as found:
        yield found


@pytest.fixture(scope="session")
def redis_url(cluster: tuple[Settings, postgres.Cluster]) -> Iterator[str]:
    """A running Valkey."""
    with valkey.running(cluster[0]) as url:
        yield url


@pytest_asyncio.fixture
async def world(cluster: tuple[Settings, postgres.Cluster], light_hashes: None) -> AsyncIterator[World]:
    """The application's world over the session's cluster, whose settings all tests share."""
    made = dataclasses.replace(cluster[0])
    async with opened(cluster[0], size=8) as found:
        yield found
        await _close_tenants(found)
    assert cluster[0] == made, "a test changed the settings of all that follow; dataclasses.replace makes its own"


@pytest.fixture
def light_hashes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Passwords and secrets are hashed by the same algorithm with parameters that cost a test nothing."""
    from argon2 import PasswordHasher

    from hub.guard import clients
    from hub.users import passwords

    light = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    monkeypatch.setattr(passwords, "_hasher", lambda: light)
    monkeypatch.setattr(clients, "_HASHER", light)
    for room in (passwords, clients):
        room._nobody.cache_clear()
    yield
    for room in (passwords, clients):
        room._nobody.cache_clear()


async def new_tenant(world: World, slug: str = "") -> Tenant:
    """A fresh tenant with an MLLP and an HTTP channel; one without a name of its own is closed with its world."""
    from hub.seed import demo_tenant

    made = await demo_tenant(world, slug or f"t{uuid.uuid4().hex[:12]}", "Hospital de Teste")
    if not slug:
        _made.append((world, made.slug))
    return made


_made: list[tuple[World, str]] = []


async def _close_tenants(world: World) -> None:
    """End what a world's fresh tenants have scheduled: what works for all tenants would do it in every later test."""
    ours = [slug for owner, slug in _made if owner is world]
    if ours:
        await world.database.global_rows("UPDATE tenant SET active = false WHERE slug = ANY($1::text[])", ours)
    _made[:] = [one for one in _made if one[0] is not world]


@pytest_asyncio.fixture
async def tenant(world: World) -> Tenant:
    """A fresh tenant."""
    return await new_tenant(world)


@pytest_asyncio.fixture
async def other_tenant(world: World) -> Tenant:
    """A second tenant, whose rows the first must never see."""
    return await new_tenant(world)
