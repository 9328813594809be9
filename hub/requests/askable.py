"""What an authorisation can be asked for: the orders and the visits of whom a number names, and what was answered.

A number is a person's (CPF, CNS, the house's own), a visit's or an order's; `Patient/…`, `Encounter/…` and
`ServiceRequest/…` name a record. That somebody looked is audited.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from canonical.codes import TUSS
from canonical.errors import NotFound
from hub.billing.writing import Body, stored
from hub.guard import audit
from hub.operate.persons import subject
from hub.records.index import key_of
from hub.records.projections import target
from hub.requests.authorisation import ENDED, KIND
from hub.store.database import Row, Transaction

MOST = 50
_KINDS = ("ServiceRequest", "Encounter")
_NUMBERED = (
    "SELECT DISTINCT r.type, r.id FROM idx_token t JOIN resource r ON r.tenant_id = $1 AND r.rid = t.rid "
    "WHERE t.tenant_id = $1 AND t.key = ANY($2::bigint[]) AND t.code = $3 AND NOT r.deleted LIMIT $4"
)
_ORDERS = (
    "SELECT id, patient_id, encounter_id, coalesce(placer_number, filler_number, '') AS number, authored_at, status "
    "FROM service_order WHERE tenant_id = $1 AND id = ANY($2::text[]) "
    "AND NOT status IN ('revoked', 'entered-in-error') "
    "ORDER BY status = 'active' DESC, authored_at DESC NULLS LAST, id LIMIT $3"
)
_VISITS = (
    "SELECT id, patient_id, class, status, coalesce(visit_number, '') AS number, start_at FROM encounter "
    "WHERE tenant_id = $1 AND id = ANY($2::text[]) ORDER BY start_at DESC NULLS LAST, id LIMIT $3"
)
_ASKED = (
    "SELECT s.record_id AS id FROM unnest($2::text[], $3::text[]) AS x(type, id) JOIN payer_request_subject s "
    "ON s.tenant_id = $1 AND s.type = x.type AND s.record_id = x.id JOIN payer_request r ON r.tenant_id = $1 AND "
    "r.id = s.request_id WHERE r.kind = $4 AND NOT r.status = ANY($5::text[])"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order: its number, TUSS code (empty: it has none) and words; `done` when it was carried out already, `asked`
    when a request of ours has it."""

    id: str
    number: str
    code: str
    words: str
    encounter: str
    authored_at: datetime.datetime | None
    done: bool
    asked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A visit: its number, class and state; `asked` when its stay is asked for."""

    id: str
    number: str
    kind: str
    status: str
    start_at: datetime.datetime | None
    asked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Askable:
    """What can be asked for; `patient` is the id of the person when there is one only, else empty."""

    patient: str = ""
    orders: tuple[Order, ...] = ()
    visits: tuple[Visit, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One item of a request: what was asked, and what of it the payer granted (empty: not told) and why not."""

    code: str
    words: str
    quantity: str
    granted: str = ""
    reasons: tuple[str, ...] = field(default=())


async def found(tx: Transaction, named: str, actor: str) -> Askable:
    """What a number or a record means; raises NotFound."""
    records = await _records(tx, named.strip())
    rows = await tx.rows(_ORDERS, records["ServiceRequest"], MOST)
    visits = await tx.rows(_VISITS, records["Encounter"], MOST)
    if not (rows or visits or records["Patient"]):
        raise NotFound("nobody and nothing here has that number or id", code="person.unknown")
    theirs = {str(row["patient_id"]) for row in (*rows, *visits) if row["patient_id"]}
    patients = sorted(theirs | set(records["Patient"]))
    for patient in patients:
        await audit.note(tx, actor, "order-search", f"Patient/{patient}")
    places = [("ServiceRequest", row["id"]) for row in rows] + [("Encounter", row["id"]) for row in visits]
    kinds, ids = [kind for kind, _ in places], [identity for _, identity in places]
    asked = {row["id"] for row in await tx.rows(_ASKED, kinds, ids, KIND, list(ENDED))}
    bodies = await stored(tx, "ServiceRequest", [row["id"] for row in rows])
    return Askable(
        patient=patients[0] if len(patients) == 1 else "",
        orders=tuple(_order(row, bodies.get(row["id"], {}), row["id"] in asked) for row in rows),
        visits=tuple(_visit(row, row["id"] in asked) for row in visits),
    )


