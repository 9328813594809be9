"""Whom a request is about: patient, membership, visit and professionals, as the tables read them."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from canonical import local
from canonical.codes import CNS
from canonical.errors import NotFound, Refused
from canonical.names import first
from hub.billing.profiles import PayerProfile, payers
from hub.billing.visit import surroundings
from hub.billing.visit.professionals import UNKNOWN_CBO, leading, professional
from hub.billing.writing import Body, stored
from hub.records.projections import target
from hub.store.database import Transaction

_NEWBORN_DAYS = 30
_COVERAGES = (
    "SELECT v.id, v.patient_id, v.payer_code, v.member_number, v.plan_name, v.valid_from, v.valid_until, "
    "v.status = 'active' AND coalesce(v.valid_from <= $4, true) AND coalesce(v.valid_until >= $4, true) AS valid "
    "FROM coverage v WHERE v.tenant_id = $1 AND v.patient_id = $2 AND ($3 = '' OR v.id = $3) "
    "ORDER BY valid DESC, v.valid_from DESC NULLS LAST, v.id"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """The records a caller names; what is empty is found from the others. `payer` is a registro ANS."""

    patient: str = ""
    encounter: str = ""
    coverage: str = ""
    payer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Matter:
    """The payer, and what the tables read: payer, provider, coverage, patient, encounter, requester, newborn."""

    profile: PayerProfile
    patient_id: str
    encounter_id: str
    coverage_id: str
    encounter: Body
    record: dict[str, Any]


async def matter(tx: Transaction, named: Named, today: datetime.date) -> Matter:
    """The matter of a request; raises NotFound for a missing record, Refused where there is no such membership."""
    encounter = await _record(tx, "Encounter", named.encounter)
    patient_id = named.patient or target(encounter.get("subject"), "Patient") or ""
    if not patient_id and named.coverage:
        patient_id = target((await _record(tx, "Coverage", named.coverage)).get("beneficiary"), "Patient") or ""
    patient = await _record(tx, "Patient", patient_id)
    if not patient:
        raise NotFound("there is no such patient", code="request.no-patient")
    known = {profile.ans: profile for profile in await payers(tx)}
    found = await tx.rows(_COVERAGES, patient_id, named.coverage, today)
    rows = [row for row in found if row["payer_code"] in known and named.payer in ("", row["payer_code"])]
    if not rows:
        raise Refused("the patient has no membership with this payer", code="request.no-coverage")
    row, profile = rows[0], known[rows[0]["payer_code"]]
    record = {
        "payer": {"ans": profile.ans, "name": profile.partner.name},
        "provider": provider(profile),
        "coverage": {
            "member_number": row["member_number"],
            "valid_until": row["valid_until"],
            "plan": row["plan_name"],
        },
        "patient": _patient(patient, today),
        "encounter": {"class": str(encounter.get("class", {}).get("code", "")) or "AMB"},
        "patient_id": patient_id,
        "newborn": "S" if await _shares_as_newborn(tx, patient_id, patient, today) else "N",
    }
    return Matter(
        profile=profile,
        patient_id=patient_id,
        encounter_id=named.encounter,
        coverage_id=row["id"],
        encounter=encounter,
        record=record,
    )


def provider(profile: PayerProfile) -> dict[str, str]:
    """The provider as this payer knows it: exactly one of cnpj, cpf and code, and `number`, whichever it is."""
    shown = {name: profile.provider.get(name, "") for name in ("cnes", "name")}
    number = profile.provider.get("code") or profile.provider_number
    return {**shown, "number": number, profile.provider_key: profile.provider_number}


async def professionals(tx: Transaction, found: Matter, orders: Sequence[Body]) -> dict[str, dict[str, str]]:
    """`requester` (of the orders, else who attends the visit) and `performer` (who attends, else the requester)."""
    state = found.profile.provider.get("state", "")
    attending = leading(found.encounter.get("participant", ()))
    asked = [order.get("requester") for order in orders]
    ids = sorted({i for reference in (*asked, attending) if (i := target(reference, "Practitioner"))})
    known = await stored(tx, "Practitioner", ids)
    people = [(reference, professional(reference, known, state)) for reference in (*asked, attending)]
    named = [(reference, person) for reference, person in people if "number" in person]
    reference, requester = named[0] if named else (None, {})
    attender = professional(attending, known, state)
    performer = dict(attender if "number" in attender else requester)
    performer["cbo"] = performer.get("cbo") or found.profile.provider.get("cbo", "") or UNKNOWN_CBO
    body = known.get(target(reference, "Practitioner") or "", {})
    contact = {"cbo": requester.get("cbo") or UNKNOWN_CBO, **_contact(body, found.profile)}
    return {"requester": {**requester, **contact}, "performer": performer}


def _contact(body: Mapping[str, Any], profile: PayerProfile) -> dict[str, str]:
    """Telephone and e-mail of a professional, else the provider's telephone."""
    told = {str(point.get("system")): str(point.get("value", "")) for point in reversed(body.get("telecom", ()))}
    digits = "".join(c for c in told.get("phone", "") or profile.provider.get("phone", "") if c.isdigit())
    return {"phone": digits[-11:], "email": told.get("email", "")}


async def orders(tx: Transaction, ids: Sequence[str]) -> list[Body]:
    """ServiceRequests in the order they are named; raises NotFound."""
    found = await stored(tx, "ServiceRequest", ids)
    if len(found) != len(set(ids)):
        raise NotFound("there is no such order", code="request.no-order")
    return [{**found[i], "id": i} for i in ids]


async def _record(tx: Transaction, kind: str, record_id: str) -> Body:
    """A record that is named; empty when none is. Raises NotFound."""
    if not record_id:
        return {}
    found = (await stored(tx, kind, [record_id])).get(record_id)
    if found is None:
        raise NotFound("there is no such record")
    return found


def _patient(body: Body, today: datetime.date) -> dict[str, Any]:
    born = local.date(body.get("birthDate"))
    numbers = [i.get("value") for i in body.get("identifier", ()) if i.get("system") == CNS]
    return {
        "name": first(body),
        "sex": body.get("gender"),
        "cns": numbers[0] if numbers else "",
        "age": None if born is None else years(born, today),
    }


def years(born: datetime.date, today: datetime.date) -> int:
    """Whole years of age."""
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


async def _shares_as_newborn(tx: Transaction, patient_id: str, body: Body, today: datetime.date) -> bool:
    """Whether the patient is a newborn who is treated on the mother's card (up to 30 days)."""
    born = local.date(body.get("birthDate"))
    if born is None or not 0 <= (today - born).days <= _NEWBORN_DAYS:
        return False
    return patient_id in await surroundings.sharing(tx, [patient_id])
