"""Alarms: what is measured, when it is an alarm, how it begins, worsens and ends, and that each is told once."""

from __future__ import annotations

import datetime
import hashlib
import hmac
import json
import uuid
from pathlib import Path
from typing import Any

import mail_server
import peers
import pytest

from canonical.errors import NotFound, Refused
from canonical.identity import new_id
from canonical.problem import catalogue
from hub.exchange.out import delivery, outbox
from hub.exchange.out.outbox import Outgoing
from hub.exchange.partners import Partner, save_partner
from hub.guard import vault
from hub.settings import Settings, secret_file
from hub.watch import alarms, gauges, look, machine, readings, rules, tell
from hub.watch.rules import Rule
from hub.world import Tenant, World

CANARIES = ("52998224725", "CANARIO", "Maria das Dores")
MINUTE = datetime.timedelta(minutes=1)


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = datetime.datetime.now(datetime.UTC)

    def __call__(self) -> datetime.datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def moved(world: World, clock: Clock, tmp_path: Path) -> World:
    """The world with the test's clock, on a data folder with room enough (the machine's own disk is not the test's)."""
    (tmp_path / "secrets").mkdir(mode=0o700)
    key = secret_file(world.settings, "master.key")  # what is sealed here opens for the tests beside it
    (tmp_path / "secrets" / "master.key").write_text(key)
    return World(
        settings=Settings(data=tmp_path, database_url=world.settings.database_url), database=world.database, now=clock
    )


async def partner_of(world: World, tenant: Tenant, code: str = "pagador") -> Partner:
    found = Partner(id=uuid.uuid4(), kind="payer", code=code, name="Operadora", adapter="", active=True, settings={})
    async with world.transaction(tenant) as tx:
        await save_partner(tx, found)
    return found


async def dead(world: World, tenant: Tenant, partner: Partner, count: int = 1) -> None:
    """Deliveries that were given up, with a patient's data in what was sent."""
    async with world.transaction(tenant) as tx:
        for _ in range(count):
            sent = Outgoing(
                operation="lote", format="tiss", type="lote", content=b"CANARIO 52998224725 Maria das Dores"
            )
            identity = await outbox.enqueue(tx, partner, sent)
            await tx.run("UPDATE delivery SET status = 'DEAD' WHERE tenant_id = $1 AND id = $2", identity)
        await tx.run("UPDATE lane SET pending = 0 WHERE tenant_id = $1 AND kind = 'outbound'")


async def alive(world: World, tenant: Tenant) -> None:
    async with world.transaction(tenant) as tx:
        await tx.run("UPDATE delivery SET status = 'SENT' WHERE tenant_id = $1 AND status = 'DEAD'")


def keys(found: Any) -> set[tuple[str, str, str]]:
    return {
        (one.rule, one.place, one.severity) for one in found if one.rule.startswith(("outbound", "lane", "channel"))
    }


# --- rules are data -----------------------------------------------------------------------------------------------------


def test_every_rule_has_words_in_both_languages() -> None:
    for name in rules.rules():
        words = catalogue()[f"watch.{name}"]
        assert all(words.text.values()) and all(words.remedy.values()), name
        assert "{value}" in words.text["pt"] and "{value}" in words.text["en"], name


@pytest.mark.parametrize(
    ("grows", "value", "level", "severity"),
    [(True, 4, 0, ""), (True, 5, 1, "warning"), (True, 9, 2, "warning"), (True, 20, 3, "critical"),
     (False, 31, 0, ""), (False, 30, 1, "warning"), (False, 7, 3, "critical"), (False, -3, 4, "critical")],
)  # fmt: skip
def test_levels(grows: bool, value: int, level: int, severity: str) -> None:
    warning, critical = ((5, 8), (20,)) if grows else ((30, 15), (7, 1))
    rule = Rule(name="x", grows=grows, warning=warning, critical=critical, unit="", hold_s=0)
    assert rule.level(value) == level
    if level:
        assert rule.severity(level) == severity


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (119, "s", "119 s"),
        (120, "s", "2 min"),
        (7200, "s", "2 h"),
        (172_800, "s", "2 d"),
        (5, "%", "5%"),
        (3, "d", "3 d"),
        (7, "", "7"),
    ],
)
def test_values_are_said_as_people_say_them(value: int, unit: str, said: str) -> None:
    assert alarms.said_value(value, unit) == said


