"""Who is told of alarms: addresses the operator declared, as partners of the kind `watch`, over the outbox.

A webhook gets one JSON document for each look that found something new, signed as notifications are; a mail has the
same in words. Neither says anything of a patient: rules, names an operator gave, and numbers.
"""

from __future__ import annotations

import datetime
import json
import re
import uuid
from dataclasses import dataclass
from typing import Any

from canonical.errors import NotFound, Refused
from hub.exchange.handlers import Reply, on_reply
from hub.exchange.out import outbox
from hub.exchange.out.outbox import Outgoing
from hub.exchange.partners import Partner, partners_of, save_partner
from hub.guard import audit, vault
from hub.store.database import Transaction
from hub.watch.alarms import Alarm
from hub.world import Tenant, World

KIND = "watch"
OPERATION = "alarm"
MOST = 20
LANGUAGES = ("pt", "en")
_NAME = re.compile(r"[a-z0-9][a-z0-9\-]{0,40}\Z")
_RETRY = {"attempts": 30, "first_s": 5.0, "most_s": 3600.0, "then": "continue"}
_HEADS = {
    "pt": {"begun": "Novos", "worse": "Agravados", "ended": "Encerrados", "subject": "alarmes"},
    "en": {"begun": "New", "worse": "Worse", "ended": "Ended", "subject": "alarms"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What is told: alarms that began, became graver, or ended."""

    begun: tuple[Alarm, ...] = ()
    worse: tuple[Alarm, ...] = ()
    ended: tuple[Alarm, ...] = ()

    @property
    def any(self) -> bool:
        """Whether there is anything to tell."""
        return bool(self.begun or self.worse or self.ended)


async def enqueue(tx: Transaction, tenant: Tenant, news: News, now: datetime.datetime) -> int:
    """Queue the news for everyone who is to be told; returns for how many."""
    receivers = await partners_of(tx, KIND)
    for partner in receivers:
        language = str(partner.settings.get("language", "pt"))
        by_mail = partner.settings["transport"]["kind"] == "mail"
        content = mail(tenant, news, language) if by_mail else document(tenant, news, now, language)
        outgoing = Outgoing(
            operation=OPERATION,
            format="mail" if by_mail else "json",
            type="alarms",
            content=content.encode(),
            charset="utf-8",
            purpose={"action": subject(tenant, news, language)} if by_mail else {},
        )
        await outbox.enqueue(tx, partner, outgoing)
    return len(receivers)


@on_reply(OPERATION)
async def taken(world: World, tenant: Tenant, tx: Transaction, reply: Reply) -> None:
    """Whoever was told has nothing to say to it."""


async def declare(
    world: World, tenant: Tenant, name: str, settings: dict[str, Any], secret: dict[str, str], *, actor: str
) -> None:
    """Tell `name` of alarms from now on; `settings` are a partner's (`transport`, `language`). Raises Refused.

    The secret of its transport (key of the signature; login and password) is sealed in the vault.
    """
    if not _NAME.match(name) or settings.get("language", "pt") not in LANGUAGES:
        raise Refused("a name has lower-case letters, digits, hyphens; languages are pt and en", code="watch.receiver")
    async with world.transaction(tenant) as tx:
        if len(await partners_of(tx, KIND)) >= MOST:
            raise Refused(f"at most {MOST} receivers can be declared", code="watch.receiver")
        transport = dict(settings["transport"])
        if secret:
            transport["secret"] = f"watch-{name}"
            await vault.put(tx, world.settings, transport["secret"], secret, kind="login")
        partner = Partner(
            id=uuid.uuid5(tenant.id, f"{KIND} {name}"),
            kind=KIND,
            code=name,
            name=name,
            adapter="",
            active=True,
            settings={"retry": _RETRY, **settings, "transport": transport},
        )
        await save_partner(tx, partner)
        await audit.note(tx, actor, "alarm-receiver", f"Partner/{KIND}/{name}")


async def withdraw(world: World, tenant: Tenant, name: str, *, actor: str) -> None:
    """Tell `name` no more, also nothing of what still waits for it. Raises NotFound."""
    async with world.transaction(tenant) as tx:
        row = await tx.row(
            "UPDATE partner SET active = false WHERE tenant_id = $1 AND kind = $2 AND code = $3 AND active "
            "RETURNING id",
            KIND,
            name,
        )
        if row is None:
            raise NotFound("nobody of that name is told of alarms")
        await tx.run(
            "UPDATE delivery SET status = 'ERROR', last_error = 'partner.inactive', finished_at = now() "
            "WHERE tenant_id = $1 AND partner_id = $2 AND status = 'QUEUED'",
            row["id"],
        )
        await tx.run("DELETE FROM credential WHERE tenant_id = $1 AND name = $2", f"watch-{name}")
        await audit.note(tx, actor, "alarm-receiver-end", f"Partner/{KIND}/{name}")


def document(tenant: Tenant, news: News, now: datetime.datetime, language: str) -> str:
    """The news as a JSON document."""
    said = {name: [alarm.as_json(language) for alarm in getattr(news, name)] for name in ("begun", "worse", "ended")}
    return json.dumps({"tenant": tenant.slug, "at": now.isoformat(), **said}, ensure_ascii=False)


def subject(tenant: Tenant, news: News, language: str) -> str:
    """The subject of a mail: how many alarms of which kind."""
    heads = _HEADS[language]
    parts = [
        f"{len(found)} {heads[name].lower()}" for name in ("begun", "worse", "ended") if (found := getattr(news, name))
    ]
    return f"Ponte {tenant.slug}: {heads['subject']} ({', '.join(parts)})"


def mail(tenant: Tenant, news: News, language: str) -> str:
    """The news in words, gravest first as they come."""
    lines = [tenant.name]
    for name in ("begun", "worse", "ended"):
        found: tuple[Alarm, ...] = getattr(news, name)
        if found:
            lines += ["", f"{_HEADS[language][name]}:"]
        for alarm in found:
            remedy = alarm.problem.remedy(language)
            lines += [f"- {alarm.problem.text(language)}", *([f"  {remedy}"] if remedy and name != "ended" else [])]
    return "\n".join(lines) + "\n"
