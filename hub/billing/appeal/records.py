"""Appeals as FHIR: for each guide a Claim related to the guide's own, and the payer's answer as its ClaimResponse."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from canonical.identity import record_id
from canonical.records import Key
from hub.billing.batch import responses
from hub.billing.batch.responses import Said
from hub.billing.guide import claims
from hub.billing.profiles import PayerProfile, payer
from hub.billing.returns import renumbered
from hub.billing.returns.decisions import allocated
from hub.billing.writing import Body, glosa_name, payer_party, provider_party, stored, write
from hub.records.saved import Origin
from hub.records.write import Write
from hub.store.database import Row, Transaction
from mappings.billing.records import describe, record_plan
from tiss.answers import values as answers

_SYSTEM = "urn:ponte:recurso"
_DENIALS = """
SELECT d.guide_id, d.glosa_code, d.amount_cents - coalesce(d.granted_cents, 0) AS amount_cents, d.justification,
       l.guide_number, g.number AS own_number,
       coalesce(l.item_sequence, l.sequence) AS sequence, i.tiss_table, i.code,
       i.description, i.executed_on FROM denial d
JOIN statement_line l ON l.tenant_id = $1 AND l.id = d.statement_line_id
LEFT JOIN guide g ON g.tenant_id = $1 AND g.id = d.guide_id
LEFT JOIN guide_item i ON i.tenant_id = $1 AND i.guide_id = d.guide_id AND i.sequence = l.item_sequence
WHERE d.tenant_id = $1 AND d.appeal_id = $2 ORDER BY l.guide_number, 6, d.glosa_code, d.id
"""
Groups = dict[str, list[Row]]


async def denials_of(tx: Transaction, appeal_id: UUID) -> Groups:
    """The denials an appeal is about with the items they lie on, by guide number (empty: the protocol as a whole)."""
    grouped: Groups = defaultdict(list)
    for row in await tx.rows(_DENIALS, appeal_id):
        grouped[row["guide_number"]].append(row)
    return dict(grouped)


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The numbers of a guide that is appealed: ours, and the payer's own where there is one."""

    own: str
    operator: str


async def names_of(tx: Transaction, grouped: Groups) -> dict[str, Names]:
    """The numbers of the guides of an appeal, by the number the payer's statement lists each under."""
    ids = [rows[0]["guide_id"] for rows in grouped.values() if rows[0]["guide_id"] is not None]
    given = await renumbered.given(tx, ids) if ids else {}
    found = {}
    for number, rows in grouped.items():
        own = rows[0]["own_number"] or number
        found[number] = Names(own=own, operator=given.get(rows[0]["guide_id"], "") or (number if number != own else ""))
    return found


async def as_listed(tx: Transaction, appeal_id: UUID, lines: Sequence[answers.AppealLine]) -> list[answers.AppealLine]:
    """The payer's decisions under the numbers its statement listed the guides under, whichever it names now."""
    names = await names_of(tx, await denials_of(tx, appeal_id))
    known = {name: number for number, told in names.items() for name in (told.operator, told.own) if name}
    known |= {number: number for number in names}
    listed = []
    for line in lines:
        number = known.get(line.provider_number) or known.get(line.operator_number) or line.provider_number
        listed.append(replace(line, provider_number=number))
    return listed


def identity_of(type_name: str, appeal_id: UUID, guide_number: str) -> str:
    """The id of an appeal's Claim, or of the answer to it, for one guide."""
    return record_id(type_name, Key(_SYSTEM, f"{appeal_id}/{guide_number}"))


async def save_claims(tx: Transaction, appeal_id: UUID, by: Origin) -> None:
    """Write an appeal's Claims as its row and denials stand; sent ones name the message they went out in."""
    row = await _appeal(tx, appeal_id)
    profile = await payer(tx, row["payer_id"])
    grouped = await denials_of(tx, appeal_id)
    bills = await claims.of_guides(tx, [found[0]["guide_id"] for found in grouped.values() if found[0]["guide_id"]])
    writes = [
        Write(
            type="Claim",
            id=identity_of("Claim", appeal_id, number),
            body=_claim(profile, row, found, bills.get(str(found[0]["guide_id"]), {})),
            message_id=row["message_id"],
            skip_unchanged=True,
        )
        for number, found in grouped.items()
    ]
    await write(tx, writes, by)


