"""Return folders of payers that take files: protocols, statements and decisions are picked up, kept and worked on.

A file is claimed by a rename into `processing`, kept and matched, and only then moved to `processed`, or to `failed`
with its findings beside it (codes and places, never a value). After a crash those in `processing` are taken up again.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from uuid import UUID

import orjson

from adapters.transports import Means
from adapters.transports.drop import place_of
from adapters.transports.files import Place
from canonical.errors import Misconfigured, TryLater
from canonical.identity import number
from canonical.problem import Problem
from hub.billing.profiles import PayerProfile, payers
from hub.exchange.out.connections import vault_entry
from hub.requests import returned
from hub.world import Tenant, World
from tiss.wire.files import ZIPPED, members
from tiss.wire.message import LARGEST

log = logging.getLogger("ponte.requests")
ACTOR = "collector"
PROCESSING, PROCESSED, FAILED = "processing", "processed", "failed"
MOST_FILES = 100
_PATTERNS = ("*.xml", "*.zip")


@dataclass(slots=True, kw_only=True)
class Collected:
    """How many files were taken, how many of them told nothing of ours, and how many folders could not be reached."""

    files: int = 0
    failed: int = 0
    broken: int = 0


async def collect(world: World, tenant: Tenant) -> Collected:
    """Look into the return folder of each payer that has one; one that cannot be reached delays no other."""
    done = Collected()
    async with world.transaction(tenant) as tx:
        found = [one for one in await payers(tx) if one.by_file and one.partner.settings["transport"].get("returns")]
    for profile in found:
        try:
            await _look(world, tenant, profile, done)
        except (TryLater, Misconfigured) as error:
            log.warning("the return folder of payer %s: %s", profile.ans, error.code)
            done.broken += 1
    return done


async def _look(world: World, tenant: Tenant, profile: PayerProfile, done: Collected) -> None:
    lock = number("returns", str(profile.partner.id))
    place = await _opened(world, tenant, profile)
    try:
        async with world.transaction(tenant) as tx:
            if not await tx.value("SELECT pg_try_advisory_xact_lock($2) WHERE $1::uuid IS NOT NULL", lock):
                return
            for folder in (PROCESSING, PROCESSED, FAILED):
                await place.make(folder)
            names = [one.name for one in await place.files(PROCESSING)]  # left by a process that ended
            for name in await _ready(world, place, profile):
                if await place.rename(name, f"{PROCESSING}/{name}"):
                    names.append(name)
            for name in names[:MOST_FILES]:
                await _finish(world, tenant, profile, place, name, done)
    finally:
        await place.close()


async def _ready(world: World, place: Place, profile: PayerProfile) -> list[str]:
    """The XML and ZIP files that nobody has written to for `stable_s` seconds (5)."""
    stable = float(profile.partner.settings["transport"].get("stable_s", 5))
    limit = world.now().timestamp() - stable
    files = await place.files("")
    wanted = [one for one in files if any(fnmatchcase(one.name.lower(), pattern) for pattern in _PATTERNS)]
    return [one.name for one in wanted if one.changed <= limit]


async def _finish(
    world: World, tenant: Tenant, profile: PayerProfile, place: Place, name: str, done: Collected
) -> None:
    raw = await _read(place, f"{PROCESSING}/{name}")
    problems: tuple[Problem, ...] = (Problem("encoding.too-large", args=(("limit", str(LARGEST // 1024 // 1024)),)),)
    good, message_id = False, None
    if raw is not None and raw.startswith(ZIPPED):
        good, problems = await _members(world, tenant, profile, (name, raw))
    elif raw is not None:
        taken = await returned.take(world, tenant, profile, raw, ACTOR)
        good, message_id, problems = taken.good, taken.message_id, taken.problems
    target = PROCESSED if good else FAILED
    if problems or not good:
        await place.write(f"{target}/{name}.findings.json", _findings(message_id, problems))
    await _moved(place, f"{PROCESSING}/{name}", f"{target}/{name}")
    done.files += 1
    done.failed += not good


async def _members(
    world: World, tenant: Tenant, profile: PayerProfile, file: tuple[str, bytes]
) -> tuple[bool, tuple[Problem, ...]]:
    """Take every XML of a ZIP as a message of its own; whether all told something, and what is wrong, by member."""
    found: list[Problem] = []
    good = True
    for name, content in members(*file):
        if isinstance(content, Problem):
            good = good and not content.blocks
            found.append(replace(content, where=name))
            continue
        taken = await returned.take(world, tenant, profile, content, ACTOR)
        good = good and taken.good
        found += [replace(problem, where=f"{name}: {problem.where}") for problem in taken.problems]
    return good, tuple(found)


def _findings(message_id: UUID | None, problems: tuple[Problem, ...]) -> bytes:
    told = [{"code": one.code, "severity": one.severity, "where": one.where, "text": one.text()} for one in problems]
    return orjson.dumps({"message": str(message_id) if message_id else None, "findings": told})


async def _read(place: Place, path: str) -> bytes | None:
    """A file's bytes; None when it is larger than a message may be."""
    found = bytearray()
    async for piece in place.read(path):
        found += piece
        if len(found) > LARGEST:
            return None
    return bytes(found)


async def _moved(place: Place, old: str, new: str) -> None:
    """Move a file; where one of that name lies already, under a name with a number."""
    for attempt in range(1, 1000):
        try:
            await place.rename(old, new if attempt == 1 else f"{new}.{attempt}")
            return
        except TryLater as error:
            if error.code != "transport.exists":
                raise
    raise TryLater("too many files of one name", code="transport.exists")


async def _opened(world: World, tenant: Tenant, profile: PayerProfile) -> Place:
    settings = dict(profile.partner.settings["transport"])
    secret: dict[str, str] = {}
    if settings.get("secret"):
        async with world.transaction(tenant) as tx:
            secret = await vault_entry(world, tx, settings["secret"], profile.partner.owner)
    allowed = world.settings.allow_private_targets or bool(profile.partner.settings.get("allow_private"))
    means = Means(
        settings={**settings, "path": settings["returns"]},
        allow_private=allowed,
        secret=secret,
        root=world.settings.folders / tenant.slug,
    )
    return place_of(means)
