"""What an order or a visit is told with: the patient, the professionals with their names, and the records it names.

Diagnoses, specimens and what is stated with the order go to every laboratory, but for records labelled as restricted;
the membership only to one whose document says `orders.insurance`: who bills the hospital has no need of it (LGPD art.
6, III).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from canonical.codes import RESTRICTED
from canonical.extensions import EXTENSIONS
from fhir import jsontext
from hub.store.database import Transaction
from mappings import events
from mappings.outward.clinical import value_type

Body = dict[str, Any]
_NAMED = {"reasonReference": "Condition", "supportingInfo": "Observation", "specimen": "Specimen"}
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
        "memberships": await _memberships(tx, orders) if insurance else [],
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
    wanted = sorted({text for reference in references if "/" in (text := _literal(reference))})
    if not wanted:
        return {}
    kinds, ids = zip(*(text.split("/") for text in wanted), strict=True)
    rows = await tx.rows(
        "SELECT r.type, r.id, r.body FROM unnest($2::text[], $3::text[]) AS w(type, id) "
        "JOIN resource r ON r.tenant_id = $1 AND r.type = w.type AND r.id = w.id AND NOT r.deleted",
        list(kinds),
        list(ids),
    )
    return {f"{row['type']}/{row['id']}": _body(row["body"]) for row in rows}


def _body(text: str) -> Body:
    body = jsontext.parse(text.encode())
    return body if isinstance(body, dict) else {}


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
        status = {body.get("status"), *(c.get("code") for c in body.get("verificationStatus", {}).get("coding", ()))}
        labels = {label.get("code") for label in body.get("meta", {}).get("security", ())}
        if body.get("resourceType") != kind or status & {"entered-in-error", "refuted"} or labels & RESTRICTED:
            continue
        if kind == "Observation":
            yield from _stated(body)
            continue
        numbers = [body["accessionIdentifier"]] if "accessionIdentifier" in body else body.get("identifier", [])[:1]
        yield {**body, "number": numbers} if kind == "Specimen" else body


def _stated(observation: Body) -> Iterable[Body]:
    """An Observation and its components (a blood pressure has two), each as far as OBX can say its value."""
    shared: Body = {name: observation[name] for name in ("status", "effectiveDateTime") if name in observation}
    for one in (observation, *observation.get("component", ())):
        if value_type(one, ""):
            yield {**shared, **one}


async def _memberships(tx: Transaction, orders: Sequence[Body]) -> list[Body]:
    """The memberships the orders name, else those their patient has on the day of the first; each with its plan."""
    found = await _records(tx, (one for order in orders for one in order.get("insurance", ())))
    day = str(orders[0].get("authoredOn", ""))[:10]
    if not found:
        rows = await tx.rows(
            "SELECT r.body FROM coverage c JOIN resource r ON r.tenant_id = $1 AND r.type = 'Coverage' AND r.id = c.id "
            "WHERE c.tenant_id = $1 AND c.patient_id = $2 AND c.status = 'active' AND NOT r.deleted "
            "AND coalesce(c.valid_from <= $3::text::date, true) AND coalesce(c.valid_until >= $3::text::date, true) "
            "ORDER BY c.valid_from DESC NULLS LAST, c.id",
            _literal(orders[0].get("subject")).partition("/")[2],
            day if len(day) == len("2026-11-27") else None,  # a month or a year alone is no day
        )
        found = {str(n): _body(row["body"]) for n, row in enumerate(rows)}
    return [{**body, "plan": list(_plan(body))} for body in found.values() if body.get("status") == "active"]


def _plan(coverage: Body) -> Iterable[Body]:
    for one in coverage.get("class", ()):
        if any(coding.get("code") == "plan" for coding in one.get("type", {}).get("coding", ())):
            yield {"coding": [{"code": str(one.get("value", "")), "display": str(one.get("name", ""))}]}
