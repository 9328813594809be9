"""What stands around charges: coverages, visits, orders, people, acts, products, authorisations, what is billed."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from canonical import local
from canonical.names import first
from fhir import jsontext
from hub.billing import writing
from hub.billing.profiles import PayerProfile
from hub.billing.visit import authorisations, births, prices
from hub.billing.visit.authorisations import Authorisation
from hub.billing.visit.births import Papers
from hub.billing.visit.charges import Charge, Coverage
from hub.billing.visit.prices import Prices
from hub.billing.visit.stays import Billed, Portion, conditions_of, is_inpatient
from hub.billing.visit.treatments import Treatment, of_episodes
from hub.billing.writing import Body, stored
from hub.records.index import key_of
from hub.records.projections import target
from hub.records.saved import Origin
from hub.store.database import Row, Transaction
from mappings.billing.guides import asks_for


@dataclass(slots=True, kw_only=True)
class Surroundings:
    """What stands around a set of charges, by id; `today` is the day in the tenant's `zone`.

    `acts_of` are the Procedures of a visit, `billed` the resumos of a stay that stand, `papers` its declarations;
    `treatments` are those of dentistry, by key.
    `seen_before` names patients with an earlier consultation, `sharing` those whose card another patient has as well,
    with their day of birth (None: not known). `names` are the patients', where a payer's version asks for them.
    """

    today: datetime.date
    zone: str
    coverages: dict[str, list[Coverage]] = field(default_factory=dict)
    encounters: dict[str, Body] = field(default_factory=dict)
    orders: dict[str, Body] = field(default_factory=dict)
    practitioners: dict[str, Body] = field(default_factory=dict)
    conditions: dict[str, Body] = field(default_factory=dict)
    authorisations: dict[str, list[Authorisation]] = field(default_factory=dict)
    seen_before: set[str] = field(default_factory=set)
    sharing: dict[str, datetime.date | None] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    procedures: dict[str, Body] = field(default_factory=dict)
    acts_of: dict[str, list[Body]] = field(default_factory=dict)
    devices: dict[str, Body] = field(default_factory=dict)
    billed: dict[str, list[Billed]] = field(default_factory=dict)
    treatments: dict[str, Treatment] = field(default_factory=dict)
    papers: Papers = field(default_factory=dict)
    prices: Prices = field(default_factory=dict)

    def acts(self, charge: Charge) -> list[Body]:
        """The Procedures a charge bills: those it names, else those of its visit with its code and day."""
        named = [self.procedures[i] for i in _named(charge.body) if i in self.procedures]
        if named:
            return named
        return [body for body in self.acts_of.get(charge.encounter_id or "", ()) if _same_act(body, charge, self.zone)]


async def surroundings(
    tx: Transaction, charges: Sequence[Charge], profiles: Sequence[PayerProfile], by: Origin
) -> Surroundings:
    """What stands around charges at payers, as of now."""
    patients = sorted({charge.patient_id for charge in charges if charge.patient_id})
    visits = sorted({charge.encounter_id for charge in charges if charge.encounter_id})
    today = writing.today(by)
    found = Surroundings(today=today, zone=by.zone)
    found.coverages = await _coverages(tx, patients)
    found.encounters = await stored(tx, "Encounter", visits)
    found.orders = await _orders(tx, visits)
    await _acts(tx, found, charges, visits)
    acts = [*found.procedures.values(), *(body for bodies in found.acts_of.values() for body in bodies)]
    people = _practitioners([*(c.body for c in charges), *found.encounters.values(), *found.orders.values(), *acts])
    found.practitioners = await stored(tx, "Practitioner", people)
    diagnosed = [i for body in found.encounters.values() for i in conditions_of(body)]
    found.conditions = await stored(tx, "Condition", sorted(set(diagnosed)))
    found.authorisations = await authorisations.of_patients(tx, patients, by.zone)
    found.prices = await prices.of_charges(tx, charges, [profile.partner.id for profile in profiles])
    found.seen_before = await _seen_before(tx, patients)
    found.sharing = await sharing(tx, patients)
    episodes = [charge.treatment.partition("/")[2] for charge in charges if charge.treatment]
    found.treatments = await of_episodes(tx, episodes, today, by.zone)
    if any(asks_for("patient.name", profile.version) for profile in profiles):
        found.names = {i: first(body) for i, body in (await stored(tx, "Patient", patients)).items()}
    stays = {i: body for i, body in found.encounters.items() if is_inpatient(body.get("class", {}).get("code", ""))}
    if stays:
        found.billed = await _billed(tx, sorted(stays))
        found.papers = await births.papers(tx, stays, by.zone)
    return found


async def _coverages(tx: Transaction, patients: list[str]) -> dict[str, list[Coverage]]:
    found: dict[str, list[Coverage]] = {}
    for row in await tx.rows(
        "SELECT id, patient_id, payer_code, member_number, plan_name, status, valid_from, valid_until FROM coverage "
        "WHERE tenant_id = $1 AND patient_id = ANY($2::text[]) ORDER BY valid_from DESC NULLS LAST, id",
        patients,
    ):
        found.setdefault(row["patient_id"], []).append(_coverage(row))
    return found


async def _orders(tx: Transaction, visits: list[str]) -> dict[str, Body]:
    """The latest order of each visit that stands."""
    rows = await tx.rows(
        "SELECT o.encounter_id, r.body FROM service_order o JOIN resource r ON r.tenant_id = $1 "
        "AND r.type = 'ServiceRequest' AND r.id = o.id WHERE o.tenant_id = $1 AND o.encounter_id = ANY($2::text[]) "
        "AND o.status NOT IN ('revoked', 'entered-in-error') ORDER BY o.authored_at NULLS FIRST, o.id",
        visits,
    )
    return {row["encounter_id"]: jsontext.stored(row["body"]) for row in rows}


_ACTS = """
SELECT i.target_id, r.body FROM idx_reference i
JOIN resource r ON r.tenant_id = $1 AND r.rid = i.rid AND NOT r.deleted
WHERE i.tenant_id = $1 AND i.key = $2 AND i.target_type = 'Encounter' AND i.target_id = ANY($3::text[]) ORDER BY r.rid
"""
_UNDONE = ("not-done", "entered-in-error", "preparation")


async def _acts(tx: Transaction, found: Surroundings, charges: Sequence[Charge], visits: list[str]) -> None:
    """The Procedures that charges name, those of their visits, and the Devices they bill."""
    named = sorted({i for charge in charges for i in _named(charge.body)})
    found.procedures = await stored(tx, "Procedure", named)
    for row in await tx.rows(_ACTS, key_of("Procedure", "encounter"), visits):
        body = jsontext.stored(row["body"])
        if body.get("status") not in _UNDONE:
            found.acts_of.setdefault(row["target_id"], []).append(body)
    products = {i for c in charges if (i := target(c.body.get("productReference"), "Device"))}
    found.devices = await stored(tx, "Device", sorted(products))


def _named(body: Mapping[str, Any]) -> list[str]:
    return [i for reference in body.get("service", ()) if (i := target(reference, "Procedure"))]


def _same_act(body: Mapping[str, Any], charge: Charge, zone: str) -> bool:
    done = body.get("performedDateTime") or body.get("performedPeriod", {}).get("start")
    coded = any(coding.get("code") == charge.code for coding in body.get("code", {}).get("coding", ()))
    return coded and (local.day(done, zone) or charge.on) == charge.on


_BILLED = """
SELECT id, payer_id, encounter_id, tree FROM guide WHERE tenant_id = $1 AND encounter_id = ANY($2::text[])
AND kind = 'internacao' AND status <> 'cancelada' ORDER BY id
"""


async def _billed(tx: Transaction, visits: list[str]) -> dict[str, list[Billed]]:
    """The resumos of stays that stand, oldest first."""
    found: dict[str, list[Billed]] = {}
    for row in await tx.rows(_BILLED, visits):
        told = json.loads(row["tree"]).get("dadosInternacao", {})
        portion = Portion(
            billing=told.get("tipoFaturamento", ""),
            begin=local.Moment(told.get("dataInicioFaturamento", ""), told.get("horaInicioFaturamento", "")),
            end=local.Moment(told.get("dataFinalFaturamento", ""), told.get("horaFinalFaturamento", "")),
        )
        one = Billed(guide_id=row["id"], payer_id=row["payer_id"], portion=portion)
        found.setdefault(row["encounter_id"], []).append(one)
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


def _practitioners(bodies: Iterable[Body]) -> list[str]:
    """The ids of all practitioners the bodies refer to literally."""
    found: set[str] = set()
    for body in bodies:
        references = [body.get("requester"), *(p.get("actor") for p in body.get("performer", ()) if "actor" in p)]
        references += [p.get("individual") for p in body.get("participant", ())]
        references += body.get("supportingInformation", ())
        found.update(i for r in references if (i := target(r, "Practitioner")))
    return sorted(found)


def _coverage(row: Row) -> Coverage:
    return Coverage(
        id=row["id"],
        patient_id=row["patient_id"],
        payer_code=row["payer_code"],
        member_number=row["member_number"],
        plan_name=row["plan_name"] or "",
        active=row["status"] == "active",
        valid_from=row["valid_from"],
        valid_until=row["valid_until"],
    )
