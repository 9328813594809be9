"""What a Subscription record asks for (R4 §2.46, and the R5 backport's content of notifications), or why it cannot be.

Criteria are judged on the new content of each changed record, without a search, so they may hold fixed conditions on
that record only: no chains, `_has` or results. The channel is `rest-hook`.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from canonical import local
from canonical.problem import Problem
from fhir.definitions.table import resource_types
from fhir.search.conditions import BadQuery, Condition, Setting
from fhir.search.matching import is_fixed
from fhir.search.query import parse
from hub.subscriptions.topics import FILTER, topics

CONTENT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-payload-content"
CONTENTS = ("empty", "id-only", "full-resource")
HEARTBEAT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-heartbeat-period"
LEAST_HEARTBEAT, MOST_HEARTBEAT = 60, 7 * 86_400  # seconds
MIMES = ("application/fhir+json", "application/json")
SIGNING = "ponte-signing-key"
"""The header whose value is never sent: notifications are signed with it."""
SHORTEST_KEY = 16
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}):[ \t]*([\x20-\x7e\t]{1,2000})\Z")
_FRAMING = ("host", "content-length", "content-type", "connection", "transfer-encoding", "upgrade", "te", "trailer")
_OURS = frozenset((*_FRAMING, "expect", "ponte-delivery", "ponte-timestamp", "ponte-signature"))
WITHHELD = "(withheld)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """A subscription that can be carried out.

    `criteria` is a search on one type; of a topic with its filter. `begins`: only when the version before did not meet
    it. `content` is the backport's (empty, id-only, full-resource) or "" for R4's own notifications: without `payload`
    an empty POST, with it the record itself by PUT. `headers` are sent with each; `key` signs. `heartbeat`: after so
    many seconds without anything told a heartbeat is sent (0: none). `topic` is what notifications name.
    """

    type_name: str
    criteria: str
    begins: bool
    endpoint: str
    payload: str
    content: str
    headers: dict[str, str]
    key: str
    end: datetime.datetime | None
    heartbeat: int = 0
    topic: str = ""


def criteria_of(criteria: str, setting: Setting) -> tuple[str, tuple[Condition, ...]] | None:
    """The type and the conditions of a criteria text; None when it is not one that can be judged on a record alone."""
    kind, _, text = criteria.partition("?")
    if kind not in resource_types():
        return None
    try:
        found = parse(kind, parse_qsl(text, keep_blank_values=True, max_num_fields=20), setting)
    except (BadQuery, ValueError):
        return None
    fixed = all(is_fixed(condition) for condition in found.conditions)
    if found.unknown or not fixed or len(found.used) != len(found.conditions):
        return None
    return kind, found.conditions


def declared(body: Mapping[str, Any], setting: Setting, kept: Mapping[str, str]) -> Declared | list[Problem]:
    """What `body` asks for, or what is wrong with it; `kept` are header values withheld from an earlier version."""
    channel: Mapping[str, Any] = body.get("channel") or {}
    problems: list[Problem] = []
    criteria, begins = _meant(body)
    found = criteria_of(criteria, setting)
    if found is None:
        problems.append(Problem("fhir.subscription.criteria", "Subscription.criteria"))
    if channel.get("type") != "rest-hook":
        problems.append(Problem("fhir.subscription.channel", "Subscription.channel.type"))
    endpoint = str(channel.get("endpoint", ""))
    if not _is_address(endpoint):
        problems.append(Problem("fhir.subscription.endpoint", "Subscription.channel.endpoint"))
    content = content_of(channel)
    payload = str(channel.get("payload", ""))
    if (payload and payload.partition(";")[0].strip() not in MIMES) or (content not in ("", *CONTENTS)):
        problems.append(Problem("fhir.subscription.payload", "Subscription.channel.payload"))
    headers = _headers(channel.get("header") or (), kept)
    key = headers.pop(SIGNING, "") if headers is not None else ""
    if headers is None or (key and len(key) < SHORTEST_KEY):
        problems.append(Problem("fhir.subscription.header", "Subscription.channel.header"))
    if problems or found is None or headers is None:
        return problems
    end = local.instant(body.get("end"))
    return Declared(
        type_name=found[0],
        criteria=criteria,
        begins=begins,
        endpoint=endpoint,
        payload=payload,
        content=content,
        headers=headers,
        key=key,
        end=end,
        heartbeat=heartbeat_of(channel) if content else 0,
        topic=topic_of(body, content),
    )


def _meant(body: Mapping[str, Any]) -> tuple[str, bool]:
    """The search, and whether it must begin to be met: as written, or of the topic that is named, with its filters.

    A filter (`Encounter?class=IMP`) narrows the topic's own search; one of another type makes no search at all.
    """
    stated = str(body.get("criteria", ""))
    topic = topics().get(stated.partition("|")[0])
    if topic is None:  # a search of its own says all; what narrows it in another way is not understood
        return ("", False) if _extensions(body) else (stated, False)
    kind, _, text = topic.criteria.partition("?")
    parts = [text] if text else []
    for extension in _extensions(body):
        named, _, filtered = str(extension.get("valueString", "")).partition("?")
        if extension.get("url") != FILTER or named != kind or not filtered:
            return "", False
        parts.append(filtered)
    return kind + ("?" + "&".join(parts) if parts else ""), topic.begins


def topic_of(body: Mapping[str, Any], content: str) -> str:
    """The topic that notifications of a Subscription name; none of an empty content, which tells nothing."""
    stated = str(body.get("criteria", ""))
    return stated if content not in ("", "empty") and stated.partition("|")[0] in topics() else ""


def _extensions(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The extensions of the criteria."""
    return list((body.get("_criteria") or {}).get("extension") or ())


