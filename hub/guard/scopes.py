"""Scopes of access tokens: SMART v1 (`system/Patient.read`) and v2 (`system/Patient.rs`), and the hub's own names.

SMART App Launch 2.2 §6: a scope may narrow by more than type and action: to the compartment of the token's patient
(`patient/…`) and to records that meet a query (`….rs?category=laboratory`). Such a grant is no permission on a whole
type: `permits` knows only whole ones, so whoever asks nothing else stays safe; `narrowing` gives the others to those
who judge record by record (`hub.find.sight`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qsl

LAUNCH_PATIENT = "launch/patient"
_SMART = re.compile(
    r"(patient|user|system)/(\*|[A-Z][A-Za-z]{1,63})\.(\*|read|write|c?r?u?d?s?)(?:\?([!-~]{1,500}))?\Z", re.ASCII
)
_VERSION_1 = {"*": "cruds", "read": "rs", "write": "cud"}
_RANK = {"patient": 0, "user": 1, "system": 2}


@dataclass(frozen=True, slots=True)
class Grant:
    """One SMART scope: its context, a type (`*` is any), the letters of what may be done, and a query to narrow by."""

    context: str
    type_name: str
    actions: frozenset[str]
    query: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether it covers all records of its type."""
        return self.context != "patient" and not self.query

    def allows(self, type_name: str, action: str) -> bool:
        """Whether it says anything about `action` on a type."""
        return self.type_name in ("*", type_name) and action in self.actions


@lru_cache(maxsize=4096)
def grant_of(scope: str) -> Grant | None:
    """The grant a scope stands for, or None when it is no SMART scope this hub enforces; v1 forms take no query."""
    match = _SMART.match(scope)
    if match is None or not match[3] or (match[4] and match[3] in _VERSION_1):
        return None
    return Grant(match[1], match[2], frozenset(_VERSION_1.get(match[3], match[3])), match[4] or "")


@lru_cache(maxsize=4096)
def permits(scopes: frozenset[str], type_name: str, action: str) -> bool:
    """Whether any of `scopes` allows `action` (a letter of `cruds`) on all records of a type."""
    grants = (grant_of(scope) for scope in scopes)
    return any(g is not None and g.is_whole and g.allows(type_name, action) for g in grants)


@lru_cache(maxsize=4096)
def narrowing(scopes: frozenset[str], type_name: str, action: str) -> tuple[Grant, ...]:
    """The grants of `action` on some records of a type, in a steady order."""
    grants = [g for scope in sorted(scopes) if (g := grant_of(scope)) is not None]
    return tuple(dict.fromkeys(g for g in grants if not g.is_whole and g.allows(type_name, action)))


def needs_patient(scopes: Iterable[str]) -> bool:
    """Whether `scopes` mean nothing without a patient in the token."""
    return any(s == LAUNCH_PATIENT or ((g := grant_of(s)) is not None and g.context == "patient") for s in scopes)


def names_of(wanted: str) -> frozenset[str]:
    """The names under which a scope of one of the hub's own doors may be held: its own, and that of the whole door."""
    return frozenset((wanted, f"{wanted.partition('/')[0]}/*"))


def covers(held: Iterable[str], wanted: str) -> bool:
    """Whether holding `held` includes `wanted`: literally, as a part of a wider SMART scope, or of a door's `…/*`.

    Wider are: `system/` than `user/` than `patient/`, any type than one, no query than some of the wanted one's.
    `launch/patient` adds nothing by itself and belongs to whoever holds a SMART scope.
    """
    names = frozenset(held)
    if wanted in names:
        return True
    grants = [g for name in names if (g := grant_of(name)) is not None]
    if wanted == LAUNCH_PATIENT:
        return bool(grants)
    grant = grant_of(wanted)
    if grant is None:
        return names_of(wanted).intersection(names) != frozenset()
    wider = [g for g in grants if _is_wider(g, grant)]
    return all(any(g.allows(grant.type_name, action) for g in wider) for action in grant.actions)


def _is_wider(held: Grant, wanted: Grant) -> bool:
    pairs = set(parse_qsl(wanted.query, keep_blank_values=True))
    return _RANK[held.context] >= _RANK[wanted.context] and pairs >= set(parse_qsl(held.query, keep_blank_values=True))
