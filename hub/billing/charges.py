"""Open charges with all that a guide needs to know of them, read in a handful of statements."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from fhir import jsontext
from hub.billing import authorisations
from hub.billing.authorisations import Authorisation
from hub.billing.stays import conditions_of
from hub.records.projections import target
from hub.store.database import Row, Transaction
from mappings.table import codes

Body = dict[str, Any]
BILLABLE = ("billable",)
OPEN_ENCOUNTERS = ("finished", "in-progress", "arrived", "triaged", "onleave", "")
AT_ONCE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """One charge: its projection's columns that decide, and the ChargeItem with exact amounts."""

    id: str
    patient_id: str | None
    encounter_id: str | None
    table: str
    code: str
    on: datetime.date | None
    body: Body

    @property
    def visit(self) -> str:
        """What groups charges into one guide: the encounter, else patient and day."""
        return self.encounter_id or f"{self.patient_id}/{self.on}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """A patient's membership with one payer."""

    id: str
    patient_id: str
    payer_code: str
    member_number: str
    active: bool
    valid_from: datetime.date | None
    valid_until: datetime.date | None

    def covers(self, day: datetime.date | None) -> bool:
        """Whether it is active and valid on `day`."""
        if not self.active or day is None:
            return self.active
        return (self.valid_from is None or self.valid_from <= day) and (
            self.valid_until is None or day <= self.valid_until
        )


@dataclass(slots=True, kw_only=True)
class Surroundings:
    """What stands around a set of charges, by id.

    `seen_before` names patients with an earlier consultation, `sharing` those whose card another patient has as well,
    with their day of birth (None: not known).
    """

    coverages: dict[str, list[Coverage]] = field(default_factory=dict)
    encounters: dict[str, Body] = field(default_factory=dict)
    orders: dict[str, Body] = field(default_factory=dict)
    practitioners: dict[str, Body] = field(default_factory=dict)
    conditions: dict[str, Body] = field(default_factory=dict)
    authorisations: dict[str, list[Authorisation]] = field(default_factory=dict)
    seen_before: set[str] = field(default_factory=set)
    sharing: dict[str, datetime.date | None] = field(default_factory=dict)


_CHARGE = (
    "SELECT c.id, c.patient_id, c.encounter_id, c.tiss_table, c.code, c.occurred_on, r.body FROM charge c "
    "JOIN resource r ON r.tenant_id = $1 AND r.type = 'ChargeItem' AND r.id = c.id "
    "LEFT JOIN encounter e ON e.tenant_id = $1 AND e.id = c.encounter_id WHERE c.tenant_id = $1 "
)


async def open_charges(tx: Transaction, payer_codes: Sequence[str]) -> list[Charge]:
    """Up to AT_ONCE charges not in a guide yet, of patients with a coverage of one of the payers, locked.

    Whole visits: one that the limit would cut waits for the next call, a stay waits for its end.
    """
    rows = await tx.rows(
        _CHARGE + "AND c.guide_id IS NULL AND c.status = ANY($2::text[]) "
        "AND coalesce(e.status, '') = ANY($3::text[]) AND (e.status = 'finished' OR NOT coalesce(e.class, '') "
        "= ANY($6::text[])) AND c.patient_id IN ("
        " SELECT v.patient_id FROM coverage v WHERE v.tenant_id = $1 AND v.payer_code = ANY($4::text[])) "
        "ORDER BY coalesce(c.encounter_id, c.patient_id), c.occurred_on, c.id LIMIT $5 FOR UPDATE OF c",
        list(BILLABLE),
        list(OPEN_ENCOUNTERS),
        list(payer_codes),
        AT_ONCE,
        sorted(codes("tiss-internacao")),
    )
    found = [_charge(row) for row in rows]
    if len(found) == AT_ONCE and found[0].visit != found[-1].visit:
        found = [charge for charge in found if charge.visit != found[-1].visit]
    return found


async def charges_of(tx: Transaction, guide_ids: Sequence[UUID]) -> dict[UUID, list[Charge]]:
    """The billable charges of guides, by guide."""
    rows = await tx.rows(
        _CHARGE.replace("SELECT c.id", "SELECT c.guide_id, c.id")
        + "AND c.guide_id = ANY($2::uuid[]) AND c.status = ANY($3::text[]) ORDER BY c.occurred_on, c.id",
        list(guide_ids),
        list(BILLABLE),
    )
    found: dict[UUID, list[Charge]] = {}
    for row in rows:
        found.setdefault(row["guide_id"], []).append(_charge(row))
    return found


async def without_payer(tx: Transaction, payer_codes: Sequence[str]) -> int:
    """How many billable charges no guide can be made of, since the patient has no coverage of a known payer."""
    return int(
        await tx.value(
            "SELECT count(*) FROM charge c WHERE c.tenant_id = $1 AND c.guide_id IS NULL AND c.status = ANY($2::text[])"
            " AND NOT EXISTS (SELECT 1 FROM coverage v WHERE v.tenant_id = $1 AND v.patient_id = c.patient_id "
            "AND v.payer_code = ANY($3::text[]))",
            list(BILLABLE),
            list(payer_codes),
        )
    )


