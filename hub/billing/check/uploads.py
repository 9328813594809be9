"""Files of any system that somebody wants judged or repaired: by schema, rules, the payers' contracts and history.

Nothing of them is stored.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import io
from dataclasses import dataclass

from canonical.problem import Problem
from hub.billing import writing
from hub.billing.check import checking, seals, sent
from hub.billing.profiles import payers
from hub.billing.returns import history
from hub.guard import pools
from hub.world import Tenant, World
from signatures.trust import Trust
from tiss.checking import repeats, report
from tiss.checking.repair import Repaired
from tiss.checking.report import Report
from tiss.rules.contract import Contract
from tiss.rules.header import operator_of
from tiss.wire import files, message


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What files are judged by: the tenant's payers by registro ANS, its day, whom to trust, and the moment."""

    profiles: checking.Profiles
    today: datetime.date
    trust: Trust
    at: datetime.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A file, or a member of a ZIP, with its report; `content` is None where it could not be read at all."""

    name: str
    content: bytes | None
    report: Report


async def circumstances(world: World, tenant: Tenant) -> Circumstances:
    """Those of a tenant now."""
    async with world.transaction(tenant) as tx:
        agreed = {profile.ans: profile for profile in await payers(tx)}
    today = writing.today(writing.origin(world, tenant))
    return Circumstances(profiles=agreed, today=today, trust=pools.of_settings(world.settings), at=world.now())


async def check(world: World, tenant: Tenant, name: str, raw: bytes) -> list[Checked]:
    """The reports on a file, or on each member of a ZIP, with what the tenant's own statements say of its items."""
    around = await circumstances(world, tenant)
    found = await asyncio.to_thread(_checked, name, raw, around)
    return [await _with_history(world, tenant, one, around) for one in found]


def _checked(name: str, raw: bytes, around: Circumstances) -> list[Checked]:
    members = files.members(name, raw) if raw.startswith(files.ZIPPED) else iter([(name, raw)])
    seen = repeats.Seen()
    return [_beside(seen, _of(member, content, around), around) for member, content in members]


def _beside(seen: repeats.Seen, one: Checked, around: Circumstances) -> Checked:
    """The same with what a batch repeats of the others of its ZIP, and within itself."""
    read = message.read(one.content) if one.content is not None and one.report.guides else None
    if one.content is None or not isinstance(read, message.Tiss):
        return one
    profile = around.profiles.get(operator_of(read))
    contract = profile.contract if profile is not None else Contract()
    return dataclasses.replace(one, report=repeats.beside(seen, one.name, one.content, one.report, contract))


def _of(name: str, content: bytes | Problem, around: Circumstances) -> Checked:
    if isinstance(content, Problem):
        return Checked(name=name, content=None, report=Report(readable=not content.blocks, problems=(content,)))
    found = checking.report_of(content, around.profiles, around.today)
    return Checked(name=name, content=content, report=seals.judged(found, content, around.trust, around.at))


async def _with_history(world: World, tenant: Tenant, one: Checked, around: Circumstances) -> Checked:
    """The same with what the tenant's statements and batches say of its items and numbers, for an operator of ours."""
    read = message.read(one.content) if one.content is not None and one.report.readable else None
    profile = around.profiles.get(operator_of(read)) if isinstance(read, message.Tiss) else None
    if profile is None or not isinstance(read, message.Tiss):
        return one
    async with world.transaction(tenant) as tx:
        told = await history.of_file(tx, profile, read, one.report.problems, around.today)
        told += report.told(await sent.problems(tx, profile, read, one.report, tenant.zone), profile.contract)
    return dataclasses.replace(one, report=dataclasses.replace(one.report, problems=(*one.report.problems, *told)))


async def repaired(world: World, tenant: Tenant, raw: bytes) -> Repaired | Problem:
    """A file with every safe repair; a Problem when it cannot be read, or is signed."""
    around = await circumstances(world, tenant)
    return await asyncio.to_thread(checking.repaired, raw, around.profiles, around.today)


async def repaired_zip(world: World, tenant: Tenant, raw: bytes) -> bytes:
    """A ZIP of the XML members of a ZIP, each with every safe repair, or as it was where none can be made."""
    around = await circumstances(world, tenant)
    return await asyncio.to_thread(_repaired_zip, raw, around)


def _repaired_zip(raw: bytes, around: Circumstances) -> bytes:
    made = io.BytesIO()
    files.write_zip(made, _mended(raw, around))
    return made.getvalue()


def _mended(raw: bytes, around: Circumstances) -> list[tuple[str, bytes]]:
    done: list[tuple[str, bytes]] = []
    for name, content in files.members("", raw):
        if isinstance(content, bytes):
            fixed = checking.repaired(content, around.profiles, around.today)
            done.append((name.lstrip("/"), fixed.content if isinstance(fixed, Repaired) else content))
    return done
