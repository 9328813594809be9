"""When a measure is an alarm: limits as data (`rules.csv`), which a tenant may set anew for a rule or one place of it.

A rule's limits are steps: each one passed makes the alarm graver by one level, first warnings, then critical ones.
"""

from __future__ import annotations

import csv
import dataclasses
import datetime
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from canonical.errors import NotFound, Refused
from hub.guard import audit
from hub.guard.policies import part_of, settings_of
from hub.world import Tenant, World

SETTING = "alarms"
MOST_STEPS = 6
MOST_OWN = 500
_EVER = 10**9
Severity = Literal["warning", "critical"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule. `grows`: a measure at or above a limit passes it, else one at or below; without limits it is off.

    `hold_s` is for how long an alarm must stand before anybody hears of it. Its words are the problem `watch.NAME`.
    `hours` are the hours of the day in which it holds, from and up to, in the tenant's zone; over midnight too.
    """

    name: str
    grows: bool
    warning: tuple[int, ...]
    critical: tuple[int, ...]
    unit: str
    hold_s: int
    hours: tuple[int, int] | None = None

    def level(self, value: int) -> int:
        """How many limits a value passes; 0 is no alarm."""
        steps = (*self.warning, *self.critical)
        return sum(value >= step if self.grows else value <= step for step in steps)

    def severity(self, level: int) -> Severity:
        """What a level of 1 or more is called."""
        return "critical" if level > len(self.warning) else "warning"

    def opened_s(self, zone: str, now: datetime.datetime) -> int | None:
        """Seconds since its hours of the day began; None outside of them. Without hours it has always held."""
        if self.hours is None:
            return _EVER
        local = now.astimezone(ZoneInfo(zone))
        first, last = self.hours
        since = (local.hour - first) % 24
        if since >= ((last - first) % 24 or 24):
            return None
        return since * 3600 + local.minute * 60 + local.second

    def as_json(self) -> dict[str, Any]:
        """One JSON object."""
        return {
            "rule": self.name,
            "when": "more" if self.grows else "less",
            "warning": list(self.warning),
            "critical": list(self.critical),
            "unit": self.unit,
            "hold_s": self.hold_s,
            "hours": list(self.hours) if self.hours else None,
        }


@cache
def rules() -> Mapping[str, Rule]:
    """The rules as they hold for who says nothing; raises ValueError naming the line that cannot be read."""
    path = Path(__file__).resolve().parent / "rules.csv"
    found: dict[str, Rule] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file), start=2):
            warning, critical = (tuple(map(int, row[name].split())) for name in ("warning", "critical"))
            rule = Rule(
                name=row["rule"],
                grows=row["when"] == "more",
                warning=warning,
                critical=critical,
                unit=row["unit"],
                hold_s=int(row["hold"]),
            )
            if row["when"] not in ("more", "less") or row["rule"] in found or not _ordered(rule):
                raise ValueError(f"{path.name}:{number}")
            found[rule.name] = rule
    return found


def rule_of(tenant: Tenant, name: str, place: str = "", now: datetime.datetime | None = None) -> Rule:
    """The rule as it holds for one place of a tenant; at a moment outside its hours it is off. Raises NotFound."""
    rule = rules().get(name)
    if rule is None:
        raise NotFound("there is no such rule")
    own = own_limits(tenant)
    stated = own.get(f"{name} {place}", own.get(name))
    found = rule if stated is None else _stepped(rule, stated)
    if now is not None and found.opened_s(tenant.zone, now) is None:
        return dataclasses.replace(found, warning=(), critical=())
    return found


def own_limits(tenant: Tenant) -> Mapping[str, Any]:
    """What a tenant set: by `rule`, or `rule place`."""
    found = part_of(tenant.settings, SETTING).get("limits")
    return found if isinstance(found, dict) else {}


async def set_limits(
    world: World, tenant: Tenant, rule: Rule, place: str, limits: Mapping[str, list[int]] | None, *, actor: str
) -> Tenant:
    """Set the limits of a rule (`warning`, `critical`; both empty: off; `hours`), everywhere or at one place.

    None takes back what was set. Returns the tenant as it is now; raises Refused, NotFound.
    """
    key = f"{rule.name} {place}" if place else rule.name
    if limits is not None and not _ordered(_stepped(rule, limits)):
        raise Refused(
            f"limits are at most {MOST_STEPS} numbers, each graver than the one before, warnings first; hours are two",
            code="watch.limits",
        )
    async with world.transaction(tenant) as tx:
        settings = await settings_of(tx)
        part = part_of(settings, SETTING)
        own = dict(part.get("limits") or {})
        own.pop(key, None)
        if limits is not None:
            own[key] = {name: list(steps) for name, steps in limits.items()}
        if len(own) > MOST_OWN:
            raise Refused(f"at most {MOST_OWN} limits can be set", code="watch.limits")
        settings[SETTING] = part | {"limits": own}
        await tx.run("UPDATE tenant SET settings = $2 WHERE id = $1", json.dumps(settings))
        await audit.note(tx, actor, "alarm-limit", f"Alarm/{key}", detail=dict(limits or {}))
    return await world.tenant(tenant.slug)


def _stepped(rule: Rule, stated: Any) -> Rule:
    """The rule with the steps of a setting; what is no list of whole numbers is none."""
    given = stated if isinstance(stated, Mapping) else {}
    warning, critical = (
        tuple(int(step) for step in given.get(name) or () if isinstance(step, int)) for name in ("warning", "critical")
    )
    hours = given.get("hours")
    return dataclasses.replace(rule, warning=warning, critical=critical, hours=tuple(hours) if hours else None)


def _ordered(rule: Rule) -> bool:
    steps = (*rule.warning, *rule.critical)
    ordered = sorted(set(steps), reverse=not rule.grows)
    hours = rule.hours or (0, 1)
    if len(hours) != 2 or hours[0] == hours[1] or not all(0 <= hour <= 24 for hour in hours):
        return False
    return len(steps) <= MOST_STEPS and list(steps) == ordered and all(0 <= step < 2**53 for step in steps)