async def test_limits_of_ones_own(world: World, tenant: Tenant, other_tenant: Tenant) -> None:
    rule = rules.rule_of(tenant, "outbound.dead")
    changed = await rules.set_limits(world, tenant, rule, "payer/a", {"warning": [5], "critical": [50]}, actor="ana")
    assert rules.rule_of(changed, "outbound.dead", "payer/a").warning == (5,)
    assert rules.rule_of(changed, "outbound.dead", "payer/b") == rule == rules.rule_of(other_tenant, "outbound.dead")
    changed = await rules.set_limits(world, changed, rule, "", {"warning": [], "critical": []}, actor="ana")
    assert rules.rule_of(changed, "outbound.dead", "payer/b").level(10**6) == 0
    changed = await rules.set_limits(world, changed, rule, "payer/a", None, actor="ana")
    assert rules.rule_of(changed, "outbound.dead", "payer/a").warning == ()
    for wrong in (
        {"warning": [5, 4], "critical": []},
        {"warning": [5], "critical": [5]},
        {"warning": [-1], "critical": []},
    ):
        with pytest.raises(Refused):
            await rules.set_limits(world, tenant, rule, "", wrong, actor="ana")
    with pytest.raises(NotFound):
        rules.rule_of(tenant, "no.such")


@pytest.mark.parametrize(
    ("hours", "at", "seconds"),
    [(None, "03:00", 10**9), ((7, 19), "07:10", 600), ((7, 19), "18:59", 43_140), ((7, 19), "19:00", None), ((7, 19), "03:00", None),
     ((22, 6), "23:00", 3600), ((22, 6), "05:00", 25_200), ((22, 6), "06:00", None), ((0, 24), "03:00", 10_800)],
)  # fmt: skip
def test_hours_of_the_day(hours: tuple[int, int] | None, at: str, seconds: int | None) -> None:
    rule = Rule(name="x", grows=True, warning=(1,), critical=(), unit="s", hold_s=0, hours=hours)
    now = datetime.datetime.fromisoformat(f"2026-11-26T{at}:00-03:00").astimezone(datetime.UTC)
    assert rule.opened_s("America/Sao_Paulo", now) == seconds


async def test_a_channel_that_sleeps_at_night_is_not_silent(moved: World, tenant: Tenant, clock: Clock) -> None:
    rule = rules.rule_of(tenant, "channel.silent")
    for wrong in ([7], [7, 7], [7, 25]):
        with pytest.raises(Refused):
            await rules.set_limits(moved, tenant, rule, "his-mllp", {"warning": [60], "hours": wrong}, actor="ana")
    limits = {"warning": [1800], "critical": [], "hours": [7, 19]}
    tenant = await rules.set_limits(moved, tenant, rule, "his-mllp", limits, actor="ana")
    for at, silent in (("03:00", False), ("07:10", False), ("07:40", True), ("19:10", False)):
        clock.now = datetime.datetime.fromisoformat(f"2026-11-26T{at}:00-03:00")
        assert ("channel.silent" in {one.rule for one in await alarms.current(moved, tenant)}) is silent, at


# --- what is measured ---------------------------------------------------------------------------------------------------