def _order(row: Row, body: Body, asked: bool) -> Order:
    codings = body.get("code", {}).get("coding", ())
    tuss: Body = next((c for c in codings if str(c.get("system", "")).startswith(TUSS)), {})
    words = tuss.get("display") or body.get("code", {}).get("text") or next((c.get("display", "") for c in codings), "")
    return Order(
        id=row["id"],
        number=row["number"],
        code=str(tuss.get("code", "")),
        words=str(words),
        encounter=row["encounter_id"] or "",
        authored_at=row["authored_at"],
        done=row["status"] == "completed",
        asked=asked,
    )


def _visit(row: Row, asked: bool) -> Visit:
    return Visit(
        id=row["id"],
        number=row["number"],
        kind=row["class"],
        status=row["status"],
        start_at=row["start_at"],
        asked=asked,
    )


async def _records(tx: Transaction, named: str) -> dict[str, list[str]]:
    """The orders, visits and persons that are meant."""
    kind, _, identity = named.partition("/")
    if kind in _KINDS and identity:
        meant = [(kind, identity)]
    else:
        rows = await tx.rows(_NUMBERED, [key_of(name, "identifier") for name in _KINDS], named, MOST)
        meant = [(row["type"], row["id"]) for row in rows]
    told: dict[str, list[str]] = {name: [i for kind, i in meant if kind == name] for name in (*_KINDS, "Patient")}
    if not meant:
        told["Patient"] = await subject.patients_of(tx, named)
        theirs = await subject.records_of(tx, told["Patient"])
        return {**told, **{name: [i for kind, i in theirs if kind == name] for name in _KINDS}}
    ordered = await stored(tx, "ServiceRequest", told["ServiceRequest"])
    if len(ordered) != len(told["ServiceRequest"]):
        raise NotFound("there is no such order", code="request.no-order")
    of_orders = [i for body in ordered.values() if (i := target(body.get("encounter"), "Encounter"))]
    told["ServiceRequest"] += await _of_visits(tx, told["Encounter"])
    told["Encounter"] = list(dict.fromkeys([*told["Encounter"], *of_orders]))
    return told


async def _of_visits(tx: Transaction, visits: Sequence[str]) -> list[str]:
    """The orders of some visits, by the reference to them."""
    rows = await tx.rows(
        "SELECT r.id FROM idx_reference x JOIN resource r ON r.tenant_id = $1 AND r.rid = x.rid WHERE x.tenant_id = $1 "
        "AND x.key = $2 AND x.target_type = 'Encounter' AND x.target_id = ANY($3::text[]) LIMIT 500",
        key_of("ServiceRequest", "encounter"),
        list(visits),
    )
    return [row["id"] for row in rows]


async def items_of(tx: Transaction, request: UUID) -> list[Item]:
    """The items of a request for authorisation with what the payer said of each."""
    claim = (await stored(tx, "Claim", [str(request)])).get(str(request), {})
    answer = (await stored(tx, "ClaimResponse", [str(request)])).get(str(request), {})
    told = {one.get("itemSequence"): one for one in answer.get("item", ())}
    return [_item(one, told.get(one.get("sequence"), {})) for one in claim.get("item", ())]


def _item(asked: Body, told: Body) -> Item:
    coding: dict[str, Any] = next(iter(asked.get("productOrService", {}).get("coding", ())), {})
    said = told.get("adjudication", ())
    reasons = [part.get("reason", {}) for part in said if part.get("reason")]
    return Item(
        code=str(coding.get("code", "")),
        words=str(coding.get("display") or asked.get("productOrService", {}).get("text", "")),
        quantity=str(asked.get("quantity", {}).get("value", "")),
        granted=next((str(part["value"]) for part in said if "value" in part), ""),
        reasons=tuple(_words(reason) for reason in reasons),
    )


def _words(reason: Body) -> str:
    coding: dict[str, Any] = next(iter(reason.get("coding", ())), {})
    return " ".join(str(part) for part in (coding.get("code"), coding.get("display") or reason.get("text")) if part)
