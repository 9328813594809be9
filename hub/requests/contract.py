"""What a payer wants to be asked before and beside the bill, from the `[billing]` table of its profile."""

from __future__ import annotations

from dataclasses import dataclass

from hub.billing.profiles import PayerProfile


@dataclass(frozen=True, slots=True, kw_only=True)
class Wants:
    """`eligibility`: memberships of visits are checked by themselves, again after `eligibility_hours`. `authorise`:
    prefixes of TUSS codes that need an authorisation; `authorise_stays` and `announce_stays` do what they say.
    `unknown` are the codes by which the payer says that it has no such request.
    """

    eligibility: bool
    eligibility_hours: float
    authorise: tuple[str, ...]
    authorise_stays: bool
    stay_days: int
    announce_stays: bool
    unknown: frozenset[str]


def wants(profile: PayerProfile) -> Wants:
    """What this payer wants of the tenant."""
    billing = profile.partner.settings.get("billing", {})
    return Wants(
        eligibility=bool(billing.get("check_eligibility", False)),
        eligibility_hours=float(billing.get("eligibility_hours", 24)),
        authorise=tuple(str(prefix) for prefix in billing.get("authorise", ())),
        authorise_stays=bool(billing.get("authorise_stays", False)),
        stay_days=max(1, int(billing.get("stay_days", 1))),
        announce_stays=bool(billing.get("announce_stays", False)),
        unknown=frozenset(str(code) for code in billing.get("unknown_request", ())),
    )
