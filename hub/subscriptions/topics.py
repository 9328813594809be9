"""Topics a Subscription may name in place of a search: rows of `topics.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PREFIX = "urn:ponte:SubscriptionTopic:"
FILTER = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-filter-criteria"


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """`criteria` is a search on the record; with `begins` only a change from not meeting to meeting it counts."""

    url: str
    title: str
    criteria: str
    begins: bool


@cache
def topics() -> Mapping[str, Topic]:
    """All topics by their canonical address."""
    path = Path(__file__).with_name("topics.toml")
    rows = tomllib.loads(path.read_text(encoding="utf-8"))
    return {PREFIX + name: Topic(url=PREFIX + name, **row) for name, row in rows.items()}
