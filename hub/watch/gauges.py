"""The figures a monitor collects: every measure of the rules, the alarms that stand, what waits and what flowed.

Labels are rules, channels, partners, job names and message types; never a value of a message.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hub import console
from hub.console import Overview
from hub.watch import readings
from hub.watch.alarms import Alarm
from hub.watch.readings import Reading
from hub.watch.rules import rules
from hub.world import Tenant, World

_UNIT_NAMES = {"s": "_seconds", "h": "_hours", "d": "_days", "%": "_percent"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """One figure: its name, what it means in one sentence, its labels and its value."""

    name: str
    help: str
    value: float
    labels: tuple[tuple[str, str], ...] = ()


async def of_tenant(world: World, tenant: Tenant) -> list[Gauge]:
    """The figures of one tenant; raises TryLater when the database is away."""
    taken = await readings.of_tenant(world, tenant)
    seen = await console.overview(world, tenant)
    return [*_measured(taken), *_alarms(seen.alarms), *_flows(seen), *_waiting(seen)]


async def of_hub(world: World) -> list[Gauge]:
    """The sums over all tenants, and what is measured of this machine; no name of a tenant, channel or partner."""
    seen = await console.hub_overview(world)
    tenants = Gauge(name="ponte_tenants", help="Active tenants.", value=seen.tenants)
    measured = _measured(readings.of_machine(world))
    return [tenants, *measured, *_alarms(seen.alarms), *_flows(seen), *_waiting(seen)]


def _measured(taken: Iterable[Reading]) -> Iterable[Gauge]:
    for reading in taken:
        rule = rules()[reading.rule]
        name = f"ponte_{reading.rule.replace('.', '_')}"
        unit = _UNIT_NAMES.get(rule.unit, "")
        yield Gauge(
            name=name if name.endswith(unit) else name + unit,
            help=f"What the rule {reading.rule} is held against.",
            value=reading.value,
            labels=(("place", reading.place),) if reading.place else (),
        )


def _alarms(standing: Iterable[Alarm]) -> Iterable[Gauge]:
    for alarm in standing:
        taken = "yes" if alarm.acknowledged_at else "no"
        labels = (
            ("rule", alarm.rule), ("place", alarm.place), ("severity", alarm.severity), ("acknowledged", taken),
        )  # fmt: skip
        yield Gauge(name="ponte_alarm", help="1 for every alarm that stands.", value=1, labels=labels)


def _flows(seen: Overview) -> Iterable[Gauge]:
    for flow in seen.flows:
        labels = (("source", flow.source), ("direction", flow.direction), ("type", flow.type or "other"))
        yield Gauge(
            name="ponte_messages_last_hour",
            help="Messages of the last hour, of the most frequent kinds.",
            value=flow.count,
            labels=labels if flow.source else labels[1:],
        )
    if seen.received is not None:
        yield Gauge(
            name="ponte_last_message_seconds",
            help="Seconds since the last message came in.",
            value=max(0.0, (seen.at - seen.received).total_seconds()),
        )


def _waiting(seen: Overview) -> Iterable[Gauge]:
    for part in seen.waiting:
        kind = (("kind", part.kind),)
        yield Gauge(name="ponte_waiting", help="Work that waits in lanes.", value=part.pending, labels=kind)
        yield Gauge(name="ponte_lanes_paused", help="Lanes that wait for a decision.", value=part.paused, labels=kind)
        yield Gauge(name="ponte_lanes_failing", help="Lanes that retry.", value=part.failing, labels=kind)
        oldest = (seen.at - part.oldest).total_seconds() if part.oldest is not None else 0.0
        yield Gauge(
            name="ponte_waiting_oldest_seconds", help="Age of the oldest work that waits.", value=oldest, labels=kind
        )
    yield Gauge(name="ponte_deliveries_dead", help="Deliveries that gave up.", value=seen.dead)
