"""How many days what is kept stays: rules as data (`rules.csv`), each with the least the law allows and why.

A tenant sets days within those bounds; nothing set means as usual, which for most is for ever.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from canonical.errors import NotFound, Refused
from hub.guard import audit
from hub.guard.policies import part_of, settings_of
from hub.world import Tenant, World

SETTING = "retention"
_LONGEST = 73_060
_EVER = "ever"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One kind of what is kept. Days: `usual` (None: for ever), the `least` and `most` that may be set (0: no most)."""

    name: str
    usual: int | None
    least: int
    most: int
    text: Mapping[str, str]
    law: Mapping[str, str]

    def allows(self, days: int | None) -> bool:
        """Whether so many days (None: for ever) may be set."""
        if days is None:
            return self.most == 0
        return self.least <= days <= (self.most or _LONGEST)

    def as_json(self) -> dict[str, Any]:
        """One JSON object: name, bounds, words and law."""
        return {
            "rule": self.name,
            "usual": self.usual,
            "least": self.least,
            "most": self.most or None,
            "text": self.text["pt"],
            "text_en": self.text["en"],
            "law": self.law["pt"],
            "law_en": self.law["en"],
        }


@cache
def rules() -> Mapping[str, Rule]:
    """All rules by name, in their order; raises ValueError naming the line that cannot be read."""
    path = Path(__file__).resolve().parent / "rules.csv"
    found: dict[str, Rule] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file), start=2):
            rule = Rule(
                name=row["rule"],
                usual=int(row["usual"]) if row["usual"] else None,
                least=int(row["least"]),
                most=int(row["most"] or 0),
                text={"pt": row["pt"], "en": row["en"]},
                law={"pt": row["law_pt"], "en": row["law_en"]},
            )
            if rule.name in found or not rule.allows(rule.usual) or not all([*rule.text.values(), *rule.law.values()]):
                raise ValueError(f"{path.name}:{number}")
            found[rule.name] = rule
    return found


def rule(name: str) -> Rule:
    """The rule of that name; raises NotFound."""
    found = rules().get(name)
    if found is None:
        raise NotFound("there is no such rule; ./ponte retention show lists them", code="retention.rule")
    return found


def days_of(tenant: Tenant, name: str) -> int | None:
    """For how many days a tenant keeps what a rule is about; None: for ever. What may not be set is as usual."""
    one = rule(name)
    own = part_of(tenant.settings, SETTING).get("days")
    stated = own.get(name) if isinstance(own, dict) else None
    if stated == _EVER:
        return None
    if isinstance(stated, int) and not isinstance(stated, bool):
        return stated if one.allows(stated) else one.usual
    return one.usual


def is_own(tenant: Tenant, name: str) -> bool:
    """Whether a tenant set the rule for itself."""
    own = part_of(tenant.settings, SETTING).get("days")
    return isinstance(own, dict) and name in own


async def set_days(
    world: World, tenant: Tenant, name: str, days: int | None, *, usual: bool = False, actor: str
) -> Tenant:
    """Keep what a rule is about for so many days (None: for ever), or as is `usual`; returns the tenant as it is now.

    Raises NotFound, and Refused for fewer days than the law allows.
    """
    one = rule(name)
    if not usual and not one.allows(days):
        bounds = f"{one.least} to {one.most or _LONGEST} days" + ("" if one.most else ", or for ever")
        raise Refused(f"{name} is kept for {bounds}: {one.law['en']}", code="retention.days")
    async with world.transaction(tenant) as tx:
        settings = await settings_of(tx)
        part = part_of(settings, SETTING)
        own: dict[str, Any] = dict(part.get("days") or {})
        own.pop(name, None)
        if not usual:
            own[name] = _EVER if days is None else days
        settings[SETTING] = part | {"days": own}
        await tx.run("UPDATE tenant SET settings = $2 WHERE id = $1", json.dumps(settings))
        await audit.note(tx, actor, "retention-set", f"Retention/{name}", detail={"days": own.get(name, "usual")})
    return await world.tenant(tenant.slug)
