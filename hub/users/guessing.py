"""Guessing: every attempt is counted before it is judged, by login and by address, and answered later and later.

A login that nobody has is counted like any other, so that neither the wait nor its absence tells who exists. Counted
first, attempts made at the same moment see each other.
"""

from __future__ import annotations

import datetime
import hashlib

from hub.guard.limits import network_of
from hub.store.database import Transaction
from hub.users.rules import Waits, waits

_SKEW = datetime.timedelta(seconds=30)
"""Between the clocks of the hub's processes."""
_LOCKED = (
    "INSERT INTO sign_in_attempt AS a (tenant_id, key, failures, last_at, until) VALUES ($1, $2, 0, $3, $3) "
    "ON CONFLICT (tenant_id, key) DO UPDATE SET key = excluded.key RETURNING a.failures, a.last_at, a.until"
)
_COUNT = "UPDATE sign_in_attempt SET failures = $3, last_at = $4, until = $5 WHERE tenant_id = $1 AND key = $2"
_BACK = (
    "UPDATE sign_in_attempt SET failures = greatest(failures - 1, 0), until = least(until, $3) "
    "WHERE tenant_id = $1 AND key = $2"
)


class Locked(Exception):
    """Too many attempts; `seconds` until the next is looked at."""

    def __init__(self, seconds: int) -> None:
        super().__init__("locked")
        self.seconds = seconds


def keys_of(login: str, address: str) -> dict[str, Waits]:
    """What an attempt counts for, in the order in which the rows are locked."""
    named = hashlib.sha256(login.strip().casefold().encode("utf-8", "replace")).hexdigest()
    return {f"address:{network_of(address)}": waits("address"), f"login:{named}": waits("login")}


async def count(tx: Transaction, keys: dict[str, Waits], now: datetime.datetime) -> None:
    """Count an attempt as failed until it is known better; raises Locked while one of `keys` has to wait.

    Where the clock was set back since the last attempt its wait would last until the clock is there again: one attempt
    is looked at, and counts and waits as the next one.
    """
    found = {key: await tx.row(_LOCKED, key, now) for key in keys}
    of_now = [row for row in found.values() if row is not None and row["last_at"] <= now + _SKEW]
    if waiting := [row["until"] - now for row in of_now if row["until"] > now]:
        raise Locked(int(max(waiting).total_seconds()) + 1)
    for key, rule in keys.items():
        row = found[key]
        fresh = row is None or row["last_at"] < now - rule.forget
        failures = 1 if fresh or row is None else row["failures"] + 1
        await tx.run(_COUNT, key, failures, now, now + _wait(rule, failures))


async def undo(tx: Transaction, keys: dict[str, Waits], now: datetime.datetime) -> None:
    """The attempt was right so far: it does not count."""
    for key in keys:
        await tx.run(_BACK, key, now)


async def forgive(tx: Transaction, keys: dict[str, Waits], now: datetime.datetime) -> None:
    """Who was meant has come in: the login starts anew. An address does not, or one's own login would clear it."""
    await undo(tx, {key: rule for key, rule in keys.items() if key.startswith("address:")}, now)
    for key in keys:
        if key.startswith("login:"):
            await tx.run("DELETE FROM sign_in_attempt WHERE tenant_id = $1 AND key = $2", key)


async def clear(tx: Transaction, login: str) -> None:
    """The login starts anew: an administrator has seen to it."""
    key = next(key for key in keys_of(login, "") if key.startswith("login:"))
    await tx.run("DELETE FROM sign_in_attempt WHERE tenant_id = $1 AND key = $2", key)


def _wait(rule: Waits, failures: int) -> datetime.timedelta:
    if failures < rule.free:
        return datetime.timedelta()
    return rule.waits[min(failures - rule.free, len(rule.waits) - 1)]
