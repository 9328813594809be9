"""The one write path as billing uses it: who writes and when, the parties of a record, and records by the hundred.

Records of billing carry `meta.source`; the FHIR door leaves them to billing (docs/decisions, billing is records).
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from canonical import codes
from canonical.errors import Refused
from canonical.identity import record_id
from canonical.records import Key
from fhir import jsontext
from hub.billing.profiles import PayerProfile
from hub.records.saved import Origin, Saved
from hub.records.write import Invalid, Write, save
from hub.store.database import Transaction
from hub.world import Tenant, World
from mappings.billing.records import describe, record_plan
from tiss.tables import tables

Body = dict[str, Any]
ACTOR = "billing"
_AT_ONCE = 250


def origin(world: World, tenant: Tenant, actor: str = ACTOR, message_id: UUID | None = None) -> Origin:
    """Who writes: a person, or billing itself; `message_id` is the payer's answer that is worked on."""
    return Origin(actor=actor, now=world.now(), zone=tenant.zone, message_id=message_id)


def today(by: Origin) -> datetime.date:
    """The tenant's local day."""
    return by.now.astimezone(ZoneInfo(by.zone)).date()


async def write(tx: Transaction, writes: Sequence[Write], by: Origin) -> list[Saved]:
    """Save records of billing; one that does not validate is a defect of a table, and nothing is written."""
    saved: list[Saved] = []
    try:
        for start in range(0, len(writes), _AT_ONCE):
            saved += await save(tx, writes[start : start + _AT_ONCE], by)
    except Invalid as error:
        codes_found = sorted({f"{p.code} at {p.where}" for found in error.findings.values() for p in found})
        raise Refused(f"a billing record is not valid: {'; '.join(codes_found[:3])}", code="store.record") from None
    return saved


def payer_party(profile: PayerProfile) -> dict[str, str]:
    """The payer as the tables read it."""
    return {"ans": profile.ans, "name": profile.partner.name, "organization": payer_id(profile)}


def provider_party(profile: PayerProfile) -> dict[str, str]:
    """The provider, as this payer knows it, as the tables read it."""
    told = {name: profile.provider.get(name, "") for name in ("name", "cnes", "cnpj", "cpf", "code")}
    system = codes.local_system(profile.ans, "codigo-prestador") if told["code"] else ""
    return {**told, "code_system": system, "organization": provider_id(profile)}


def payer_id(profile: PayerProfile) -> str:
    """The id of the payer's Organization: the one an insurance of an HL7 feed leads to as well."""
    return record_id("Organization", Key(codes.ANS, profile.ans))


def provider_id(profile: PayerProfile) -> str:
    """The id of the provider's Organization: by CNPJ, else CPF, else its code at the payer."""
    provider = profile.provider
    for system, name in ((codes.CNPJ, "cnpj"), (codes.CPF, "cpf")):
        if provider.get(name):
            return record_id("Organization", Key(system, provider[name]))
    number = provider.get("code") or provider.get("cnes", "")
    return record_id("Organization", Key(codes.local_system(profile.ans, "codigo-prestador"), number))


async def keep_parties(tx: Transaction, profiles: Iterable[PayerProfile], by: Origin) -> None:
    """The Organizations of payers and of the provider, where they are not there yet; what is there is left alone."""
    bodies: dict[str, Body] = {}
    for profile in profiles:
        for party, plan in ((payer_party(profile), "operadora"), (provider_party(profile), "prestador")):
            record = {"payer": party, "provider": party}
            bodies[party["organization"]] = describe(record_plan(plan), record, profile.version)[0]
    known = await stored(tx, "Organization", list(bodies))
    await write(tx, [Write(type="Organization", id=i, body=body) for i, body in bodies.items() if i not in known], by)


async def stored(tx: Transaction, type_name: str, ids: Sequence[str]) -> dict[str, Body]:
    """The bodies of records that exist, by id."""
    if not ids:
        return {}
    rows = await tx.rows(
        "SELECT id, body FROM resource WHERE tenant_id = $1 AND type = $2 AND id = ANY($3::text[]) AND NOT deleted",
        type_name,
        list(ids),
    )
    return {row["id"]: jsontext.stored(row["body"]) for row in rows}


def laid_over(plan: str, onto: Mapping[str, Any], record: Mapping[str, Any], version: str = "") -> Body:
    """A stored body with a plan's elements over it."""
    return describe(record_plan(plan), record, version, onto)[0]


def glosa_name(code: str) -> str:
    """The term of table 38; empty when the table does not hold the code."""
    term = tables.installed().glosa(code)
    return term.name if term is not None else ""