def _claim(profile: PayerProfile, appeal: Row, denials: Sequence[Row], claim: Body) -> Body:
    provider = provider_party(profile)
    record = {
        "payer": payer_party(profile),
        "provider": {"reference": f"Organization/{provider['organization']}", "type": "Organization"},
        "claim": claim,
        "appeal": {
            "number": str(appeal["number"]),
            "status": appeal["status"],
            "protocol": appeal["batch_protocol"],
            "created_at": appeal["created_at"],
            "claimed": sum(row["amount_cents"] for row in denials),
        },
        "items": [_item(position, row) for position, row in enumerate(denials, start=1)],
    }
    return describe(record_plan("recurso"), record, profile.version)[0]


def _item(position: int, row: Row) -> dict[str, Any]:
    return {
        "position": position,
        "sequence": row["sequence"] or None,
        "table": row["tiss_table"],
        "code": row["code"],
        "description": row["description"],
        "executed_on": row["executed_on"],
        "claimed": row["amount_cents"],
        "glosa": row["glosa_code"],
        "name": glosa_name(row["glosa_code"]),
        "justification": row["justification"],
    }


async def discarded(tx: Transaction, appeal_id: UUID, status: str, by: Origin) -> None:
    """Mark the Claims of an appeal that will not be sent."""
    ids = [identity_of("Claim", appeal_id, number) for number in await denials_of(tx, appeal_id)]
    await claims.change_status(tx, ids, status, by)


async def answered(
    tx: Transaction, appeal_id: UUID, said: Said, by: Origin, lines: Sequence[answers.AppealLine] = (), total: int = 0
) -> None:
    """Write what the payer said of an appeal, guide by guide; `lines` are its decisions, which grant `total` in all."""
    row = await _appeal(tx, appeal_id)
    profile = await payer(tx, row["payer_id"])
    grouped = await denials_of(tx, appeal_id)
    ids = {number: identity_of("Claim", appeal_id, number) for number in grouped}
    bills = await stored(tx, "Claim", list(ids.values()))
    writes = []
    for number, denials in grouped.items():
        own = [line for line in lines if line.provider_number == number]
        items = list(_decisions(denials, own, total if len(grouped) == 1 else 0))
        body = responses.body_of(profile, bills.get(ids[number], {}), said, responses.Own(), by, items)
        writes.append(Write(type=responses.TYPE, id=identity_of(responses.TYPE, appeal_id, number), body=body))
    await write(tx, writes, by)


def _decisions(denials: Sequence[Row], lines: Sequence[answers.AppealLine], total: int) -> list[Mapping[str, Any]]:
    """The decision on each item of the appeal's Claim that the payer spoke of."""
    asked = [
        {"id": position, "claimed": row["amount_cents"], **{name: row[name] for name in _NAMED}}
        for position, row in enumerate(denials, start=1)
    ]
    granted, _ = allocated(asked, lines, total)
    reasons = {(line.sequence or 0, line.glosa): line.reason for line in lines}
    return [
        {
            "position": one["id"],
            "claimed": one["claimed"],
            "granted": granted[one["id"]],
            "reason": reasons.get((one["sequence"], one["glosa_code"]), ""),
        }
        for one in asked
        if one["id"] in granted
    ]


_NAMED = ("guide_number", "sequence", "glosa_code")


async def _appeal(tx: Transaction, appeal_id: UUID) -> Row:
    row = await tx.row(
        "SELECT payer_id, number, status, batch_protocol, created_at, message_id FROM appeal "
        "WHERE tenant_id = $1 AND id = $2",
        appeal_id,
    )
    if row is None:
        raise LookupError("an appeal without row")
    return row
