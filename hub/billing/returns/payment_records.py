"""Payments as FHIR PaymentReconciliation: one for each day of a statement, one for debits and credits of the whole.

A detail for each guide and each entry; the rows of `payment` and `payment_entry` come from the bodies.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from canonical.billing import cents
from canonical.codes import local_system
from canonical.identity import record_id
from canonical.records import Key
from hub.billing.profiles import PayerProfile
from hub.billing.writing import Body, laid_over, payer_party, provider_party, stored, write
from hub.records.saved import Origin
from hub.records.write import Write
from hub.store.database import Transaction
from mappings.billing.records import describe, record_plan
from tiss.answers import values as answers
from tiss.answers.payments import DEBIT, FIRST

TYPE = "PaymentReconciliation"
_GUIDE_NUMBER = "numero-guia-prestador"
_OWN = "urn:ponte:extension:"
_KIND, _ENTRY, _INDICATOR = (
    f"urn:ponte:codes:{name}" for name in ("tipoPagamento", "debitoCreditoTipo", "debitoCreditoIndicador")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """One guide (or, without a number, one protocol) paid on a day; `kind` is dm_tipoPagamento. Cents."""

    on: datetime.date
    kind: str
    protocol: str
    batch: str
    guide_number: str
    operator_number: str
    processed: int
    paid: int
    denied: int
    copay: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    """A debit (negative cents) or credit; `on` is None for one of the statement as a whole."""

    on: datetime.date | None
    indicator: str
    kind: str
    text: str
    cents: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """What becomes one record: a day (or None: the whole) with its net amount, guides and entries."""

    on: datetime.date | None
    turn: int
    form: str
    net: int
    paid: tuple[Paid, ...]
    adjustments: tuple[Adjustment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The statement a payment stands in: payer, number as stated, key (the number, or what stands for it), day, note.

    `claims` and `benefits` are the ids of our records of its guides, by guide number.
    """

    profile: PayerProfile
    number: str
    key: str
    on: datetime.date
    note: str
    claims: Mapping[str, str]
    benefits: Mapping[str, str]
    by: Origin


def identity_of(place: Place, on: datetime.date | None, turn: int) -> str:
    """The id of the record of a day (None: of the whole); a second transfer of the same day has `turn` 2."""
    day = on.isoformat() if on else "total"
    apart = f"/{turn}" if turn > 1 else ""
    return record_id(TYPE, Key(local_system(place.profile.ans, "demonstrativo-pagamento"), f"{place.key}/{day}{apart}"))


def lots(told: answers.Remittance, fallback: datetime.date) -> Iterator[Lot]:
    """A statement taken apart; a day that cannot be read is `fallback`."""
    seen: dict[datetime.date, int] = {}
    for day in told.days:
        on = read_day(day.on) or fallback
        seen[on] = seen.get(on, 0) + 1
        yield Lot(
            on=on,
            turn=seen[on],
            form=_said(day.form),
            net=day.net_cents,
            paid=tuple(one for protocol in day.protocols for one in _paid(on, protocol)),
            adjustments=tuple(_adjustment(on, entry) for entry in day.entries),
        )
    if told.entries:
        whole = tuple(_adjustment(None, entry) for entry in told.entries)
        yield Lot(on=None, turn=1, form="", net=sum(one.cents for one in whole), paid=(), adjustments=whole)


def _paid(on: datetime.date, protocol: answers.PaidProtocol) -> Iterator[Paid]:
    """The guides of a protocol; the protocol itself where the payer lists none."""
    for guide in protocol.guides:
        yield _one(on, protocol, (guide.kind, guide.provider_number, guide.operator_number), guide)
    if not protocol.guides:
        yield _one(on, protocol, (FIRST, "", ""), protocol)


def _one(
    on: datetime.date,
    protocol: answers.PaidProtocol,
    names: tuple[str, str, str],
    sums: answers.PaidGuide | answers.PaidProtocol,
) -> Paid:
    kind, number, operator_number = names
    return Paid(
        on=on,
        kind=_said(kind),
        protocol=_said(protocol.number),
        batch=_said(protocol.batch),
        guide_number=_said(number),
        operator_number=_said(operator_number),
        processed=sums.processed_cents,
        paid=sums.paid_cents,
        denied=sums.denied_cents,
        copay=sums.copay_cents,
    )


