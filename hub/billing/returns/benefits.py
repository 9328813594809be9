"""Statements as FHIR ExplanationOfBenefit, one for each guide of a protocol; statement lines come from the bodies.

A later statement of the same protocol is a new version of the same records; a guide it no longer lists is cancelled.
What a payer judged beyond single guides stands in a record of the protocol itself.
"""

from __future__ import annotations

import datetime
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from canonical.billing import cents
from canonical.codes import local_system
from canonical.identity import record_id
from canonical.records import Key
from hub.billing.batch import responses
from hub.billing.guide import claims
from hub.billing.profiles import PayerProfile
from hub.billing.returns.judgement import Line
from hub.billing.writing import Body, glosa_name, laid_over, payer_party, provider_party, stored, write
from hub.records.saved import Origin
from hub.records.write import Write
from hub.store.database import Transaction
from mappings.billing.records import describe, record_plan
from tiss.answers import values as answers

TYPE = "ExplanationOfBenefit"
STATED = "urn:ponte:extension:sequencial-item"
_GUIDE_NUMBER = "numero-guia-prestador"
_AMOUNTS = {"submitted": "billed", "eligible": "processed", "benefit": "paid", "copay": "copay"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One protocol of a statement: the payer, the protocol, the statement's number and day.

    `scope` tells statements apart that judge parts of one protocol and do not replace each other (dental ones).
    """

    profile: PayerProfile
    protocol: answers.StatementProtocol
    number: str
    on: datetime.date
    scope: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guide:
    """A guide of ours that a statement names: its id and the batch it was sent in."""

    id: UUID
    batch_id: UUID | None


def identity_of(ans: str, protocol: str, guide_number: str, scope: str = "") -> str:
    """The id of the record of a guide in a protocol; an empty number stands for the protocol as a whole."""
    apart = f"/{scope}" if scope else ""
    return record_id(TYPE, Key(local_system(ans, "demonstrativo"), f"{protocol}/{guide_number}{apart}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What is written of one protocol: its lines, and the guide numbers that the statement it replaces listed."""

    told: Told
    lines: Sequence[Line]
    former: Sequence[str] = ()


async def save_lines(tx: Transaction, parts: Sequence[Part], ours: Mapping[str, Guide], by: Origin) -> list[list[Line]]:
    """Write the records of protocols' lines at once; returns the lines as the records say them.

    `ours` holds our guides by number.
    """
    bills = await claims.of_guides(tx, [guide.id for guide in ours.values()])
    known = await responses.known(tx, [(guide.batch_id, guide.id) for guide in ours.values() if guide.batch_id])
    writes, said, gone = list[Write](), list[list[Line]](), list[str]()
    for part in parts:
        bodies = {
            number: _body(part.told, number, group, _links(ours.get(number), bills, known))
            for number, group in _grouped(part.lines).items()
        }
        writes += [_write(_identity(part.told, number), body) for number, body in bodies.items()]
        gone += [_identity(part.told, number) for number in part.former if number not in bodies]
        said.append([line for body in bodies.values() for line in lines_of(body)])
    await write(tx, [*writes, *await _cancelled(tx, gone)], by)
    return said


def _grouped(lines: Sequence[Line]) -> dict[str, list[Line]]:
    grouped: dict[str, list[Line]] = {}
    for line in lines:
        grouped.setdefault(line.guide_number, []).append(line)
    return grouped


def _links(guide: Guide | None, bills: Mapping[str, Body], known: Container[str]) -> dict[str, Any]:
    """The Claim and the ClaimResponse of a guide of ours."""
    if guide is None:
        return {}
    response = responses.identity_of(guide.batch_id, guide.id)
    return {"claim": bills.get(str(guide.id)), "response": response if response in known else None}


def _identity(told: Told, number: str) -> str:
    return identity_of(told.profile.ans, told.protocol.number, number, told.scope)


def _write(identity: str, body: Body) -> Write:
    return Write(type=TYPE, id=identity, body=body, skip_unchanged=True)


async def _cancelled(tx: Transaction, ids: Sequence[str]) -> list[Write]:
    """The records of guides that the new statement does not list any more."""
    found = await stored(tx, TYPE, ids)
    return [_write(identity, laid_over("demonstrativo-cancelado", body, {})) for identity, body in found.items()]


def _body(told: Told, number: str, lines: Sequence[Line], links: Mapping[str, Any]) -> Body:
    profile, protocol = told.profile, told.protocol
    guide = next((one for one in protocol.guides if one.provider_number == number), None)
    provider = provider_party(profile)
    items = [line for line in lines if _is_item(line)]
    record = {
        "payer": payer_party(profile),
        "claim": links.get("claim") or {},
        "statement": {
            "number": told.number,
            "number_system": _system(profile, "demonstrativo", told.number),
            "protocol": protocol.number,
            "protocol_system": _system(profile, "protocolo", protocol.number),
            "on": told.on,
            "provider": {"reference": f"Organization/{provider['organization']}", "type": "Organization"},
        },
        "judged": {
            "number": number,
            "number_system": _system(profile, _GUIDE_NUMBER, number),
            "operator_number": guide.operator_number if guide else "",
            "authorization": guide.authorization if guide else "",
            "status": (guide.status if guide else "") or protocol.status,
            "note": guide.note if guide else "",
            "response": links.get("response"),
            **_sums(lines),
        },
        "items": list(_items(items)),
        "whole": _whole([line for line in lines if not _is_item(line)]),
    }
    return describe(record_plan("demonstrativo"), record, profile.version)[0]


def _system(profile: PayerProfile, kind: str, number: str) -> str:
    """The system of a number the payer gave; empty when it gave none."""
    return local_system(profile.ans, kind) if number else ""


def _is_item(line: Line) -> bool:
    return bool(line.sequence or line.code or line.table)


def _sums(lines: Sequence[Line]) -> dict[str, int | None]:
    """The sums of lines; no copay rather than one of zero."""
    names = ("billed", "processed", "paid", "denied")
    return {**{name: sum(getattr(line, name) for line in lines) for name in names}, "copay": _copay(lines)}


def _copay(lines: Sequence[Line]) -> int | None:
    return sum(line.copay for line in lines) or None


def _items(lines: Sequence[Line]) -> Iterator[dict[str, Any]]:
    """The items with a sequence that is positive and unique: their own where it is, else the next free one."""
    used: set[int] = set()
    free = max((line.sequence for line in lines), default=0)
    for line in lines:
        position = line.sequence
        if position < 1 or position in used:
            free = max(free, 0) + 1
            position = free
        used.add(position)
        yield {
            "position": position,
            "stated": line.sequence if position != line.sequence else None,
            "table": line.table,
            "code": line.code,
            "on": line.on,
            "quantity": line.quantity,
            "participation": line.participation,
            **_sums([line]),
            "glosas": [_glosa(glosa) for glosa in line.glosas],
        }


def _whole(lines: Sequence[Line]) -> dict[str, Any]:
    """A guide or protocol judged as a whole; empty when it was not."""
    if not lines:
        return {}
    return {**_sums(lines), "glosas": [_glosa(glosa) for line in lines for glosa in line.glosas]}


def _glosa(glosa: answers.Glosa) -> dict[str, Any]:
    return {"code": glosa.code, "text": glosa.text, "cents": glosa.cents, "name": glosa_name(glosa.code)}


def lines_of(body: Mapping[str, Any]) -> list[Line]:
    """The lines of a statement as its record says them: the items, then the judgement as a whole."""
    number = next((i["value"] for i in body["identifier"] if i.get("system", "").endswith(f":{_GUIDE_NUMBER}")), "")
    found = [_line(number, item) for item in body.get("item", ())]
    if body.get("adjudication"):
        found.append(Line(guide_number=number, sequence=0, table="", code="", **_judgement(body["adjudication"])))
    return found


def _line(number: str, item: Mapping[str, Any]) -> Line:
    coding = (item["productOrService"].get("coding") or [{}])[0]
    stated = [e["valueInteger"] for e in item.get("extension", ()) if e["url"] == STATED]
    return Line(
        guide_number=number,
        sequence=stated[0] if stated else item["sequence"],
        table=claims.table_of(coding.get("system", "")),
        code=coding.get("code", ""),
        on=item.get("servicedDate", ""),
        quantity=str(item.get("quantity", {}).get("value", "")),
        **_judgement(item.get("adjudication", ())),
    )


def _judgement(adjudications: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Amounts in cents and glosas, as a Line takes them."""
    found: dict[str, Any] = dict.fromkeys(_AMOUNTS.values(), 0)
    glosas = []
    for one in adjudications:
        category = one["category"]["coding"][0]["code"]
        amount = cents(str(one["amount"]["value"])) if "amount" in one else None
        if category in _AMOUNTS:
            found[_AMOUNTS[category]] = amount or 0
            continue
        reason = one.get("reason", {})
        code = (reason.get("coding") or [{}])[0].get("code", "")
        glosas.append(answers.Glosa(code=code, text=reason.get("text", ""), cents=amount))
    return {**found, "glosas": tuple(glosas)}
