"""Renders the pages: what is alarming, the templates, and headers that let nothing foreign in."""

from __future__ import annotations

import datetime
from functools import cache
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import Response

from api.console.doors import Door
from api.console.words import HERE, Words, texts
from canonical.problem import in_general
from hub.console import MOST_FAILURES, Overview
from hub.operate.messages.selection import CONFLICT
from hub.watch.alarms import Alarm

OLD = datetime.timedelta(minutes=1)
REFRESH_SECONDS = 5
SAID = frozenset(("inbound.age", "lane.paused", "outbound.attempts", "outbound.dead"))  # by the sentences below
OF_CHANNELS = frozenset(("channel.silent", "door.closed", "pickup.failing"))  # told on the page of the channel
OF_MESSAGES = {  # which messages an alarm of a channel counts, by the search of the page of messages
    "channel.conflict": {"code": CONFLICT, "since": "24h"},
    "channel.errors": {"status": "ERROR", "since": "1h"},
    "inbound.age": {"status": "RECEIVED"},
}
STOPPED = frozenset(("bloqueado", "rejeitado"))  # lotes that go on only when a person acts
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Vary": "Accept-Language, Cookie",
}


def alarms(overview: Overview | None, doors: list[Door], words: Words) -> list[str]:
    """What needs attention, in sentences; empty when all is well."""
    if overview is None:
        return [words.say("alarm.database")]
    found = [words.say("alarm.door", name=door_name(door, words)) for door in doors if not door.open]
    if overview.dead:
        found.append(words.say("alarm.dead", n=words.count(overview.dead)))
    if paused := sum(part.paused for part in overview.waiting):
        found.append(words.say("alarm.paused", n=words.count(paused)))
    if failing := sum(part.failing for part in overview.waiting):
        found.append(words.say("alarm.failing", n=words.count(failing)))
    oldest = min((p.oldest for p in overview.waiting if p.oldest and p.kind == "inbound"), default=None)
    if oldest is not None and overview.at - oldest > OLD:
        found.append(words.say("alarm.old", age=words.ago(oldest)))
    open_ones = [one for one in overview.alarms if one.acknowledged_at is None and one.rule not in SAID]
    return found + [one.problem.text(words.language) for one in open_ones]


def door_name(door: Door, words: Words) -> str:
    """A door's name, with its channel."""
    name = words.say(f"door.{door.key}")
    return f"{name}: {door.channel}" if door.channel else name


def kind_name(kind: str, words: Words) -> str:
    """What a kind of guide, annex or request is called; a word of the standard that has no other stays."""
    key = f"kind.{kind}"
    return words.say(key) if key in texts() else kind


def status_name(status: str, words: Words) -> str:
    """What a state of billing is called, with its accents."""
    key = f"status.{status}"
    return words.say(key) if key in texts() else status


def alarm_place(alarm: Alarm, words: Words) -> str:
    """The address of what an alarm is about; empty where no page shows just that."""
    if not alarm.place:
        return ""
    if alarm.rule in OF_CHANNELS:
        return f"/console/channels/{quote(alarm.place, safe='')}?lang={words.language}"
    about = OF_MESSAGES.get(alarm.rule)
    if about is None:
        return ""
    return f"/console/messages?{urlencode({'lang': words.language, **about, 'channel': alarm.place})}#found"


def key_name(by: str, key: str, words: Words) -> str:
    """What a group of the board of denials is called: months as they are written, councils in capitals."""
    if by == "month":
        return words.month(key) if key else words.say("denials.no-month")
    if by == "professional":
        return key.upper() if key else words.say("denials.no-professional")
    return key or "–"


def cause(code: str, words: Words) -> tuple[str, str]:
    """Text and remedy of a finding's code; what would name a value of one message is left open."""
    return in_general(code, words.language)


def page(name: str, words: Words, *, status: int = 200, **values: object) -> Response:
    """A rendered template as an answer."""
    template = _environment().get_template(name)
    given = {"refresh": 0, "stopped": STOPPED, "most_failures": MOST_FAILURES, **values}
    named: dict[str, object] = {
        "alarm_place": alarm_place,
        "cause": cause,
        "door_name": door_name,
        "key_name": key_name,
    }
    named |= {"kind_name": kind_name, "status_name": status_name}
    text = template.render(words=words, say=words.say, **named, **given)
    headers = {**HEADERS, "Content-Language": words.tag, **({"Retry-After": "5"} if status == 503 else {})}
    return Response(text, status, headers, "text/html; charset=utf-8")


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
