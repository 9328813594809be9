"""`ponte channel test` and `compare`: what they read, and how they tell it."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from api.cli import output
from canonical.errors import NotFound
from canonical.problem import Problem
from hl7 import batch
from hl7.fragments import whole

if TYPE_CHECKING:
    from hub.channels.compare import Comparison
    from hub.channels.trial import Trial
    from hub.exchange.channels import Channel
    from hub.world import Tenant, World

PIECE = 1024 * 1024


async def test(given: argparse.Namespace, world: World, tenant: Tenant) -> int:
    """0 when every message would pass or be left out as declared, 1 when one would not."""
    from hub.channels import trial
    from hub.exchange.out import forward

    channels = await _candidates(given, world, tenant)
    async with world.transaction(tenant) as tx:
        labs = await trial.labs_of(tx)
        lacking = {channel.name: await forward.lacking(tx, channel.document) for channel in channels}
    worst, count = 0, 0
    with given.file.open("rb") as file:
        for item in whole(batch.messages(iter(lambda: file.read(PIECE), b""))):
            if isinstance(item, Problem):
                worst = 1
                _finding(item, given.json)
                continue
            count += 1
            channel = channels[0] if len(channels) == 1 else trial.matched(channels, item)
            if channel is None:
                raise NotFound("no channel takes this sender; name one with --channel")
            found = trial.tried(item, channel, labs)
            found.problems += lacking[channel.name]
            worst = max(worst, 0 if found.good else 1)
            _tell(found, count, given.json)
    if not count:
        raise NotFound("the file holds no message")
    return worst


async def compare(given: argparse.Namespace, world: World, tenant: Tenant) -> int:
    """0 when the outputs are the same, 1 when they differ."""
    from hub.channels.compare import compared, moment
    from hub.exchange.channels import serving

    old = await serving(world, tenant, given.name)
    if old is None:
        raise NotFound("there is no such channel")
    new = await _against(given, world, tenant, old)
    since = moment(given.since, world.now(), ZoneInfo(tenant.zone))
    found = await compared(world, tenant, (old, new), since, given.limit, values=given.show_values)
    _report(found, old, new, given.json)
    return 1 if found.differing else 0


async def _candidates(given: argparse.Namespace, world: World, tenant: Tenant) -> list[Channel]:
    from hub.channels import reading
    from hub.channels.candidate import unstored
    from hub.exchange.channels import channels_of

    if given.document is not None:
        return [unstored(reading.from_toml(given.document.read_text(encoding="utf-8")), tenant)]
    found = await channels_of(world, tenant)
    if given.channel:
        found = [channel for channel in found if channel.name == given.channel]
    if not found:
        raise NotFound("there is no such channel")
    return found


async def _against(given: argparse.Namespace, world: World, tenant: Tenant, old: Channel) -> Channel:
    """The other version: a number, or a document in a file; with `--overlay` its tables are those of a folder."""
    from hub.channels import reading, versions
    from hub.channels.candidate import unstored

    if given.against.isdigit():
        async with world.transaction(tenant) as tx:
            found = await versions.version(tx, given.name, int(given.against))
        document, number = found.document, found.version
    else:
        document, number = reading.from_toml(Path(given.against).read_text(encoding="utf-8")), 0  # noqa: ASYNC240
    if given.overlay is not None:
        document = dataclasses.replace(document, overlay=str(given.overlay.resolve()))
    versions.refuse_unusable(document)
    return dataclasses.replace(unstored(document, tenant, number), id=old.id)


def _tell(found: Trial, index: int, as_json: bool) -> None:
    if as_json:
        output.line({"index": index, **found.as_json()})
        return
    output.say(f"#{index}  {found.type or '?'}  {found.control_id}  → {found.channel} v{found.version}")
    output.say(f"  {found.acknowledgement}  {found.status}  lane: {found.lane}")
    counts = found.segments
    if counts["total"]:
        output.say(
            f"  {counts['total']} segments = {counts['mapped']} mapped + {counts['ignored']} ignored "
            f"+ {counts['unmapped']} unmapped"
        )
    if found.records:
        output.say("  records: " + ", ".join(f"{count} {name}" for name, count in found.records.items()))
    for one in found.deliveries:
        output.say(f"  → {one['partner']}  {one['destination']}  {one['send']}")
    for problem in found.problems:
        _finding(problem, False)


def _finding(problem: Problem, as_json: bool) -> None:
    if as_json:
        output.line({"file": True, "problems": [problem.as_json()], "ok": False})
        return
    output.say(f"  [{problem.severity}] {problem.code} em {problem.where}: {problem.text()}")
    if problem.remedy():
        output.say(f"      {problem.remedy()}")


def _report(found: Comparison, old: Channel, new: Channel, as_json: bool) -> None:
    if as_json:
        for one in found.differences:
            output.line(dataclasses.asdict(one))
        output.line({"messages": found.messages, "differing": found.differing})
        return
    name = f"v{new.version}" if new.version else "the document"
    output.say(f"{old.name}: v{old.version} → {name}: {found.differing} of {found.messages} messages differ")
    for one in found.differences:
        place = f"{one.what}.{one.path}" if one.path else one.what
        output.say(f"{one.count:>6}  {one.kind:<8} {place}")
        for example in one.examples:
            output.say(f"          {example['message']}: {_values(example['old'])} → {_values(example['new'])}")


def _values(value: Any) -> str:
    if value is None:
        return "-"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