def _said(text: str) -> str:
    """A text without characters that show nothing; blank ones say nothing."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _adjustment(on: datetime.date | None, entry: answers.Entry) -> Adjustment:
    signed = -entry.cents if entry.indicator == DEBIT else entry.cents
    return Adjustment(
        on=on, indicator=_said(entry.indicator), kind=_said(entry.kind), text=_said(entry.text), cents=signed
    )


async def save(tx: Transaction, place: Place, found: Sequence[Lot], former: Iterable[str]) -> list[Lot]:
    """Write the records of a statement's lots; returns the lots as the records say them.

    `former` are the ids of the records of the statement that this one replaces: those it lacks are cancelled.
    """
    bodies = {identity_of(place, lot.on, lot.turn): body_of(place, lot) for lot in found}
    writes = [Write(type=TYPE, id=identity, body=body, skip_unchanged=True) for identity, body in bodies.items()]
    gone = await stored(tx, TYPE, [identity for identity in former if identity not in bodies])
    for identity, body in gone.items():
        cancelled = laid_over("pagamento-cancelado", body, {})
        writes.append(Write(type=TYPE, id=identity, body=cancelled, skip_unchanged=True))
    await write(tx, writes, place.by)
    return [read_back(lot, body) for lot, body in zip(found, bodies.values(), strict=True)]


def body_of(place: Place, lot: Lot) -> Body:
    """The PaymentReconciliation of a lot."""
    profile = place.profile
    provider = provider_party(profile)
    record = {
        "payer": payer_party(profile),
        "statement": {
            "number": place.number,
            "number_system": local_system(profile.ans, "demonstrativo") if place.number else "",
            "on": place.on,
            "note": place.note,
            "provider": {"reference": f"Organization/{provider['organization']}", "type": "Organization"},
        },
        "day": {"on": lot.on or place.on, "form": lot.form, "net": lot.net},
        "guides": [_guide(place, one) for one in lot.paid],
        "entries": [_entry(one) for one in lot.adjustments],
    }
    return describe(record_plan("pagamento"), record, profile.version)[0]


def _guide(place: Place, one: Paid) -> dict[str, Any]:
    number = one.guide_number
    return {
        "number": number,
        "number_system": local_system(place.profile.ans, _GUIDE_NUMBER) if number else "",
        "operator_number": one.operator_number,
        "protocol": one.protocol,
        "batch": one.batch,
        "kind": one.kind,
        "claim": place.claims.get(number),
        "benefit": place.benefits.get(number),
        "processed": one.processed,
        "paid": one.paid,
        "denied": one.denied,
        "copay": one.copay or None,
    }


def _entry(one: Adjustment) -> dict[str, Any]:
    return {"indicator": one.indicator, "kind": one.kind, "text": one.text, "signed": one.cents}


def read_back(lot: Lot, body: Mapping[str, Any]) -> Lot:
    """A lot with its guides and entries as its record says them."""
    paid, adjustments = [], []
    for detail in body.get("detail", ()):
        kinds = {coding.get("system"): coding.get("code", "") for coding in detail["type"].get("coding", ())}
        amount = cents(str(detail["amount"]["value"]))
        if "adjustment" in kinds.values():
            adjustments.append(
                Adjustment(
                    on=lot.on,
                    indicator=kinds.get(_INDICATOR, ""),
                    kind=kinds.get(_ENTRY, ""),
                    text=detail["type"].get("text", ""),
                    cents=amount,
                )
            )
        else:
            paid.append(_paid_of(detail, kinds.get(_KIND, ""), amount, lot.on))
    return Lot(on=lot.on, turn=lot.turn, form=lot.form, net=lot.net, paid=tuple(paid), adjustments=tuple(adjustments))


def _paid_of(detail: Mapping[str, Any], kind: str, amount: int, on: datetime.date | None) -> Paid:
    told = {extension["url"].removeprefix(_OWN): extension for extension in detail.get("extension", ())}
    if on is None:
        raise TypeError("a guide is paid on a day")

    def text(name: str) -> str:
        return str(told.get(name, {}).get("valueString", ""))

    def money(name: str) -> int:
        return cents(str(told[name]["valueMoney"]["value"])) if name in told else 0

    return Paid(
        on=on,
        kind=kind,
        protocol=text("numero-protocolo"),
        batch=text("numero-lote"),
        guide_number=detail.get("identifier", {}).get("value", ""),
        operator_number=text("numero-guia-operadora"),
        processed=money("valor-processado"),
        paid=amount,
        denied=money("valor-glosa"),
        copay=money("valor-franquia"),
    )


def read_day(text: str) -> datetime.date | None:
    """The day a text begins with; None when it begins with none."""
    try:
        return datetime.date.fromisoformat(text[:10])
    except ValueError:
        return None
