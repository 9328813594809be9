"""Annexes of a request: OPME, quimioterapia, radioterapia, situação inicial. Their clinical words come from who asks.

Beneficiary, age, sex, professional and numbers come from the records; body measures from the newest observations where
the annex does not tell them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from canonical.codes import LOINC
from canonical.problem import Problem
from fhir import jsontext
from hub.billing.message import numbers
from hub.billing.profiles import PayerProfile
from hub.records.projections import first_code
from hub.requests import sending
from hub.store.database import Transaction
from tiss.tables import tables

KINDS = ("opme", "quimio", "radio", "situacao-inicial")
_INSIDE = {"opme": "solicitacaoOPME", "quimio": "solicitacaoQuimioterapia", "radio": "solicitacaoRadioterapia"}
# what the annex of chemotherapy asks of a body, by LOINC, in UCUM units
_MEASURES = {"weight": ("29463-7", "kg"), "height": ("8302-2", "cm"), "surface": ("3140-1", "m2")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Annex:
    """One annex: its kind, its tree, and the element it has inside a request (empty: none in medical ones)."""

    kind: str
    number: str
    body: dict[str, Any]
    inside: str


async def tree(
    tx: Transaction, profile: PayerProfile, annex: Mapping[str, Any], record: Mapping[str, Any]
) -> tuple[Annex, list[Problem]]:
    """The annex as a tree under a fresh number, and what is missing for it."""
    kind = str(annex.get("kind", ""))
    number = str(await numbers.take(tx, profile.partner.id, "guia"))
    told = {**annex, "number": number, "items": [_named(item) for item in annex.get("items", ())]}
    if kind == "quimio":
        told = {**await _measures(tx, str(record.get("patient_id", ""))), **told}
    body, problems = sending.body_of(f"anexo-{kind}", {**record, "annex": told}, profile)
    return Annex(kind=kind, number=number, body=body, inside=_INSIDE.get(kind, "")), problems


def element_of(kind: str) -> str:
    """The element an annex has in a batch of annexes."""
    return sending.element_of(f"anexo-{kind}")


def _named(item: Mapping[str, Any]) -> dict[str, Any]:
    """An item with the term of its table, where the table holds the code."""
    term = tables.installed().tuss(str(item.get("table", "")), str(item.get("code", "")))
    return {**item, **({"description": term.name} if term is not None else {})}


async def _measures(tx: Transaction, patient_id: str) -> dict[str, str]:
    """The newest final measures of a patient."""
    rows = await tx.rows(
        "SELECT r.body FROM result o JOIN resource r ON r.tenant_id = $1 AND r.type = 'Observation' AND r.id = o.id "
        "WHERE o.tenant_id = $1 AND o.patient_id = $2 AND o.code = ANY($3::text[]) "
        "AND o.status IN ('final', 'amended', 'corrected') ORDER BY o.issued_at NULLS FIRST, o.id",
        patient_id,
        [code for code, _ in _MEASURES.values()],
    )
    names = {place: name for name, place in _MEASURES.items()}
    found: dict[str, str] = {}
    for body in (jsontext.stored(row["body"]) for row in rows):
        quantity = body.get("valueQuantity", {})
        systems = [coding.get("system") for coding in body.get("code", {}).get("coding", ())]
        name = names.get((first_code(body.get("code")) or "", str(quantity.get("code") or quantity.get("unit"))))
        if name and quantity.get("value") is not None and LOINC in systems:
            found[name] = str(quantity["value"])
    return found
