"""Feeds HL7 messages through the real door and worker, and reads back what became of them."""

from __future__ import annotations

import json
from typing import Any

from hub.exchange.channels import channels_of
from hub.exchange.door.keep import Keeper
from hub.exchange.door.receive import receive
from hub.exchange.work import inbound
from hub.world import Tenant, World

_COUNT = [0]


def msh(kind: str, at: str, *, sender: str = "HIS|HOSP") -> str:
    _COUNT[0] += 1
    return f"MSH|^~\\&|{sender}|PONTE|HUB|{at}-0300||{kind}|T{_COUNT[0]}|P|2.5.1||||||UNICODE UTF-8"


def adt(event: str, mrn: str, visit: str, at: str, *more: str, pid: str = "", pv1: str = "") -> str:
    tail = pid or "Souza^Ana||19800229|F"
    patient = f"PID|1||{mrn}^^^HOSP^MR||{tail}"
    lines = [msh(f"ADT^{event}", at), f"EVN|{event}|{at}-0300", patient]
    if visit:
        lines.append(
            f"PV1|1|I|UTI^1^2||||1234^Lima^Rui^^^^^^CRM-SP||||||||||||{visit}^^^HOSP|"
            + (pv1 or "|" * 24 + "20261122080000")
        )
    return "\r".join([*lines, *more]) + "\r"


def a40(at: str, *pairs: tuple[str, str]) -> str:
    lines = [msh("ADT^A40^ADT_A39", at), f"EVN|A40|{at}-0300"]
    for survivor, loser in pairs:
        lines += [f"PID|1||{survivor}^^^HOSP^MR||Souza^Ana||19800229|F", f"MRG|{loser}^^^HOSP^MR"]
    return "\r".join(lines) + "\r"


def oru(mrn: str, filler: str, status: str, value: str, at: str, *, code: str = "2345-7", report: str = "") -> str:
    return (
        "\r".join(
            (
                msh("ORU^R01", at, sender="LIS|HOSP"),
                f"PID|1||{mrn}^^^HOSP^MR||Souza^Ana",
                f"ORC|RE|P{filler}|F{filler}",
                f"OBR|1|P{filler}|F{filler}|GLI^Glicose^L|||20261122090000|||||||||||||||{at}-0300|||{report or status}",
                f"OBX|1|NM|{code}^Glicose^LN||{value}|mg/dL^^UCUM|70-99|N|||{status}",
            )
        )
        + "\r"
    )


async def feed(world: World, tenant: Tenant, *messages: str, wave: bool = False) -> list[dict[str, Any]]:
    """The outcome (code, status, problems, segments) of each message; worked one by one, or all together."""
    channel = next(c for c in await channels_of(world, tenant) if c.door == "mllp")
    keeper, answers = Keeper(world.database), []
    for message in messages:
        answers.append(await receive(keeper, channel, message.encode()))
        if not wave:
            await work_all(world, tenant)
    await work_all(world, tenant)
    return [{"code": answer.code, **await outcome(world, tenant, answer.message_id)} for answer in answers]


async def work_all(world: World, tenant: Tenant) -> None:
    while await inbound.work(world, tenant):
        pass


async def outcome(world: World, tenant: Tenant, message: Any) -> dict[str, Any]:
    async with world.transaction(tenant) as tx:
        row = await tx.row("SELECT status, problems, segments FROM message WHERE tenant_id = $1 AND id = $2", message)
    assert row is not None
    return {
        "status": row["status"],
        "problems": [p["code"] for p in json.loads(row["problems"])],
        "segments": json.loads(row["segments"] or "{}"),
    }


async def records(world: World, tenant: Tenant, kind: str) -> list[dict[str, Any]]:
    """The current records of a type, oldest first."""
    async with world.transaction(tenant) as tx:
        rows = await tx.rows(
            "SELECT body FROM resource WHERE tenant_id = $1 AND type = $2 AND NOT deleted ORDER BY rid", kind
        )
    return [json.loads(row["body"]) for row in rows]


async def versions(world: World, tenant: Tenant, kind: str) -> list[dict[str, Any]]:
    async with world.transaction(tenant) as tx:
        rows = await tx.rows(
            "SELECT body FROM resource_version WHERE tenant_id = $1 AND type = $2 ORDER BY id, version", kind
        )
    return [json.loads(row["body"]) for row in rows]


def by_number(patients: list[dict[str, Any]], mrn: str) -> dict[str, Any]:
    """The patient whose own (not old) number is `mrn`."""
    return next(
        p for p in patients if any(i["value"] == mrn and i.get("use") != "old" for i in p.get("identifier", ()))
    )