async def test_what_is_measured(moved: World, tenant: Tenant, clock: Clock) -> None:
    """One of each kind: waiting, refused, in conflict, silent, paused, late, expiring."""
    partner = await partner_of(moved, tenant)
    old = clock.now - datetime.timedelta(hours=1)
    rule = rules.rule_of(tenant, "channel.silent")
    tenant = await rules.set_limits(moved, tenant, rule, "his-http", {"warning": [60], "critical": [600]}, actor="ana")
    async with moved.transaction(tenant) as tx:
        channel = await tx.value("SELECT id FROM channel WHERE tenant_id = $1 AND name = 'his-mllp'")
        put = (
            "INSERT INTO message (tenant_id, id, direction, format, channel_id, status, content, conflict, received_at) "
            "VALUES ($1, $2, 'in', 'hl7', $3, $4, 'CANARIO', $5, $6)"
        )
        await tx.run(put, new_id(), channel, "RECEIVED", False, old)
        await tx.run(put, new_id(), channel, "ERROR", True, clock.now)
        sent = Outgoing(operation="lote", format="tiss", type="lote", content=b"CANARIO")
        await outbox.enqueue(tx, partner, sent)
        await tx.run("UPDATE delivery SET created_at = $2 WHERE tenant_id = $1", old)
        await tx.run("UPDATE lane SET attempt = 7 WHERE tenant_id = $1 AND kind = 'outbound'")
        await tx.run("INSERT INTO lane (tenant_id, id, kind, name, paused) VALUES ($1, 7, 'outbound', 'pausado', true)")
        await tx.run("UPDATE schedule SET next_fire_at = $2 WHERE tenant_id = $1 AND name = 'words'", old)
        await tx.run(
            "INSERT INTO job (tenant_id, id, name, lane_id, status, created_at) VALUES ($1, $2, 'x', 1, 'DEAD', now()), "
            "($1, $3, 'y', 2, 'QUEUED', $4)", new_id(), new_id(), old,
        )  # fmt: skip
        await vault.put(
            tx, moved.settings, "cert", {"a": "b"}, kind="pkcs12", expires_at=clock.now + 10 * 1440 * MINUTE
        )
    found = {(one.rule, one.place): one.value for one in await readings.of_tenant(moved, tenant)}
    for key, least in {
        ("inbound.age", "his-mllp"): 3599, ("channel.errors", "his-mllp"): 1, ("channel.conflict", "his-mllp"): 1,
        ("channel.silent", "his-http"): 600, ("outbound.age", "payer/pagador"): 3599, ("outbound.depth", "payer/pagador"): 1,
        ("outbound.attempts", "pagador"): 7, ("lane.paused", "pausado"): 1, ("schedule.late", "words"): 3599,
        ("job.dead", "x"): 1, ("job.age", "y"): 3599, ("certificate.days", "cert"): 9, ("disk.free", "data"): 0,
    }.items():  # fmt: skip
        assert least <= found[key] <= least + 100, key
    assert found["clock.skew", ""] <= 2
    assert ("channel.silent", "his-mllp") not in found, "no limit, no measure"


