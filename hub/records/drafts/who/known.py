"""What the store holds of the records that drafts name, as far as it was looked up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from canonical.records import Key
from hub.records.drafts.who.lookup import Place

Body = dict[str, Any]


@dataclass(slots=True)
class Known:
    """Candidates by key, survivors of merged patients, and the rows themselves; and what these drafts made so far.

    `careful`: whether a patient's own number is asked whose it is; not where a message tells of merges and moves.
    """

    candidates: dict[tuple[str, Key], list[str]]
    survivors: dict[str, str]
    rows: dict[Place, Body | None]
    careful: bool = True
    new: dict[tuple[str, Key, str], tuple[str, str]] = field(default_factory=dict)
    patients: dict[Key, Body] = field(default_factory=dict)
    """New patients by a number, as their drafts tell of them."""
    people: dict[str, dict[str, Body]] = field(default_factory=dict)
    """Professionals by a number that these drafts name, as they grow."""
    visited: dict[str, set[str]] = field(default_factory=dict)
    """Patients (`Patient/id`) of stored visits that a patient's draft is told with."""
    doubtful: set[str] = field(default_factory=set)
    """Drafts that may be of somebody else than who has their number: they change nothing of that patient."""
    disputed: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Drafts of new visits whose number is another patient's visit already: both patients (`Patient/id`)."""
    handed: list[Handed] = field(default_factory=list)
    """Numbers that turned out to be another patient's now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """A number that `before` had, or leads to, and that the patient of the draft `local` has now."""

    key: Key
    before: str
    through: tuple[str, ...]
    """Patients merged into `before` who have the number as well."""
    local: str
