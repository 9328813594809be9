"""What an order or a visit is told with: the patient, the professionals with their names, and the records it names.

Diagnoses, specimens and what is stated with the order go to every laboratory, but for records labelled as restricted;
the membership only to one whose document says `orders.insurance`: who bills the hospital has no need of it (LGPD art.
6, III). A subscriber of ADT is told of allergies, diagnoses and memberships only where its document asks for them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from canonical.codes import RESTRICTED
from canonical.extensions import EXTENSIONS
from fhir import jsontext
from hub.records import reading
from hub.records.reading import Body
from hub.store.database import Transaction
from mappings.outward import events
from mappings.outward.clinical import value_type

_NAMED = {"reasonReference": "Condition", "supportingInfo": "Observation", "specimen": "Specimen"}
_GRAVITIES = ("severe", "moderate", "mild")
_ROLES = frozenset(("AD", "DD"))
_PERSONS = ("Practitioner", "Patient", "RelatedPerson")


async def sources_of(tx: Transaction, orders: Sequence[Body], *, insurance: bool) -> Body:
    """`patient`, `encounter`, `place`, `memberships` and `orders` (each `order` and `facility`) for `mappings/out`.

    The orders are of one patient and visit.
    """
    found = await _records(tx, (one for order in orders for one in _named_by(order)))
    encounter = found.get(_literal(orders[0].get("encounter")), {})
    people = (_orderer(order, found) for order in orders)
    beside = (*people, *_present(encounter), events.place(encounter))
    found |= await _records(tx, (one for one in beside if _literal(one) not in found))
    return {
        "orders": [_told(order, found) for order in orders],
        "patient": _patient(found, orders[0].get("subject")),
        "encounter": _with_names(encounter, found),
        "place": _placed(events.place(encounter), found),
        "memberships": await _of_orders(tx, orders) if insurance else [],
    }


def _named_by(order: Body) -> list[Any]:
    """What the tables may need of an order's references; whoever ordered in a role comes with it."""
    requester = order.get("requester", {})
    named = [one for name in _NAMED for one in order.get(name, ())]
    return [order.get("subject"), order.get("encounter"), requester, _role_of(requester), *named]


def _role(order: Body, found: dict[str, Body]) -> Body:
    requester = order.get("requester", {})
    return found.get(_literal(_role_of(requester))) or found.get(_literal(requester), {})


def _orderer(order: Body, found: dict[str, Body]) -> Body:
    """The reference to the person who orders, whose role may be all that the order names."""
    requester: Body = order.get("requester", {})
    by_role = _literal(requester).startswith("PractitionerRole/")
    person: Body = _role(order, found).get("practitioner", {}) if by_role else requester
    return person


def _told(order: Body, found: dict[str, Body]) -> Body:
    requester = order.get("requester", {})
    house = _literal(requester).startswith("Organization/")
    told = {name: list(_living(found, order.get(name, ()), kind)) for name, kind in _NAMED.items()}
    return {
        "order": {**order, **told, "requester": {} if house else _named(_orderer(order, found), found)},
        "facility": requester if house else _role(order, found).get("organization", {}),
    }


async def sender_of(tx: Transaction, settings: Body) -> Body:
    """MSH-3 and MSH-4 of what goes to a partner: as its document says, else the hub and the tenant's short name."""
    facility = settings.get("sending_facility") or await tx.value("SELECT upper(slug) FROM tenant WHERE id = $1")
    return {"application": settings.get("sending_application") or "PONTE", "facility": facility}


async def visit_of(tx: Transaction, encounter: Body) -> Body:
    """An Encounter whose participants have the parts of their names beside them, where their records do."""
    return _with_names(encounter, await _records(tx, _present(encounter)))


async def patient_of(tx: Transaction, reference: Any) -> Body:
    """The Patient a literal reference leads to; empty when there is none, or what is there is something else."""
    return _patient(await _records(tx, [reference]), reference)


async def place_of(tx: Transaction, place: Body) -> Body:
    """A reference to a place with its Location as `record`, where it leads to one."""
    return _placed(place, await _records(tx, [place])) if place else {}


def _placed(place: Body, found: dict[str, Body]) -> Body:
    record = found.get(_literal(place), {})
    return {**place, "record": record} if record.get("resourceType") == "Location" else place


def _patient(found: dict[str, Body], reference: Any) -> Body:
    """A group, a place or a device that something is ordered for has numbers too, which are no patient's."""
    body = found.get(_literal(reference), {})
    return body if body.get("resourceType") == "Patient" else {}


def _present(encounter: Body) -> list[Any]:
    return [one["individual"] for one in encounter.get("participant", ()) if "individual" in one]


def _with_names(encounter: Body, found: dict[str, Body]) -> Body:
    told = [one for one in encounter.get("participant", ()) if "individual" in one]
    return {**encounter, "participant": [{**one, "individual": _named(one["individual"], found)} for one in told]}


def _role_of(requester: Body) -> Any:
    """The role in which somebody orders, where the record names it beside the person."""
    urls = {one.get("url"): one.get("valueReference") for one in requester.get("extension", ())}
    return urls.get(EXTENSIONS["ordering-role"])


def _literal(reference: Any) -> str:
    return "/".join(str((reference or {}).get("reference", "")).split("/")[:2])


async def _records(tx: Transaction, references: Iterable[Any]) -> dict[str, Body]:
    """The living records of the literal references among these, by reference."""
    return await reading.bodies(tx, sorted({text for one in references if "/" in (text := _literal(one))}))


