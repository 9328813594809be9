"""What a payer says of a batch as FHIR ClaimResponse: for each guide and batch one, for each new answer a version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from canonical.codes import local_system
from canonical.identity import record_id
from canonical.records import Key
from hub.billing.guide import claims
from hub.billing.profiles import PayerProfile, payer
from hub.billing.writing import Body, glosa_name, payer_party, stored, write
from hub.records.saved import Origin
from hub.records.write import Write
from hub.store.database import Transaction
from mappings.billing.records import describe, record_plan
from tiss.answers import values as answers

TYPE = "ClaimResponse"
REFUSED = "recusado"
OPERATOR_NUMBER = "numeroGuiaOperadora"
_SYSTEM = "urn:ponte:lote"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """An answer about a batch: the protocol, statusProtocolo, the payer's words, its errors, and those of guides.

    `numbers` are those the payer gives guides (numeroGuiaOperadora), by ours.
    """

    protocol: str = ""
    status: str = ""
    text: str = ""
    errors: tuple[answers.Glosa, ...] = ()
    guides: Mapping[str, tuple[answers.Glosa, ...]] = field(default_factory=dict)
    numbers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """What an answer says of one guide: its errors, and the number the payer gives it."""

    errors: Sequence[answers.Glosa] = ()
    operator_number: str = ""


def identity_of(batch_id: UUID | None, guide_id: UUID) -> str:
    """The id of the answer about a guide in a batch."""
    return record_id(TYPE, Key(_SYSTEM, f"{batch_id}/{guide_id}"))


async def known(tx: Transaction, places: Sequence[tuple[UUID | None, UUID]]) -> set[str]:
    """The ids of the answers that exist, of (batch, guide)."""
    rows = await tx.rows(
        "SELECT id FROM resource WHERE tenant_id = $1 AND type = $2 AND id = ANY($3::text[]) AND NOT deleted",
        TYPE,
        [identity_of(*place) for place in places],
    )
    return {row["id"] for row in rows}


async def answered(tx: Transaction, batch_id: UUID | None, said: Said, by: Origin) -> None:
    """Write what a payer said of a batch, for each guide in it."""
    rows = await tx.rows(
        "SELECT id, number, payer_id FROM guide WHERE tenant_id = $1 AND batch_id = $2 ORDER BY id", batch_id
    )
    if not rows:
        return
    profile = await payer(tx, rows[0]["payer_id"])
    bills = await claims.of_guides(tx, [row["id"] for row in rows])
    before = await numbers(tx, {identity_of(batch_id, row["id"]): row["number"] for row in rows})
    writes = []
    for row in rows:
        number = row["number"]
        own = Own(
            errors=said.guides.get(number, ()),
            operator_number=said.numbers.get(number) or before.get(number, ""),  # what was given once stays
        )
        body = body_of(profile, bills.get(str(row["id"]), {}), said, own, by)
        writes.append(Write(type=TYPE, id=identity_of(batch_id, row["id"]), body=body))
    await write(tx, writes, by)


async def numbers(tx: Transaction, guides: Mapping[str, str]) -> dict[str, str]:
    """The numbers a payer has given guides, by ours; `guides` are our numbers by the ids of the answers about them."""
    bodies = await stored(tx, TYPE, list(guides))
    return {guides[identity]: number for identity, body in bodies.items() if (number := _given(body))}


def _given(body: Body) -> str:
    named = (one for one in body.get("identifier", ()) if (one.get("type") or {}).get("text") == OPERATOR_NUMBER)
    return str(next((one.get("value", "") for one in named), ""))


def body_of(profile: PayerProfile, claim: Body, said: Said, own: Own, by: Origin, items: Any = ()) -> Body:
    """The ClaimResponse of a Claim; `own` is what is said of this one, `items` what was decided item by item."""
    record = {
        "payer": payer_party(profile),
        "claim": claim,
        "answer": {
            "at": by.now,
            "protocol": said.protocol,
            "protocol_system": local_system(profile.ans, "protocolo") if said.protocol else "",
            "status": "" if said.status == REFUSED else said.status,
            "outcome": said.status,
            "text": said.text,
            "operator_number": own.operator_number,
            "errors": [_error(glosa) for glosa in (*said.errors, *own.errors)],
        },
        "items": items,
    }
    return describe(record_plan("resposta"), record, profile.version)[0]


def _error(glosa: answers.Glosa) -> dict[str, str]:
    return {"code": glosa.code, "text": glosa.text, "name": glosa_name(glosa.code)}
