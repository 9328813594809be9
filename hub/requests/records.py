"""Requests and their answers as FHIR records, by the tables of `mappings/tiss/records`; ids are the request's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from canonical.codes import local_system
from hub.billing import writing
from hub.billing.message.replies import Refusal
from hub.billing.profiles import PayerProfile
from hub.records.saved import Origin
from hub.records.write import Write
from hub.store.database import Row, Transaction
from mappings.billing.records import describe, record_plan
from tiss.answers import values as answers


def parties(profile: PayerProfile) -> dict[str, dict[str, str]]:
    """Payer and provider as the record tables read them."""
    return {"payer": writing.payer_party(profile), "provider": writing.provider_party(profile)}


async def save(
    tx: Transaction, plan: str, identity: str, record: Mapping[str, Any], profile: PayerProfile, by: Origin
) -> None:
    """Save one record by its plan through the one write path; what did not change makes no version."""
    found = record_plan(plan)
    body = describe(found, {**parties(profile), **record}, profile.version)[0]
    message_id = record.get("message")
    write = Write(type=found.type, id=identity, body=body, message_id=message_id, skip_unchanged=True)
    await writing.write(tx, [write], by)


def asked(row: Row | Mapping[str, Any], by: Origin) -> dict[str, Any]:
    """A request's row as the tables read it: who, when, about what."""
    return {
        "id": str(row["id"]),
        "at": row["created_at"] or by.now,
        "number": row["number"],
        "detail": row["detail"],
        "status": row["status"],
        "tiss_version": row["tiss_version"],
        "patient_id": row["patient_id"],
        "encounter_id": row["encounter_id"],
        "coverage_id": row["coverage_id"],
    }


def protocol_system(profile: PayerProfile) -> str:
    """The system of the protocols a payer gives."""
    return local_system(profile.ans, "protocolo")


async def withdraw(tx: Transaction, identity: str, by: Origin) -> None:
    """A request for authorisation was cancelled: neither it nor the decision on it counts any more."""
    writes = []
    for kind in ("Claim", "ClaimResponse"):
        for body in (await writing.stored(tx, kind, [identity])).values():
            cancelled = {**body, "status": "cancelled"}
            writes.append(Write(type=kind, id=identity, body=cancelled, message_id=by.message_id, skip_unchanged=True))
    await writing.write(tx, writes, by)


def errors(glosas: Iterable[answers.Glosa]) -> list[dict[str, str]]:
    """Reasons with the term of table 38, codes and words verbatim."""
    return [{"code": g.code, "text": g.text, "name": writing.glosa_name(g.code)} for g in glosas]


def refusal(why: Refusal) -> list[dict[str, str]]:
    """A refusal of the message as a whole, as one reason."""
    return errors((answers.Glosa(code=why.code, text=why.text),)) if why.code else []
