"""Autorização: procedures, stays, more days and dental treatment asked for, from orders. R4: Claim (preauthorization).

What the payer decides is `decision`; the status question and lost replies are `status`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from canonical import local
from canonical.codes import CID10, TUSS
from canonical.errors import Conflict
from canonical.problem import Problem
from hub.billing import writing
from hub.billing.message import numbers
from hub.billing.visit.stays import conditions_of, diagnoses_of, is_inpatient
from hub.billing.writing import Body, stored
from hub.records.projections import target
from hub.records.saved import Origin
from hub.requests import annex_trees, records, sending
from hub.requests.contract import wants
from hub.requests.matter import Matter, Named, matter, orders, professionals
from hub.requests.sending import Asked, Kind, Put
from hub.store.database import Transaction
from hub.world import Tenant, World
from tiss.tables import tables

TRANSACTION = "SOLICITACAO_PROCEDIMENTOS"
KIND: Kind = "autorizacao"
PLAN = "autorizacao-pedido"
Detail = Literal["", "sp-sadt", "internacao", "prorrogacao", "odonto"]
ENDED = ("bloqueado", "substituido", "rejeitado", "negado", "cancelado")
_EXECUTING = "2"  # dm_etapasAutorizacao: asked by who will execute
_SURGICAL = "3"
_CLINICAL = {"sp-sadt": "anexoClinico", "internacao": "anexoClinico", "prorrogacao": "anexoClinicoProrrogacao"}
_REQUESTER = {
    "sp-sadt": ("dadosSolicitante", "profissionalSolicitante"),
    "internacao": ("identificacaoSolicitante", "dadosProfissionalContratado"),
    "prorrogacao": ("dadosProfissionalSolicitante",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One procedure to be authorised; `order` is the ServiceRequest it stands in. Amounts are whole cents."""

    table: str
    code: str
    quantity: str = "1"
    description: str = ""
    order: str = ""
    tooth: str = ""
    region: str = ""
    faces: str = ""
    cents: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be authorised: orders, or items, or a stay (`detail` empty: as the visit's class says).

    `values` are what no record tells: indication, note, days, from_date, until_date, stay_kind, accommodation,
    main_number, stage, character, special, token, absence, odonto_kind, plan, phone, email. `annexes` are those of
    `annex_trees`.
    """

    named: Named
    detail: Detail = ""
    orders: tuple[str, ...] = ()
    items: tuple[Item, ...] = ()
    annexes: tuple[Mapping[str, Any], ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)


async def ask(world: World, tenant: Tenant, tx: Transaction, wish: Wish, actor: str) -> Put:
    """Ask for an authorisation; raises NotFound, Refused, and Conflict for what is asked already."""
    by = writing.origin(world, tenant, actor)
    ordered = await orders(tx, wish.orders)
    found = await matter(tx, _named(wish.named, ordered), writing.today(by))
    detail = wish.detail or ("internacao" if is_inpatient(found.record["encounter"]["class"]) else "sp-sadt")
    subjects = _subjects(found, detail, wish.orders)
    await _not_twice(tx, subjects, detail)
    await writing.keep_parties(tx, [found.profile], by)
    record = await _record(tx, found, (detail, wish, ordered), by)
    made = await _body(tx, found, detail, wish, record)
    asked = Asked(
        profile=found.profile,
        kind=KIND,
        detail=detail,
        number=record["request"]["number"],
        transaction=TRANSACTION,
        body=made.body,
        problems=tuple(made.problems),
        patient_id=found.patient_id,
        encounter_id=found.encounter_id,
        coverage_id=found.coverage_id,
        subjects=subjects,
        actor=actor,
    )
    put = await sending.put(world, tenant, tx, asked)
    told = {**records.asked(await sending.row_of(tx, put.id), by), **_told(record, made, detail, wish)}
    claim = {"request": told, "items": record["items"], "message": put.message_id}
    await records.save(tx, PLAN, str(put.id), claim, found.profile, by)
    return put


def _named(named: Named, ordered: Sequence[Body]) -> Named:
    """The patient and visit of the orders, where the caller names none."""
    first = ordered[0] if ordered else {}
    return Named(
        patient=named.patient or target(first.get("subject"), "Patient") or "",
        encounter=named.encounter or target(first.get("encounter"), "Encounter") or "",
        coverage=named.coverage,
        payer=named.payer,
    )


def _subjects(found: Matter, detail: str, ordered: Sequence[str]) -> tuple[tuple[str, str], ...]:
    subjects = [("ServiceRequest", one) for one in ordered]
    if detail == "internacao" and found.encounter_id:
        subjects.append(("Encounter", found.encounter_id))
    return tuple(subjects)


async def _not_twice(tx: Transaction, subjects: Sequence[tuple[str, str]], detail: str) -> None:
    """Raise Conflict for an order, or a stay, that a request of ours asks for already (more days are a new matter)."""
    if detail == "prorrogacao" or not subjects:
        return
    known = await tx.value(
        "SELECT r.id FROM payer_request_subject s JOIN unnest($2::text[], $3::text[]) AS x(type, id) "
        "ON s.type = x.type AND s.record_id = x.id JOIN payer_request r ON r.tenant_id = $1 AND r.id = s.request_id "
        "WHERE s.tenant_id = $1 AND r.kind = $4 AND NOT r.status = ANY($5::text[]) LIMIT 1",
        [kind for kind, _ in subjects],
        [record_id for _, record_id in subjects],
        KIND,
        list(ENDED),
    )
    if known is not None:
        raise Conflict("an authorisation is asked for already", code="request.already-asked")


async def _record(tx: Transaction, found: Matter, what: tuple[str, Wish, Sequence[Body]], by: Origin) -> dict[str, Any]:
    """The record the tables read: the matter, who asks, the items, and what the request says of itself."""
    detail, wish, ordered = what
    today, zone = writing.today(by), by.zone
    items = [*(_item_of(order) for order in ordered), *(_item(item) for item in wish.items)]
    billed = [item["code"] for item in items]
    first = ordered[0] if ordered else {}
    number = await numbers.take(tx, found.profile.partner.id, "guia")
    kinds = {str(annex.get("kind")) for annex in wish.annexes}
    period = found.encounter.get("period", {})
    told = {
        "number": str(number),
        "asked_on": local.day(first.get("authoredOn"), zone) or today,
        "stage": _EXECUTING,
        "indication": _indication(ordered),
        "diagnoses": await _diagnoses(tx, found, ordered),
        "days": wants(found.profile).stay_days if detail == "internacao" else None,
        "from_date": local.day(period.get("start"), zone) or today,
        "leading_code": next((code for code in billed if code.startswith(_SURGICAL)), next(iter(billed), "")),
        "has_opme": "S" if "opme" in kinds or any(item["table"] == "19" for item in items) else "N",
        "has_chemo": "S" if "quimio" in kinds else "N",
        "main_number": await _stay_number(tx, found) if detail == "prorrogacao" else "",
        "odonto_kind": "1",
        "total_cents": sum(item["cents"] or 0 for item in items),
        **{name: value for name, value in wish.values.items() if value not in (None, "")},
    }
    if detail == "internacao" and told["days"] is not None:
        told["days"] = str(told["days"])
    people = await professionals(tx, found, ordered)
    contact = {name: wish.values[name] for name in ("phone", "email") if wish.values.get(name)}
    coverage = {**found.record["coverage"], "plan": wish.values.get("plan") or found.record["coverage"]["plan"]}
    requester = {**people["requester"], **contact}
    return {**found.record, **people, "requester": requester, "coverage": coverage, "items": items, "request": told}


def _item_of(order: Body) -> dict[str, Any]:
    """An order's procedure: its TUSS code, else its first one without table (a finding tells of it)."""
    codings = order.get("code", {}).get("coding", ())
    coded: Body = next((c for c in codings if str(c.get("system", "")).startswith(TUSS)), next(iter(codings), {}))
    system = str(coded.get("system", ""))
    return _item(
        Item(
            table=system.removeprefix(TUSS) if system.startswith(TUSS) else "",
            code=str(coded.get("code", "")),
            quantity=str(order.get("quantityQuantity", {}).get("value", "1")),
            description=str(coded.get("display") or order.get("code", {}).get("text", "")),
            order=order["id"],
        )
    )


def _item(item: Item) -> dict[str, Any]:
    """An item as the tables read it; the payer knows a code by the term of its table."""
    term = tables.installed().tuss(item.table, item.code)
    shown = term.name if term is not None else item.description
    return {
        **{name: getattr(item, name) for name in ("table", "code", "quantity", "order", "tooth", "region", "faces")},
        "description": shown or item.code,
        "cents": item.cents,
    }


def _indication(ordered: Sequence[Body]) -> str:
    """The words of the orders' reasons."""
    found = [reason.get("text") or _display(reason) for order in ordered for reason in order.get("reasonCode", ())]
    return "; ".join(dict.fromkeys(words for words in found if words))


def _display(concept: Body) -> str:
    return str(next((c["display"] for c in concept.get("coding", ()) if c.get("display")), ""))


async def _diagnoses(tx: Transaction, found: Matter, ordered: Sequence[Body]) -> list[str]:
    """CID-10 without dot: of the orders' reasons first, then of the visit's diagnoses."""
    codes = [
        str(coding["code"]).replace(".", "")
        for order in ordered
        for reason in order.get("reasonCode", ())
        for coding in reason.get("coding", ())
        if coding.get("system") == CID10 and coding.get("code")
    ]
    conditions = await stored(tx, "Condition", conditions_of(found.encounter))
    return list(dict.fromkeys([*codes, *diagnoses_of(found.encounter, conditions)]))[:4]


async def _stay_number(tx: Transaction, found: Matter) -> str:
    """The number of the authorised request of the visit's stay; empty when there is none (a finding tells of it)."""
    number = await tx.value(
        "SELECT number FROM payer_request WHERE tenant_id = $1 AND kind = $2 AND detail = 'internacao' "
        "AND encounter_id = $3 AND NOT status = ANY($4::text[]) ORDER BY id DESC LIMIT 1",
        KIND,
        found.encounter_id,
        list(ENDED),
    )
    return str(number or "")


@dataclass(slots=True, kw_only=True)
class _Made:
    tree: dict[str, Any]
    body: dict[str, Any]
    problems: list[Problem]


async def _body(tx: Transaction, found: Matter, detail: str, wish: Wish, record: Mapping[str, Any]) -> _Made:
    """solicitacaoProcedimento with the annexes inside the guide they belong to."""
    name = f"solicitacao-{detail}"
    tree, problems = sending.body_of(name, record, found.profile)
    if not record["items"] and detail in ("sp-sadt", "internacao", "odonto"):
        problems.append(Problem("request.no-items", name))
    for annex in wish.annexes:
        made, wrong = await annex_trees.tree(tx, found.profile, annex, record)
        problems += wrong
        if detail in _CLINICAL and made.inside:
            tree.setdefault(_CLINICAL[detail], {})[made.inside] = made.body
        elif detail == "odonto" and not made.inside:
            tree["odontoInicial"] = made.body
        else:
            problems.append(Problem("request.annex-kind", name, args=(("annex", made.kind), ("request", detail))))
    return _Made(tree=tree, body={sending.element_of(name): tree}, problems=problems)


def _told(record: Mapping[str, Any], made: _Made, detail: str, wish: Wish) -> dict[str, Any]:
    """What the Claim says beside the row."""
    request = record["request"]
    node: Any = made.tree
    for step in _REQUESTER.get(detail, ("nobody",)):
        node = node.get(step) if isinstance(node, Mapping) else None
    stay = made.tree.get("dadosInternacao", {})
    return {
        "character": made.tree.get("caraterAtendimento") or stay.get("caraterAtendimento"),
        "indication": request.get("indication"),
        "note": request.get("note"),
        "days": request.get("days"),
        "annexes": ", ".join(str(annex.get("kind")) for annex in wish.annexes),
        "card": record["coverage"]["member_number"],
        "requester": node,
        "diagnoses": request.get("diagnoses"),
        "main_number": request.get("main_number"),
    }
