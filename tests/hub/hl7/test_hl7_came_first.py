"""What cancels, and what it cancels, in both orders of arrival: after both the record is what happened last."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hl7_feed import adt, feed, msh, records, work_all

from hub.exchange.work import awaited
from hub.world import Tenant, World

Make = Callable[[str, int, str], str]
PID = "PID|1||{}^^^HOSP^MR||Souza^Ana||19800229|F"
SCH = "SCH|{0}^HIS|{0}^LIS||||ROUTINE^^HL70276|CHECK^Consulta^L|NORMAL^^HL70277|30|min|^^^20261201090000^20261201093000"
AT = "2026112310{:02d}00"


def lines(kind: str, at: int, who: str, *more: str) -> str:
    return "\r".join([msh(kind, AT.format(at)), PID.format(who), *more]) + "\r"


def order(control: str, at: int, who: str) -> str:
    return lines("ORM^O01", at, who, f"ORC|{control}|P{who}^HOSP", f"OBR|1|P{who}^HOSP||GLI^Glicose^L")


def answer(control: str, at: int, who: str) -> str:
    """An answer of the laboratory: without a patient, so in another lane."""
    return order(control, at, who).replace("ORM^O01", "ORL^O22").replace(PID.format(who), "MSA|AA|1")


def visit(event: str, at: int, who: str) -> str:
    return adt(event, who, f"V1{who}", AT.format(at))


def unnumbered(event: str, at: int, who: str) -> str:
    """A visit without a number: known by its patient and admission."""
    return visit(event, at, who).replace(f"V1{who}^^^HOSP", "")


def document(event: str, at: int, who: str) -> str:
    txa = f"TXA|1|DS^Sumario^HL70270|TX|20261123||20261123100000||||||D{who}^HOSP|||||AU||AV"
    return lines(f"MDM^{event}", at, who, txa, *(["OBX|1|TX|T^T^L||corpo||||||F"] if event == "T02" else []))


def booking(event: str, at: int, who: str) -> str:
    return "\r".join([msh(f"SIU^{event}", AT.format(at)), SCH.format(f"S{who}"), PID.format(who)]) + "\r"


@dataclass(frozen=True)
class Case:
    """An original and what undoes it, made for a patient number; what the record is after both."""

    first: Callable[[str], str]
    last: Callable[[str], str]
    kind: str
    status: str


def case(make: Make, first: str, last: str, kind: str, status: str, *, at: int = 1, by: Make | None = None) -> Case:
    return Case(lambda who: make(first, at, who), lambda who: (by or make)(last, 2, who), kind, status)


CASES = [
    case(order, "NW", "CR", "ServiceRequest", "revoked", by=answer),
    case(order, "NW", "DR", "ServiceRequest", "revoked"),
    case(order, "NW", "OC", "ServiceRequest", "revoked"),
    case(order, "NW", "CR", "ServiceRequest", "active", at=3, by=answer),
    case(visit, "A01", "A11", "Encounter", "cancelled"),
    case(unnumbered, "A01", "A11", "Encounter", "cancelled"),
    case(visit, "A05", "A38", "Encounter", "cancelled"),
    case(visit, "A14", "A27", "Encounter", "cancelled"),
    case(visit, "A01", "A13", "Encounter", "in-progress"),
    case(visit, "A01", "A12", "Encounter", "in-progress"),
    case(document, "T02", "T11", "DocumentReference", "entered-in-error"),
    case(booking, "S12", "S15", "Appointment", "cancelled"),
    case(booking, "S12", "S17", "Appointment", "entered-in-error"),
]
ID = re.compile(r"\b[a-z2-7]{26}\b")


async def states(world: World, tenant: Tenant, series: int) -> list[dict[str, Any]]:
    """The records of a series in the order of the cases, without ids and what tells of their history."""
    found: dict[int, dict[str, Any]] = {}
    stored = {kind: await records(world, tenant, kind) for kind in {one.kind for one in CASES} | {"Patient"}}
    number = {p["id"]: p["identifier"][0]["value"] for p in stored.pop("Patient")}
    for body in (body for bodies in stored.values() for body in bodies):
        who = number[(body.get("subject") or body["participant"][0]["actor"])["reference"].partition("/")[2]]
        if who.startswith(f"{series}X"):
            del body["meta"]
            found[int(who[2:])] = json.loads(ID.sub("", json.dumps(body).replace(who, "")))
    return [found[n] for n in range(len(CASES))]


def series(number: int, *, last_first: bool) -> list[str]:
    """All messages of the cases for patients of their own, the originals first or what undoes them."""
    whos = [f"{number}X{n}" for n in range(len(CASES))]
    first = [one.first(who) for one, who in zip(CASES, whos, strict=True)]
    last = [one.last(who) for one, who in zip(CASES, whos, strict=True)]
    return [*last, *first] if last_first else [*first, *last]


async def test_what_happened_last_counts_whatever_came_first(world: World, tenant: Tenant) -> None:
    """One by one, again, and all in a few waves: after both the record says the same as in the order of events."""
    await feed(world, tenant, *series(1, last_first=False))
    expected = await states(world, tenant, 1)
    assert [body["status"] for body in expected] == [one.status for one in CASES]
    early = series(2, last_first=True)
    told = await feed(world, tenant, *early)
    assert await states(world, tenant, 2) == expected
    unknown = {n for n, one in enumerate(told[: len(CASES)]) if "semantic.came-first" in one["problems"]}
    assert all("semantic.awaited" in told[n + len(CASES)]["problems"] for n in unknown) and len(unknown) >= 9
    assert not any("semantic.unknown-record" in one["problems"] for one in told)
    await feed(world, tenant, *(raw.replace("||T", "||U", 1) for raw in early))
    assert await states(world, tenant, 2) == expected
    await feed(world, tenant, *series(3, last_first=True), wave=True)
    assert await states(world, tenant, 3) == expected


async def test_a_job_finds_what_was_missed(world: World, tenant: Tenant) -> None:
    """A lane that somebody holds is not waited for."""
    await feed(world, tenant, answer("CR", 2, "A"))
    async with world.transaction(tenant) as holder:
        await holder.run("SELECT id FROM lane WHERE tenant_id = $1 FOR UPDATE")
        await feed(world, tenant, order("NW", 1, "A"))
    assert [placed["status"] for placed in await records(world, tenant, "ServiceRequest")] == ["active"]
    for queued in (1, 0):
        assert json.loads(await awaited.missed(world, tenant, {})) == {"queued": queued}
        await work_all(world, tenant)
        assert [placed["status"] for placed in await records(world, tenant, "ServiceRequest")] == ["revoked"]
