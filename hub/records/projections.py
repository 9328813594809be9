"""Projections: what the hub acts on, derived from each changed record by type in the transaction that stores it."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import Table

from canonical import billing, codes, local
from canonical.errors import Refused
from canonical.identity import fold
from canonical.names import whole
from fhir.search.ranges import date_range
from hub.records.saved import Saved
from hub.store import bulk
from hub.store.database import Transaction
from hub.store.schema import projections as tables

Row = tuple[Table, dict[str, Any]]
Projector = Callable[[str, dict[str, Any], str], Iterator[Row]]


async def replace(tx: Transaction, changed: Sequence[Saved], zone: str, together: bulk.Together) -> None:
    """Write the projections of `changed`, days as in the tenant's `zone`; a deleted record loses its rows. Those of a
    single record are added to what is written together; those of many would make too many different statements."""
    rows: dict[Table, list[dict[str, Any]]] = defaultdict(list)
    for saved in changed:
        projector = PROJECTORS.get(saved.type)
        if projector is None:
            continue
        if saved.body is None:
            await _forget(tx, saved)
            continue
        for table, row in projector(saved.id, saved.body, zone):
            rows[table].append(row)
    patients = [s.id for s in changed if s.type == "Patient" and s.version > 1]
    if patients:
        await tx.run("DELETE FROM patient_identifier WHERE tenant_id = $1 AND patient_id = ANY($2::text[])", patients)
    for table, found in rows.items():
        columns = tuple(found[0])
        values = [tuple(row[c] for c in columns) for row in found]
        if len(changed) == 1:
            together.upsert(table, columns, values)
        else:
            await bulk.upsert(tx, table, columns, values)


async def _forget(tx: Transaction, saved: Saved) -> None:
    table = TABLES[saved.type]
    await tx.run(f"DELETE FROM {table.name} WHERE tenant_id = $1 AND id = $2", saved.id)
    if saved.type == "Patient":
        await tx.run("DELETE FROM patient_identifier WHERE tenant_id = $1 AND patient_id = $2", saved.id)


def _patient(record_id: str, body: dict[str, Any], zone: str) -> Iterator[Row]:
    name = (body.get("name") or [{}])[0]
    row = {
        "id": record_id,
        "name_folded": fold(whole(name))[:500] or None,
        "mother_folded": fold(_mother(body))[:500] or None,
        "birth_date": local.date(body.get("birthDate")),
        "gender": body.get("gender"),
        "active": body.get("active", True),
        "deceased": bool(body.get("deceasedBoolean") or body.get("deceasedDateTime")),
    }
    yield tables.patient, row
    for identifier in body.get("identifier", ()):
        if identifier.get("value"):
            system = identifier.get("system", "")
            yield (
                tables.patient_identifier,
                {"system": system, "value": identifier["value"], "patient_id": record_id},
            )


def _mother(body: dict[str, Any]) -> str:
    """The mother's full name, which Brazil keeps in an extension."""
    found = (e.get("valueString", "") for e in body.get("extension", ()) if e.get("url") == codes.MOTHER_EXTENSION)
    return str(next(found, ""))


def _encounter(record_id: str, body: dict[str, Any], zone: str) -> Iterator[Row]:
    period = body.get("period", {})
    numbers = [i.get("value") for i in body.get("identifier", ()) if i.get("value")]
    row = {
        "id": record_id,
        "patient_id": target(body.get("subject"), "Patient"),
        "class": body.get("class", {}).get("code", ""),
        "status": body.get("status", ""),
        "visit_number": numbers[0] if numbers else None,
        "start_at": moment(period.get("start"), zone),
        "end_at": moment(period.get("end"), zone),
        "episode": _episode(body),
    }
    yield tables.encounter, row


def _episode(body: dict[str, Any]) -> str | None:
    """The episode of care a visit is part of: its reference (`EpisodeOfCare/…`), else its number (`system|value`)."""
    named = (body.get("episodeOfCare") or [{}])[0]
    if found := target(named, "EpisodeOfCare"):
        return f"EpisodeOfCare/{found}"
    number = named.get("identifier", {})
    return f"{number.get('system', '')}|{number['value']}" if number.get("value") else None


def _is_plan(part: dict[str, Any]) -> bool:
    """Whether a part of a coverage is its plan, not the group it is held by."""
    return any(coding.get("code") == "plan" for coding in part.get("type", {}).get("coding", ()))


def _coverage(record_id: str, body: dict[str, Any], zone: str) -> Iterator[Row]:
    period = body.get("period", {})
    payer = (body.get("payor") or [{}])[0]
    classes = sorted(body.get("class", ()), key=lambda one: not _is_plan(one))
    plans = [c.get("name") or c.get("value") for c in classes]
    row = {
        "id": record_id,
        "patient_id": target(body.get("beneficiary"), "Patient"),
        "payer_code": payer.get("identifier", {}).get("value") or payer.get("display", ""),
        "member_number": body.get("subscriberId", ""),
        "plan_name": plans[0] if plans else None,
        "status": body.get("status", ""),
        "valid_from": local.day(period.get("start"), zone),
        "valid_until": local.day(period.get("end"), zone),
    }
    yield tables.coverage, row


