"""Authorisations a payer gave (R4: ClaimResponse with use preauthorization), and which of them a guide stands on."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from canonical import local
from canonical.codes import ANS
from canonical.problem import Problem
from fhir import jsontext
from hub.billing.profiles import PayerProfile
from hub.billing.writing import payer_id, stored
from hub.records.index import key_of
from hub.records.projections import target
from hub.store.database import Transaction

_QUANTITY = "quantidadeAutorizada"
_KINDS = "urn:ponte:codes:solicitacao"
_STAY = "internacao"
_ADDED = ("prorrogacao", "opme", "quimio", "radio", "situacao-inicial")
_FOUND = """
SELECT r.body FROM idx_reference i
JOIN resource r ON r.tenant_id = $1 AND r.rid = i.rid AND NOT r.deleted
JOIN idx_token t ON t.tenant_id = $1 AND t.rid = i.rid AND t.key = $3 AND t.code = 'preauthorization'
WHERE i.tenant_id = $1 AND i.key = $2 AND i.target_type = 'Patient' AND i.target_id = ANY($4::text[]) ORDER BY r.rid
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorisation:
    """What a payer authorised: senha, its days, the numbers of request and guide, and the codes where they are told.

    `payer` is the registro ANS or the id of the payer's Organization; `granted` are the quantities decided, by code;
    `detail` is the kind of the hub's own request (`internacao`, `prorrogacao`, …).
    """

    patient_id: str
    payer: frozenset[str]
    password: str
    number: str
    request: str
    given_on: datetime.date | None
    valid_until: datetime.date | None
    codes: frozenset[str]
    granted: Mapping[str, Decimal] = field(default_factory=dict)
    detail: str = ""

    def fits(self, profile: PayerProfile, days: Sequence[datetime.date], codes: Iterable[str], stay: bool) -> bool:
        """Whether it is of this payer, valid on one of the days, and for one of the codes if it names any.

        One of a stay is for all that is done in it; more days and annexes are for what they name only.
        """
        if not self.payer & {profile.ans, payer_id(profile)}:
            return False
        if days and not ((self.given_on or days[-1]) <= days[-1] and days[0] <= (self.valid_until or days[0])):
            return False
        if stay and self.detail == _STAY:
            return True
        return not self.codes.isdisjoint(codes) if self.codes else self.detail not in _ADDED

    def beyond(self, billed: Mapping[str, Decimal]) -> list[Problem]:
        """What is billed, by code, in more than the quantity this authorisation grants."""
        return [
            Problem(
                "guide.beyond-authorised",
                "ChargeItem",
                args=(("code", code), ("billed", f"{quantity:f}"), ("granted", f"{self.granted[code]:f}")),
            )
            for code, quantity in billed.items()
            if code in self.granted and quantity > self.granted[code]
        ]

    def record(self) -> dict[str, Any]:
        """As the guide tables read it."""
        return {
            "password": self.password,
            "number": self.number,
            "request": self.request,
            "date": self.given_on,
            "valid_until": self.valid_until,
        }


async def of_patients(tx: Transaction, patients: Sequence[str], zone: str) -> dict[str, list[Authorisation]]:
    """The granted authorisations of patients, newest last; days as in `zone`."""
    keys = (key_of("ClaimResponse", "patient"), key_of("ClaimResponse", "use"))
    bodies = [jsontext.stored(row["body"]) for row in await tx.rows(_FOUND, *keys, list(patients))]
    # whoever may write the record may leave a value out and say why: R4 wants the element, not its value
    active = [body for body in bodies if body.get("status") == "active"]
    granted = [body for body in active if body.get("outcome") in ("complete", "partial")]
    asked = {i for body in granted if (i := target(body.get("request"), "Claim"))}
    requests = await stored(tx, "Claim", sorted(asked))
    found: dict[str, list[Authorisation]] = {}
    for body in sorted(granted, key=lambda body: local.moment(body.get("created"), zone)):
        request = requests.get(target(body.get("request"), "Claim") or "", {})
        one = _authorisation(body, request, zone)
        found.setdefault(one.patient_id, []).append(one)
    return found


def _authorisation(body: Mapping[str, Any], request: Mapping[str, Any], zone: str) -> Authorisation:
    insurer = body["insurer"]
    identifier = insurer.get("identifier", {})
    payer = {target(insurer, "Organization"), identifier.get("value") if identifier.get("system") == ANS else None}
    period = body.get("preAuthPeriod", {})
    asked = (request.get("identifier") or [body.get("request", {}).get("identifier") or {}])[0]
    codings = [c for item in request.get("item", ()) for c in item["productOrService"].get("coding", ())]
    granted = _granted(body, request)
    asked_for = {str(coding["code"]) for coding in codings if coding.get("code")}
    return Authorisation(
        patient_id=target(body["patient"], "Patient") or "",
        payer=frozenset(str(one) for one in payer if one),
        password=str(body.get("preAuthRef", "")),
        number=str((body.get("identifier") or [{}])[0].get("value", "")),
        request=str(asked.get("value", "")),
        given_on=local.day(period.get("start"), zone) or local.day(body.get("created"), zone),
        valid_until=local.day(period.get("end"), zone),
        codes=frozenset(code for code in asked_for if granted.get(code, 1)),
        granted=granted,
        detail=_detail(request),
    )


def _detail(request: Mapping[str, Any]) -> str:
    """The kind of a request of the hub's own."""
    codings = request.get("type", {}).get("coding", ())
    return str(next((one.get("code", "") for one in codings if one.get("system") == _KINDS), ""))


def _granted(body: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, Decimal]:
    """The quantities a payer decided, by the code of the request's item."""
    codes: dict[int, str] = {}
    for item in request.get("item", ()):
        coding: Mapping[str, Any] = next(iter(item["productOrService"].get("coding", ())), {})
        codes |= {item["sequence"]: str(coding.get("code", ""))} if "sequence" in item else {}
    found: dict[str, Decimal] = {}
    for item in body.get("item", ()):
        code = codes.get(item.get("itemSequence", 0), "")
        for part in item["adjudication"]:
            names = [coding.get("code") for coding in part["category"].get("coding", ())]
            if code and _QUANTITY in names and "value" in part:
                found[code] = found.get(code, Decimal(0)) + Decimal(str(part["value"]))
    return found


def best(
    found: Sequence[Authorisation],
    profile: PayerProfile,
    days: Sequence[datetime.date],
    codes: Sequence[str],
    *,
    stay: bool = False,
) -> Authorisation | None:
    """What a guide of these days (in order) and codes stands on: one that names its codes first, then the newest.

    The guides of a stay stand on that of the stay before any other.
    """
    fitting = [one for one in found if one.fits(profile, days, codes, stay)]
    whole = [one for one in fitting if stay and one.detail == _STAY]
    named = [one for one in fitting if one.codes]
    return next(reversed(whole or named or fitting), None)
