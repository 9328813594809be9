"""Alarms: readings that pass a limit, since when, and who took them on."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from canonical.errors import NotFound
from canonical.problem import Problem
from hub.guard import audit
from hub.store.database import Row, Transaction
from hub.watch import readings
from hub.watch.readings import Reading
from hub.watch.rules import Rule, Severity, rule_of, rules
from hub.world import Tenant, World

_UNITS = ((86_400 * 2, 86_400, "d"), (7200, 3600, "h"), (120, 60, "min"), (0, 1, "s"))
_NOBODY = Tenant(id=uuid.UUID(int=0), slug="", name="", zone="UTC", active=True)
_OPEN = (
    "SELECT rule, place, level, severity, value, since, seen_at, told_level, acknowledged_at, acknowledged_by "
    "FROM alarm WHERE tenant_id = $1 AND cleared_at IS NULL ORDER BY rule, place LIMIT 5000"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One alarm: rule and place, how grave, the measure in the rule's unit, since when, and who took it on."""

    rule: str
    place: str
    level: int
    severity: Severity
    value: int
    unit: str
    since: datetime.datetime
    acknowledged_at: datetime.datetime | None = None
    acknowledged_by: str = ""

    @property
    def problem(self) -> Problem:
        """The alarm in words."""
        said = (("place", self.place or "–"), ("value", said_value(self.value, self.unit)))
        level = "error" if self.severity == "critical" else "warning"
        return Problem(f"watch.{self.rule}", self.place, level=level, args=said)  # type: ignore[arg-type]

    def as_json(self, language: str = "pt") -> dict[str, Any]:
        """One JSON object; `text` and `remedy` are for a person."""
        return {
            "rule": self.rule,
            "place": self.place,
            "severity": self.severity,
            "value": self.value,
            "unit": self.unit,
            "since": self.since.isoformat(),
            "acknowledged_at": self.acknowledged_at.isoformat() if self.acknowledged_at else None,
            "acknowledged_by": self.acknowledged_by,
            "text": self.problem.text(language),
            "remedy": self.problem.remedy(language),
        }


Known = Mapping[tuple[str, str], Row]
Standing = Sequence[tuple[Alarm, Rule]]


def said_value(value: int, unit: str) -> str:
    """A measure as a person says it: seconds as minutes, hours or days; others with their unit."""
    if unit == "s":
        _, size, name = next(each for each in _UNITS if value >= each[0])
        return f"{value // size} {name}"
    return f"{value}{unit}" if unit == "%" else f"{value} {unit}" if unit in ("d", "h") else str(value)


async def current(world: World, tenant: Tenant) -> list[Alarm]:
    """The alarms of a tenant as measured at this moment, gravest first; raises TryLater when the database is away.

    It does not need the minutely look: what stands is told also while nothing works.
    """
    taken = await readings.of_tenant(world, tenant)
    async with world.transaction(tenant) as tx:
        known = await recorded(tx)
    found = [alarm for alarm, rule in standing(tenant, taken, known, world.now()) if is_due(alarm, rule, world.now())]
    return sorted(found, key=lambda alarm: (alarm.severity != "critical", alarm.rule, alarm.place))


def of_machine(world: World) -> list[Alarm]:
    """The alarms of this machine alone, by the rules as they are for everyone."""
    return [alarm for alarm, _ in standing(_NOBODY, readings.of_machine(world), {}, world.now())]


async def acknowledge(world: World, tenant: Tenant, rule: str, place: str, *, actor: str) -> None:
    """Somebody takes an alarm on: it is still shown, and told again only when it worsens. Raises NotFound."""
    async with world.transaction(tenant) as tx:
        row = await tx.row(
            "UPDATE alarm SET acknowledged_at = $4, acknowledged_by = $5 "
            "WHERE tenant_id = $1 AND rule = $2 AND place = $3 AND cleared_at IS NULL RETURNING rule",
            rule,
            place,
            world.now(),
            actor,
        )
        if row is None:
            raise NotFound("no such alarm stands")
        await audit.note(tx, actor, "alarm-acknowledge", f"Alarm/{rule} {place}".rstrip())


async def recorded(tx: Transaction, *, lock: bool = False) -> Known:
    """The alarms that the last look left standing, by rule and place; `lock` keeps others from changing them."""
    return {(row["rule"], row["place"]): row for row in await tx.rows(_OPEN + (" FOR UPDATE" if lock else ""))}


def standing(tenant: Tenant, taken: Iterable[Reading], known: Known, now: datetime.datetime) -> Standing:
    """The readings that pass a limit, as alarms with their rules; what is known of them is carried over."""
    found: list[tuple[Alarm, Rule]] = []
    for reading in taken:
        rule = rule_of(tenant, reading.rule, reading.place, now)
        level = rule.level(reading.value)
        if not level:
            continue
        row = known.get((reading.rule, reading.place))
        kept = row if row is not None and level <= row["level"] else None
        alarm = Alarm(
            rule=reading.rule,
            place=reading.place,
            level=level,
            severity=rule.severity(level),
            value=reading.value,
            unit=rule.unit,
            since=min(row["since"], now) if row is not None else now,  # later: the clock was set back
            acknowledged_at=kept["acknowledged_at"] if kept is not None else None,
            acknowledged_by=kept["acknowledged_by"] if kept is not None else "",
        )
        found.append((alarm, rule))
    return found


def is_due(alarm: Alarm, rule: Rule, now: datetime.datetime) -> bool:
    """Whether an alarm has stood for as long as its rule wants before anybody hears of it."""
    return (now - alarm.since).total_seconds() >= rule.hold_s


def of_row(row: Row) -> Alarm:
    """An alarm as the last look saw it."""
    rule = rules().get(row["rule"])
    return Alarm(
        rule=row["rule"],
        place=row["place"],
        level=row["level"],
        severity=row["severity"],
        value=row["value"],
        unit=rule.unit if rule else "",
        since=row["since"],
        acknowledged_at=row["acknowledged_at"],
        acknowledged_by=row["acknowledged_by"],
    )