def _service_request(record_id: str, body: dict[str, Any], zone: str) -> Iterator[Row]:
    numbers = {
        coding.get("code"): identifier.get("value")
        for identifier in body.get("identifier", ())
        for coding in identifier.get("type", {}).get("coding", ())
    }
    row = {
        "id": record_id,
        "patient_id": target(body.get("subject"), "Patient"),
        "encounter_id": target(body.get("encounter"), "Encounter"),
        "placer_number": numbers.get("PLAC"),
        "filler_number": numbers.get("FILL"),
        "code": first_code(body.get("code")),
        "status": body.get("status", ""),
        "authored_at": moment(body.get("authoredOn"), zone),
    }
    yield tables.service_order, row


def _observation(record_id: str, body: dict[str, Any], zone: str) -> Iterator[Row]:
    row = {
        "id": record_id,
        "patient_id": target(body.get("subject"), "Patient"),
        "report_id": None,
        "code": first_code(body.get("code")),
        "status": body.get("status", ""),
        "issued_at": moment(body.get("issued") or body.get("effectiveDateTime"), zone),
    }
    yield tables.result, row


def _charge_item(record_id: str, body: dict[str, Any], zone: str) -> Iterator[Row]:
    coding = (body.get("code", {}).get("coding") or [{}])[0]
    system = coding.get("system", "")
    price = body.get("priceOverride", {})
    quantity = _held(float(str(body.get("quantity", {}).get("value", 1))))
    total = cents(price.get("value"))
    done = body.get("occurrenceDateTime") or body.get("occurrencePeriod", {}).get("start")
    row = {
        "id": record_id,
        "patient_id": target(body.get("subject"), "Patient"),
        "encounter_id": target(body.get("context"), "Encounter"),
        "tiss_table": system.removeprefix(codes.TUSS) if system.startswith(codes.TUSS) else "00",
        "code": coding.get("code", ""),
        "quantity": quantity,
        "unit_cents": _unit_cents(total, quantity),
        "total_cents": total,
        "occurred_on": local.day(done, zone),
        "status": body.get("status", ""),
        "performer": performer_of(body),
    }
    yield tables.charge, row


def performer_of(body: dict[str, Any]) -> str | None:
    """Who performed what a ChargeItem bills: the number it is told by, else the Practitioner's id."""
    actor = (body.get("performer") or [{}])[0].get("actor", {})
    return actor.get("identifier", {}).get("value") or target(actor, "Practitioner")


PROJECTORS: dict[str, Projector] = {
    "Patient": _patient,
    "Encounter": _encounter,
    "Coverage": _coverage,
    "ServiceRequest": _service_request,
    "Observation": _observation,
    "ChargeItem": _charge_item,
}
TABLES = {
    "Patient": tables.patient,
    "Encounter": tables.encounter,
    "Coverage": tables.coverage,
    "ServiceRequest": tables.service_order,
    "Observation": tables.result,
    "ChargeItem": tables.charge,
}


def target(reference: Any, type_name: str) -> str | None:
    """The id of a literal reference to `type_name`, else None."""
    literal = reference.get("reference", "") if isinstance(reference, dict) else ""
    kind, _, record_id = literal.partition("/")
    return record_id.partition("/")[0] if kind == type_name and record_id else None


def moment(text: Any, zone: str) -> datetime.datetime | None:
    """The first moment a FHIR dateTime covers; a date begins where the tenant is."""
    found = date_range(text, ZoneInfo(zone)) if isinstance(text, str) else None
    return found[0] if found else None


def first_code(concept: Any) -> str | None:
    """The first code of a CodeableConcept."""
    codings = concept.get("coding", ()) if isinstance(concept, dict) else ()
    return next((c["code"] for c in codings if c.get("code")), None)


def cents(amount: Any) -> int | None:
    """A decimal amount as whole cents; None when there is none. Raises Refused for one no column can hold."""
    if amount is None:
        return None
    try:
        return _held(billing.cents(str(amount)))
    except ValueError:
        raise _beyond() from None


def _unit_cents(total: int | None, quantity: float) -> int | None:
    if total is None or not quantity:
        return total
    return round(_held(total / quantity))


Number = TypeVar("Number", int, float)


def _held(number: Number) -> Number:
    """`number` when it is finite and fits a bigint; raises Refused."""
    if not abs(number) < 2**63:
        raise _beyond()
    return number


def _beyond() -> Refused:
    return Refused("an amount or quantity is beyond what can be billed", code="store.value")