def _named(person: Any, found: dict[str, Body]) -> Body:
    """A reference to a person with the parts of the name beside it, where the record has them."""
    record = found.get(_literal(person), {})
    told = record.get("name", ()) if record.get("resourceType") in _PERSONS else ()  # an organization's is a text
    names = [name for name in told if name.get("family")]
    return {**person, **({"name": names[0]} if names else {})}


def _living(found: dict[str, Body], references: Iterable[Any], kind: str) -> Iterable[Body]:
    """The records of one type that may be told and hold; a specimen with the one number that stands for it."""
    for reference in references:
        body = found.get(_literal(reference), {})
        if body.get("resourceType") != kind or not _may_be_told(body):
            continue
        if kind == "Observation":
            yield from _stated(body)
            continue
        numbers = [body["accessionIdentifier"]] if "accessionIdentifier" in body else body.get("identifier", [])[:1]
        yield {**body, "number": numbers} if kind == "Specimen" else body


def _may_be_told(body: Body) -> bool:
    """Whether a record holds, and no label keeps it from being told unasked."""
    status = {body.get("status"), *_codes(body, "verificationStatus")}
    labels = {label.get("code") for label in body.get("meta", {}).get("security", ())}
    return not status & {"entered-in-error", "refuted"} and not labels & RESTRICTED


def _codes(body: Body, name: str) -> list[str]:
    return [str(coding.get("code", "")) for coding in body.get(name, {}).get("coding", ())]


def _stated(observation: Body) -> Iterable[Body]:
    """An Observation and its components (a blood pressure has two), each as far as OBX can say its value."""
    shared: Body = {name: observation[name] for name in ("status", "effectiveDateTime") if name in observation}
    for one in (observation, *observation.get("component", ())):
        if value_type(one, ""):
            yield {**shared, **one}


async def beside(tx: Transaction, patient: str, encounter: Body, names: Collection[str], day: str) -> Body:
    """`allergies`, `diagnoses` and `memberships` of a patient (`Patient/id`) and a visit, as far as their segments
    (AL1, DG1, IN1) are among `names`."""
    told: Body = {}
    if "AL1" in names and patient:
        found = await reading.referring(tx, "AllergyIntolerance", "patient", patient)
        active = [one for one in found if _may_be_told(one) and "active" in _codes(one, "clinicalStatus")]
        told["allergies"] = [{**one, "gravity": _gravity(one)} for one in active]
    if "DG1" in names:
        told["diagnoses"] = await _diagnoses(tx, encounter)
    if "IN1" in names and patient:
        told["memberships"] = _memberships(await _valid(tx, patient, day))
    return told


def _gravity(allergy: Body) -> str:
    """The gravest reaction that was stated, else how grave one could be."""
    stated = {one.get("severity") for one in allergy.get("reaction", ())}
    return next((one for one in _GRAVITIES if one in stated), str(allergy.get("criticality", "")))


async def _diagnoses(tx: Transaction, encounter: Body) -> list[Body]:
    """The diagnoses of a visit with their rank and `kind`: the role in it, else whether they are confirmed."""
    named = encounter.get("diagnosis", ())
    found = await _records(tx, (one.get("condition") for one in named))
    told = []
    for one in named:
        for body in _living(found, [one.get("condition")], "Condition"):
            roles = [code for code in _codes(one, "use") if code in _ROLES]
            kind = (roles or [code for code in _codes(body, "verificationStatus") if code == "confirmed"] or ["W"])[0]
            told.append({**body, "kind": kind, **({"rank": one["rank"]} if "rank" in one else {})})
    return told


async def _of_orders(tx: Transaction, orders: Sequence[Body]) -> list[Body]:
    """The memberships the orders name, else those their patient has on the day of the first."""
    found = await _records(tx, (one for order in orders for one in order.get("insurance", ())))
    day = str(orders[0].get("authoredOn", ""))[:10]
    patient = _literal(orders[0].get("subject"))
    return _memberships(list(found.values()) or await _valid(tx, patient, day))


async def _valid(tx: Transaction, patient: str, day: str) -> list[Body]:
    """The memberships a patient has on a day, the latest first; on every day, where `day` is none."""
    rows = await tx.rows(
        "SELECT r.body FROM coverage c JOIN resource r ON r.tenant_id = $1 AND r.type = 'Coverage' AND r.id = c.id "
        "WHERE c.tenant_id = $1 AND c.patient_id = $2 AND c.status = 'active' AND NOT r.deleted "
        "AND coalesce(c.valid_from <= $3::text::date, true) AND coalesce(c.valid_until >= $3::text::date, true) "
        "ORDER BY c.valid_from DESC NULLS LAST, c.id",
        patient.partition("/")[2],
        day if len(day) == len("2026-11-27") else None,  # a month or a year alone is no day
    )
    return [jsontext.stored(row["body"]) for row in rows]


def _memberships(found: Sequence[Body]) -> list[Body]:
    """Those of memberships that hold, each with its plan: the first; a further one is the payer's own code of it."""
    return [{**body, "plan": list(_plan(body))[:1]} for body in found if body.get("status") == "active"]


def _plan(coverage: Body) -> Iterable[Body]:
    for one in coverage.get("class", ()):
        if any(coding.get("code") == "plan" for coding in one.get("type", {}).get("coding", ())):
            yield {"coding": [{"code": str(one.get("value", "")), "display": str(one.get("name", ""))}]}