async def in_stay(tx: Transaction) -> int:
    """How many billable charges wait for the end of an inpatient's stay."""
    return int(
        await tx.value(
            "SELECT count(*) FROM charge c JOIN encounter e ON e.tenant_id = $1 AND e.id = c.encounter_id "
            "WHERE c.tenant_id = $1 AND c.guide_id IS NULL AND c.status = ANY($2::text[]) AND e.status <> 'finished' "
            "AND e.class = ANY($3::text[])",
            list(BILLABLE),
            sorted(codes("tiss-internacao")),
        )
    )


async def surroundings(tx: Transaction, charges: Sequence[Charge]) -> Surroundings:
    """Coverages, encounters, orders and professionals of charges."""
    patients = sorted({charge.patient_id for charge in charges if charge.patient_id})
    visits = sorted({charge.encounter_id for charge in charges if charge.encounter_id})
    found = Surroundings()
    for row in await tx.rows(
        "SELECT id, patient_id, payer_code, member_number, status, valid_from, valid_until FROM coverage "
        "WHERE tenant_id = $1 AND patient_id = ANY($2::text[]) ORDER BY valid_from DESC NULLS LAST, id",
        patients,
    ):
        found.coverages.setdefault(row["patient_id"], []).append(_coverage(row))
    found.encounters = await _bodies(tx, "Encounter", visits)
    for row in await tx.rows(
        "SELECT o.encounter_id, r.body FROM service_order o JOIN resource r ON r.tenant_id = $1 "
        "AND r.type = 'ServiceRequest' AND r.id = o.id WHERE o.tenant_id = $1 AND o.encounter_id = ANY($2::text[]) "
        "AND o.status NOT IN ('revoked', 'entered-in-error') ORDER BY o.authored_at NULLS FIRST, o.id",
        visits,
    ):
        found.orders[row["encounter_id"]] = _parsed(row["body"])
    people = _practitioners([*(c.body for c in charges), *found.encounters.values(), *found.orders.values()])
    found.practitioners = await _bodies(tx, "Practitioner", people)
    diagnosed = [i for body in found.encounters.values() for i in conditions_of(body)]
    found.conditions = await _bodies(tx, "Condition", sorted(set(diagnosed)))
    found.authorisations = await authorisations.of_patients(tx, patients)
    found.seen_before = await _seen_before(tx, patients)
    found.sharing = await sharing(tx, patients)
    return found


async def sharing(tx: Transaction, patients: list[str]) -> dict[str, datetime.date | None]:
    """Patients whose membership another patient has too: a newborn on the mother's card, or a dependant."""
    rows = await tx.rows(
        "SELECT DISTINCT v.patient_id, p.birth_date FROM coverage v "
        "JOIN patient p ON p.tenant_id = $1 AND p.id = v.patient_id "
        "JOIN coverage o ON o.tenant_id = $1 AND o.payer_code = v.payer_code AND o.member_number = v.member_number "
        "AND o.patient_id <> v.patient_id "
        "WHERE v.tenant_id = $1 AND v.patient_id = ANY($2::text[]) AND v.member_number <> ''",
        patients,
    )
    return {row["patient_id"]: row["birth_date"] for row in rows}


async def _seen_before(tx: Transaction, patients: list[str]) -> set[str]:
    rows = await tx.rows(
        "SELECT DISTINCT patient_id FROM guide WHERE tenant_id = $1 AND kind = 'consulta' "
        "AND patient_id = ANY($2::text[])",
        patients,
    )
    return {row["patient_id"] for row in rows}


async def _bodies(tx: Transaction, type_name: str, ids: Sequence[str]) -> dict[str, Body]:
    if not ids:
        return {}
    rows = await tx.rows(
        "SELECT id, body FROM resource WHERE tenant_id = $1 AND type = $2 AND id = ANY($3::text[]) AND NOT deleted",
        type_name,
        list(ids),
    )
    return {row["id"]: _parsed(row["body"]) for row in rows}


def _practitioners(bodies: Iterable[Body]) -> list[str]:
    """The ids of all practitioners the bodies refer to literally."""
    found: set[str] = set()
    for body in bodies:
        references = [body.get("requester"), *(p.get("actor") for p in body.get("performer", ()) if "actor" in p)]
        references += [p.get("individual") for p in body.get("participant", ())]
        references += body.get("supportingInformation", ())
        found.update(i for r in references if (i := target(r, "Practitioner")))
    return sorted(found)


def _charge(row: Row) -> Charge:
    return Charge(
        id=row["id"],
        patient_id=row["patient_id"],
        encounter_id=row["encounter_id"],
        table=row["tiss_table"],
        code=row["code"],
        on=row["occurred_on"],
        body=_parsed(row["body"]),
    )


def _coverage(row: Row) -> Coverage:
    return Coverage(
        id=row["id"],
        patient_id=row["patient_id"],
        payer_code=row["payer_code"],
        member_number=row["member_number"],
        active=row["status"] == "active",
        valid_from=row["valid_from"],
        valid_until=row["valid_until"],
    )


def _parsed(text: str) -> Body:
    body = jsontext.parse(text.encode())
    if not isinstance(body, dict):
        raise TypeError("a stored record is no JSON object")
    return body
