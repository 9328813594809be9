"""Open charges with all that a guide needs to know of them, read in a handful of statements."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from fhir import jsontext
from hub.billing.profiles import PayerProfile
from hub.billing.visit import treatments
from hub.billing.writing import Body
from hub.store.database import Row, Transaction
from mappings.tables.table import codes

BILLABLE = ("billable",)
OPEN_ENCOUNTERS = ("finished", "in-progress", "arrived", "triaged", "onleave", "")
AT_ONCE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """One charge: its projection's columns that decide, and the ChargeItem with exact amounts.

    `treatment` is the key of the dental treatment it is an act of, empty for every other charge.
    """

    id: str
    patient_id: str | None
    encounter_id: str | None
    table: str
    code: str
    on: datetime.date | None
    body: Body
    treatment: str = ""

    @property
    def visit(self) -> str:
        """What groups charges into one guide: the treatment, the encounter, else patient and day."""
        return self.treatment or self.encounter_id or f"{self.patient_id}/{self.on}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """A patient's membership with one payer."""

    id: str
    patient_id: str
    payer_code: str
    member_number: str
    plan_name: str
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


_CHARGE = (
    "SELECT c.id, c.patient_id, c.encounter_id, c.tiss_table, c.code, c.occurred_on, {treatment} AS treatment, r.body "
    "FROM charge c JOIN resource r ON r.tenant_id = $1 AND r.type = 'ChargeItem' AND r.id = c.id "
    "LEFT JOIN encounter e ON e.tenant_id = $1 AND e.id = c.encounter_id WHERE c.tenant_id = $1 "
)


_DUE = """
EXISTS (SELECT 1 FROM coverage v JOIN unnest($7::text[], $8::int[]) AS x(payer, days) ON v.payer_code = x.payer
 WHERE v.tenant_id = $1 AND v.patient_id = c.patient_id AND x.days > 0
 AND c.occurred_on < (e.start_at AT TIME ZONE $9)::date
 + x.days * (greatest(0, $10::date - (e.start_at AT TIME ZONE $9)::date) / x.days))
"""


async def open_charges(
    tx: Transaction, profiles: Sequence[PayerProfile], today: datetime.date, zone: str
) -> list[Charge]:
    """Up to AT_ONCE charges not in a guide yet, of patients with a coverage of one of the payers, locked.

    Whole visits: one that the limit would cut waits for the next call. A stay and a dental treatment wait for their
    end, or for the day their payer takes a part of them.
    """
    treatment = treatments.key()
    rows = await tx.rows(
        _CHARGE.format(treatment=treatment) + "AND c.guide_id IS NULL AND c.status = ANY($2::text[]) "
        "AND coalesce(e.status, '') = ANY($3::text[]) AND (e.status = 'finished' OR NOT coalesce(e.class, '') "
        f"= ANY($6::text[]) OR {_DUE}) AND c.patient_id IN ("
        " SELECT v.patient_id FROM coverage v WHERE v.tenant_id = $1 AND v.payer_code = ANY($4::text[])) "
        f"AND NOT coalesce({treatment} = ANY($11::text[]), false) "
        f"ORDER BY coalesce({treatment}, c.encounter_id, c.patient_id), c.occurred_on, c.id LIMIT $5 FOR UPDATE OF c",
        list(BILLABLE),
        list(OPEN_ENCOUNTERS),
        [profile.ans for profile in profiles],
        AT_ONCE,
        sorted(codes("tiss-internacao")),
        [profile.ans for profile in profiles],
        [profile.part_days for profile in profiles],
        zone,
        today,
        await treatments.waiting(tx, profiles, today, zone),
    )
    found = [_charge(row) for row in rows]
    if len(found) == AT_ONCE and found[0].visit != found[-1].visit:
        found = [charge for charge in found if charge.visit != found[-1].visit]
    return found


async def charges_of(tx: Transaction, guide_ids: Sequence[UUID]) -> dict[UUID, list[Charge]]:
    """The billable charges of guides, by guide."""
    rows = await tx.rows(
        _CHARGE.replace("SELECT c.id", "SELECT c.guide_id, c.id").format(treatment=treatments.key())
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


async def in_treatment(tx: Transaction, profiles: Sequence[PayerProfile], today: datetime.date, zone: str) -> int:
    """How many billable charges wait for the end of a dental treatment."""
    return int(
        await tx.value(
            "SELECT count(*) FROM charge c JOIN encounter e ON e.tenant_id = $1 AND e.id = c.encounter_id "
            "WHERE c.tenant_id = $1 AND c.guide_id IS NULL AND c.status = ANY($2::text[]) "
            f"AND {treatments.key()} = ANY($3::text[])",
            list(BILLABLE),
            await treatments.waiting(tx, profiles, today, zone),
        )
    )


def _charge(row: Row) -> Charge:
    return Charge(
        id=row["id"],
        patient_id=row["patient_id"],
        encounter_id=row["encounter_id"],
        table=row["tiss_table"],
        code=row["code"],
        on=row["occurred_on"],
        body=jsontext.stored(row["body"]),
        treatment=row["treatment"] or "",
    )
