"""Roles of people (`roles.toml`): each a set of scopes, so that a person and a program are judged by the same rule."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from canonical.errors import Denied, Refused
from hub.guard import registration, scopes


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A role: its key, its title and what it does in each language, its scopes."""

    key: str
    title: Mapping[str, str]
    does: Mapping[str, str]
    scopes: frozenset[str]


@cache
def roles() -> Mapping[str, Role]:
    """All roles by key, in the order of the file."""
    text = (Path(__file__).resolve().parent / "roles.toml").read_text(encoding="utf-8")
    return {
        key: Role(
            key=key,
            title={"pt": row["pt"], "en": row["en"]},
            does={"pt": row["does_pt"], "en": row["does_en"]},
            scopes=frozenset(row["scopes"]),
        )
        for key, row in tomllib.loads(text).items()
    }


def scopes_of(keys: Iterable[str]) -> frozenset[str]:
    """The scopes of some roles together; a role that is no longer in the file gives none."""
    return frozenset(scope for key in keys if key in roles() for scope in roles()[key].scopes)


def chosen(keys: Iterable[str]) -> tuple[str, ...]:
    """The roles meant, in the order of the file; raises Refused for one that does not exist, or none at all."""
    wanted = set(keys)
    if not wanted or not wanted <= roles().keys():
        raise Refused(f"roles are one or more of: {', '.join(roles())}", code="user.role")
    return tuple(key for key in roles() if key in wanted)


def check_grantable(held: frozenset[str], keys: Iterable[str]) -> None:
    """Raise Denied when somebody would give, or touch, more than they hold themselves."""
    registration.check_grantable(held, scopes_of(keys))


def may(held: frozenset[str], *wanted: str) -> bool:
    """Whether one of `wanted` is held, `admin/*` standing for any."""
    return "admin/*" in held or any(scopes.covers(held, scope) for scope in wanted)


def require(held: frozenset[str], *wanted: str) -> None:
    """Raise Denied unless one of `wanted` is held."""
    if not may(held, *wanted):
        raise Denied(f"this needs the scope {wanted[0]}")