def heartbeat_of(channel: Mapping[str, Any]) -> int:
    """The period of heartbeats in seconds as it is kept to; 0 when none is asked for."""
    for each in channel.get("extension") or ():
        if each.get("url") == HEARTBEAT and isinstance(each.get("valueUnsignedInt"), int):
            asked = int(each["valueUnsignedInt"])
            return min(max(asked, LEAST_HEARTBEAT), MOST_HEARTBEAT) if asked else 0
    return 0


def with_heartbeat(body: dict[str, Any], period: int) -> dict[str, Any]:
    """The record with the period that is kept to in place of the one asked for (0: without one)."""
    channel = body.get("channel")
    listed = channel.get("extension") if isinstance(channel, dict) else None
    if not isinstance(channel, dict) or not listed or all(each.get("url") != HEARTBEAT for each in listed):
        return body
    kept = [each for each in listed if each.get("url") != HEARTBEAT]
    kept += [{"url": HEARTBEAT, "valueUnsignedInt": period}] if period else []
    rest = {name: value for name, value in channel.items() if name != "extension"}
    return {**body, "channel": {**rest, **({"extension": kept} if kept else {})}}


def withheld(body: dict[str, Any]) -> dict[str, Any]:
    """The record as it is stored: header names stay, their values do not, since whoever reads it could use them."""
    channel = body.get("channel")
    if not isinstance(channel, dict) or not channel.get("header"):
        return body
    names = [str(line).partition(":")[0].strip() for line in channel["header"]]
    return {**body, "channel": {**channel, "header": [f"{name}: {WITHHELD}" for name in names]}}


def content_of(channel: Mapping[str, Any]) -> str:
    """The backport's content code, an extension of `payload`."""
    extensions = (channel.get("_payload") or {}).get("extension") or ()
    return next((str(each.get("valueCode", "?")) for each in extensions if each.get("url") == CONTENT), "")


def _headers(lines: Any, kept: Mapping[str, str]) -> dict[str, str] | None:
    """Names in lower case with their values; None for one that cannot be sent, or is the hub's own."""
    found: dict[str, str] = {}
    for line in lines:
        match = _HEADER.match(str(line))
        name = match[1].lower() if match else ""
        value = match[2].strip() if match else ""
        if value == WITHHELD:
            value = kept.get(name, "")
        if not value or name in _OURS:
            return None
        found[name] = value
    return found


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.username and parts.port != 0
    except ValueError:
        return False
