"""Signature policies of ICP-Brasil (DOC-ICP-15.03, `policies.csv`), and what we expect of a signature.

The policy follows from the root of the built chain: a v12 signature under an older policy is refused by validators.
"""

from __future__ import annotations

import csv
import datetime
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from canonical.errors import Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class SignaturePolicy:
    """One approved policy: `digest` is the inner one (pa:SignPolicyDigest, base64), which validators compare."""

    oid: str
    profile: str
    version: str
    url: str
    digest: str
    roots: tuple[str, ...]
    valid_from: datetime.date
    valid_until: datetime.date


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a verification asks beyond the mathematics.

    `revocation`: `if-known` uses the lists at hand, `required` leaves a signature undecided without a fresh list.
    `policies`: the XAdES profiles asked for; empty accepts a plain XMLDSig too.
    """

    revocation: Literal["if-known", "required"] = "if-known"
    policies: tuple[str, ...] = ()


LOTE_TISS = Expected()
STRICT = Expected(revocation="required")


def by_oid(oid: str) -> SignaturePolicy | None:
    """The policy of this OID; None when it is not in the table."""
    return next((policy for policy in table() if policy.oid == oid), None)


def for_root(profile: str, root: str, at: datetime.datetime, *, test: bool = False) -> SignaturePolicy:
    """The newest policy of `profile` that allows the root called `root` at `at`; raises Refused.

    With `test` the root is of a demonstration chain and the newest policy in force is taken.
    """
    for policy in table():
        in_force = policy.valid_from <= at.date() <= policy.valid_until
        if policy.profile == profile and in_force and (test or root in policy.roots):
            return policy
    raise Refused("no signature policy in force allows the root of this certificate", code="signature.policy.root")


@cache
def table() -> tuple[SignaturePolicy, ...]:
    """All known policies, newest first."""
    with (Path(__file__).resolve().parent / "policies.csv").open(encoding="utf-8", newline="") as file:
        rows = [_policy(row) for row in csv.DictReader(file)]
    return tuple(sorted(rows, key=lambda policy: policy.valid_from, reverse=True))


def _policy(row: dict[str, str]) -> SignaturePolicy:
    return SignaturePolicy(
        oid=row["oid"],
        profile=row["profile"],
        version=row["version"],
        url=row["url"],
        digest=row["digest"],
        roots=tuple(row["roots"].split("|")),
        valid_from=datetime.date.fromisoformat(row["valid_from"]),
        valid_until=datetime.date.fromisoformat(row["valid_until"]),
    )
