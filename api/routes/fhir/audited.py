"""Searches and operations in the audit trail, so that who looked at a patient's record is found by the patient."""

from __future__ import annotations

from api.routes.fhir.exchange import Exchange
from fhir.search.query import Query
from hub.find.named import patients_of

_MOST = 50


async def searched(exchange: Exchange, query: Query, entity: str) -> None:
    """Note a search: one event for each patient it names or its token is narrowed to, else one of the query alone.

    `entity` holds the names of parameters, never values. A search that names more than fifty is told by these.
    """
    named = patients_of(query)
    own = exchange.caller.identity.patient
    if own and own not in named and not all(exchange.actor.permits(kind, "s") for kind, _ in query.branches):
        named.append(own)
    tenant, subject = exchange.caller.tenant, exchange.caller.identity.subject
    if not named:
        await exchange.state.reading.note(tenant, subject, "search", entity)
    for patient in named[:_MOST]:
        await exchange.state.reading.note(tenant, subject, "search", f"Patient/{patient}", {"query": entity})


async def operated(exchange: Exchange, record: str, operation: str) -> None:
    """Note that an operation (`$everything`) has shown a record (`Patient/1`) and what belongs to it."""
    tenant, subject = exchange.caller.tenant, exchange.caller.identity.subject
    await exchange.state.reading.note(tenant, subject, "read", record, {"operation": operation})
