"""Scopes of access tokens: SMART v1 (`system/Patient.read`) and v2 (`system/Patient.rs`), and the hub's own names.

A scope that narrows by more than type and action (a `patient/` context, `?param=value`) grants nothing here: ignoring
the narrowing would grant too much.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

_SMART = re.compile(r"(system|user)/(\*|[A-Z][A-Za-z]*)\.(\*|read|write|c?r?u?d?s?)\Z")
_VERSION_1 = {"*": "cruds", "read": "rs", "write": "cud"}


@dataclass(frozen=True, slots=True)
class Grant:
    """One SMART scope: a type (`*` is any) and the letters of what may be done."""

    type_name: str
    actions: frozenset[str]


def grant_of(scope: str) -> Grant | None:
    """The grant a scope stands for, or None when it is no SMART scope this hub enforces."""
    match = _SMART.match(scope)
    if match is None or not match[3]:
        return None
    return Grant(match[2], frozenset(_VERSION_1.get(match[3], match[3])))


@lru_cache(maxsize=4096)
def permits(scopes: frozenset[str], type_name: str, action: str) -> bool:
    """Whether any of `scopes` allows `action` (a letter of `cruds`) on records of a type."""
    grants = (grant_of(scope) for scope in scopes)
    return any(g is not None and g.type_name in ("*", type_name) and action in g.actions for g in grants)


def covers(held: Iterable[str], wanted: str) -> bool:
    """Whether holding `held` includes `wanted`: literally, or as a part of a wider SMART scope."""
    names = frozenset(held)
    if wanted in names:
        return True
    grant = grant_of(wanted)
    if grant is None:
        return False
    same_context = frozenset(name for name in names if name.partition("/")[0] == wanted.partition("/")[0])
    return all(permits(same_context, grant.type_name, action) for action in grant.actions)