def test_what_is_measured_of_the_machine(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data", exchange_root=str(tmp_path))
    assert machine.disks(settings) == [("exchange", machine.disks(settings)[0][1])]
    assert machine.hours_since_backup(settings, 0) is None, "nobody knows of any backup of a database of one's own"
    (tmp_path / "data" / "postgres").mkdir(parents=True)
    (tmp_path / "data" / "postgres" / "PG_VERSION").touch()
    made = (tmp_path / "data" / "postgres" / "PG_VERSION").stat().st_mtime
    assert machine.hours_since_backup(settings, made + 31 * 3600) == 31, "since the database was made: none yet"
    machine.backed_up(settings)
    assert machine.hours_since_backup(settings, made + 3600) in (0, 1)
    assert len(machine.disks(settings)) == 1, "one disk is told once"


# --- from beginning to end ----------------------------------------------------------------------------------------------


async def test_an_alarm_begins_worsens_and_ends_and_each_is_told_once(
    moved: World, tenant: Tenant, clock: Clock
) -> None:
    partner = await partner_of(moved, tenant)
    assert not keys((await look.judge(moved, tenant)).begun)
    await dead(moved, tenant, partner)
    first = await look.judge(moved, tenant)
    assert keys(first.begun) == {("outbound.dead", "payer/pagador", "warning")}
    clock.now += MINUTE
    again = await look.judge(moved, tenant)
    assert not keys((*again.begun, *again.worse, *again.ended))
    await alarms.acknowledge(moved, tenant, "outbound.dead", "payer/pagador", actor="ana")
    clock.now += MINUTE
    await look.judge(moved, tenant)
    (standing,) = [one for one in await alarms.current(moved, tenant) if one.rule == "outbound.dead"]
    assert (standing.acknowledged_by, standing.since) == ("ana", first.begun[0].since)
    await dead(moved, tenant, partner, 99)
    clock.now += MINUTE
    worse = await look.judge(moved, tenant)
    assert keys(worse.worse) == {("outbound.dead", "payer/pagador", "critical")}
    (standing,) = [one for one in await alarms.current(moved, tenant) if one.rule == "outbound.dead"]
    assert standing.acknowledged_at is None, "what worsened is nobody's yet"
    await alive(moved, tenant)
    clock.now += MINUTE
    assert not keys((await look.judge(moved, tenant)).ended), "it may come back in a moment"
    clock.now += 2 * MINUTE
    assert keys((await look.judge(moved, tenant)).ended) == {("outbound.dead", "payer/pagador", "critical")}
    with pytest.raises(NotFound):
        await alarms.acknowledge(moved, tenant, "outbound.dead", "payer/pagador", actor="ana")
    await dead(moved, tenant, partner)
    clock.now += MINUTE
    assert keys((await look.judge(moved, tenant)).begun) == {("outbound.dead", "payer/pagador", "warning")}
    (standing,) = [one for one in await alarms.current(moved, tenant) if one.rule == "outbound.dead"]
    assert standing.since == clock.now, "a new one, not the old one"


async def test_a_rule_that_holds_is_told_only_when_it_has_stood(moved: World, tenant: Tenant, clock: Clock) -> None:
    """Messages replayed after a repair are old the moment they wait: that alone is no alarm."""
    async with moved.transaction(tenant) as tx:
        await tx.run(
            "INSERT INTO message (tenant_id, id, direction, format, status, content, received_at) "
            "VALUES ($1, $2, 'in', 'hl7', 'RECEIVED', 'x', now() - interval '3 days')", new_id(),
        )  # fmt: skip
    assert "inbound.age" not in {one.rule for one in (await look.judge(moved, tenant)).begun}
    assert "inbound.age" not in {one.rule for one in await alarms.current(moved, tenant)}
    clock.now += 2 * MINUTE
    assert "inbound.age" in {one.rule for one in await alarms.current(moved, tenant)}
    assert "inbound.age" in {one.rule for one in (await look.judge(moved, tenant)).begun}


async def test_a_clock_set_back_silences_no_alarm_and_leaves_none_standing(
    moved: World, tenant: Tenant, clock: Clock
) -> None:
    day = datetime.timedelta(days=1)
    partner = await partner_of(moved, tenant)
    async with moved.transaction(tenant) as tx:
        await tx.run(
            "INSERT INTO message (tenant_id, id, direction, format, status, content, received_at) "
            "VALUES ($1, $2, 'in', 'hl7', 'RECEIVED', 'x', now() - interval '3 days')", new_id(),
        )  # fmt: skip
    await dead(moved, tenant, partner)
    clock.now += day
    await look.judge(moved, tenant)
    await alive(moved, tenant)
    clock.now -= day
    assert keys((await look.judge(moved, tenant)).ended) == {("outbound.dead", "payer/pagador", "warning")}
    clock.now += 2 * MINUTE
    again = await look.judge(moved, tenant)
    assert not keys(again.ended) and "inbound.age" in {one.rule for one in again.begun}


async def test_nothing_of_another_tenant(moved: World, tenant: Tenant, other_tenant: Tenant) -> None:
    await dead(moved, tenant, await partner_of(moved, tenant))
    await look.judge(moved, tenant)
    assert not keys(await alarms.current(moved, other_tenant))
    with pytest.raises(NotFound):
        await alarms.acknowledge(moved, other_tenant, "outbound.dead", "payer/pagador", actor="eva")


# --- who is told --------------------------------------------------------------------------------------------------------


async def sent_to(moved: World, tenant: Tenant, *, secret: dict[str, str], **transport: Any) -> None:
    settings = {"transport": {"timeout_s": 5, **transport}, "language": "en", "allow_private": True}
    await tell.declare(moved, tenant, "plantao", settings, secret, actor="ana")
    await dead(moved, tenant, await partner_of(moved, tenant))
    assert (await look.judge(moved, tenant)).any
    assert await delivery.work(moved, tenant) == 1
    async with moved.transaction(tenant) as tx:
        assert await tx.value("SELECT status FROM delivery WHERE tenant_id = $1 AND operation = 'alarm'") == "SENT"


async def test_a_webhook_is_told_signed_and_without_patient_data(moved: World, tenant: Tenant) -> None:
    async with peers.http(lambda _n, _content: (200, "text/plain", b"")) as peer:
        url = f"http://127.0.0.1:{peer.port}/alarms"
        await sent_to(moved, tenant, kind="webhook", url=url, media="application/json", secret={"key": "k"})
    ((head, body),) = peer.received
    said = json.loads(body)
    assert [one["rule"] for one in said["begun"] if one["rule"] == "outbound.dead"] == ["outbound.dead"]
    assert said["tenant"] == tenant.slug and "gave up" in json.dumps(said)
    seal = hmac.new(b"k", head["ponte-timestamp"].encode() + b"." + body, hashlib.sha256).hexdigest()
    assert head["ponte-signature"] == f"sha256={seal}" and head["content-type"] == "application/json"
    assert not [canary for canary in CANARIES if canary.encode() in body]


async def test_a_mail_says_what_and_what_to_do(moved: World, tenant: Tenant) -> None:
    async with mail_server.mail() as server:
        await sent_to(
            moved, tenant, kind="mail", host="127.0.0.1", port=server.port, tls="none", sender="ponte@hospital.example",
            to=["ti@hospital.example", "plantao@hospital.example"], secret={},
        )  # fmt: skip
    (mail,) = server.mails
    text = mail.decode()
    assert "Deliveries to payer/pagador that gave up: 1." in text and "--dry-run" in text
    assert "To: ti@hospital.example, plantao@hospital.example" in text and "new)" in text
    assert not [canary for canary in CANARIES if canary in text]


async def test_who_is_told_no_more_gets_nothing_that_waits(moved: World, tenant: Tenant) -> None:
    settings = {
        "transport": {"kind": "webhook", "url": f"http://127.0.0.1:{peers.dead_port()}/"},
        "allow_private": True,
    }
    await tell.declare(moved, tenant, "plantao", settings, {}, actor="ana")
    await dead(moved, tenant, await partner_of(moved, tenant))
    await look.judge(moved, tenant)
    await tell.withdraw(moved, tenant, "plantao", actor="ana")
    async with moved.transaction(tenant) as tx:
        assert await tx.value("SELECT status FROM delivery WHERE tenant_id = $1 AND operation = 'alarm'") == "ERROR"
    with pytest.raises(NotFound):
        await tell.withdraw(moved, tenant, "plantao", actor="ana")
    with pytest.raises(Refused):
        await tell.declare(moved, tenant, "Plantão", settings, {}, actor="ana")


async def test_gauges_name_no_value_of_a_message(moved: World, tenant: Tenant) -> None:
    await dead(moved, tenant, await partner_of(moved, tenant))
    await look.judge(moved, tenant)
    found = await gauges.of_tenant(moved, tenant)
    assert {"ponte_alarm", "ponte_outbound_dead", "ponte_disk_free_percent", "ponte_waiting"} <= {
        one.name for one in found
    }
    assert not [canary for canary in CANARIES if canary in repr(found)]
