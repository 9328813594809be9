"""Rows of the audit trail as AuditEvent and Provenance (R4): a mapping of what is written once, never a second record.

`audit-actions.csv` says what each action of the hub is called in FHIR; one that is not in it goes by its own name.
"""

from __future__ import annotations

import base64
import csv
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from fhir.definitions.table import resource_types
from hub.records.write import instant
from hub.store.database import Row
from hub.world import Tenant

AUDIT, LINEAGE = "audit-", "lineage-"
WRITES = {"create": "CREATE", "update": "UPDATE", "delete": "DELETE"}
_ENTITY = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
_SOURCE = "http://terminology.hl7.org/CodeSystem/security-source-type"
_AGENT = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
_OPERATION = "http://terminology.hl7.org/CodeSystem/v3-DataOperation"
_INTERACTION = "http://hl7.org/fhir/restful-interaction"
_SUBJECT, _MESSAGE = "urn:ponte:subject", "urn:ponte:message"


@cache
def actions() -> Mapping[str, Mapping[str, str]]:
    """The FHIR words of the hub's actions."""
    with (Path(__file__).resolve().parent / "audit-actions.csv").open(encoding="utf-8", newline="") as file:
        return {row["action"]: row for row in csv.DictReader(file)}


def record_of(entity: str) -> tuple[str, str] | None:
    """Type and id of the record an event tells of; None when it tells of something else."""
    kind, _, rest = entity.partition("/")
    identity = rest.partition("/")[0]
    if not identity or identity.startswith("$") or "?" in entity:
        return None
    return (kind, identity) if kind in resource_types() else None


def audit_event(row: Row, tenant: Tenant, patients: Sequence[str] = ()) -> dict[str, Any]:
    """An event as AuditEvent; `patients` are the ids of those whose record it touched."""
    known = actions().get(row["action"])
    subtypes = [{"system": "urn:ponte:audit-action", "code": row["action"]}]
    said = json.loads(row["detail"] or "{}")
    kind = {"system": "urn:ponte:audit-action", "code": "operate"}
    if known is not None:
        kind = {"system": known["system"], "code": known["type"], "display": known["display"]}
        subtypes = [{"system": known["subsystem"], "code": known["subtype"]}]
    if "operation" in said:
        subtypes.append({"system": _INTERACTION, "code": "operation"})
    return {
        "resourceType": "AuditEvent",
        "id": f"{AUDIT}{row['seq']}",
        "meta": {"versionId": "1", "lastUpdated": instant(row["at"])},
        "type": kind,
        "subtype": subtypes,
        "action": known["letter"] if known is not None else "E",
        "recorded": instant(row["at"]),
        "outcome": "0" if row["outcome"] == "success" else "4",
        "agent": [_agent(row)],
        "source": {
            "site": tenant.slug,
            "observer": {"identifier": {"system": "urn:ponte:tenant", "value": tenant.slug}, "display": "Ponte"},
            "type": [{"system": _SOURCE, "code": "4"}],
        },
        "entity": [_entity(row, said), *_query(said), *(_patient(identity) for identity in patients)],
    }


def _agent(row: Row) -> dict[str, Any]:
    """Who acted, and the network address (type 2: IP) they acted from, where it is known."""
    agent = {"who": _who(row), "altId": row["actor"], "name": row["person"] or row["actor"], "requestor": True}
    where = json.loads(row["detail"] or "{}").get("address")
    return {**agent, "network": {"address": where, "type": "2"}} if where else agent


def _who(row: Row) -> dict[str, Any]:
    """A program or a person: the name in the trail and, of a person, the name of today."""
    return {"identifier": {"system": _SUBJECT, "value": row["actor"]}, "display": row["person"] or row["actor"]}


def _entity(row: Row, said: Mapping[str, Any]) -> dict[str, Any]:
    """What the event tells of: a record (and the operation that showed it), a query, or a thing of the hub."""
    entity = row["entity"]
    found = record_of(entity)
    if found is not None:
        role = "1" if found[0] == "Patient" else "4"
        place, mark, name = entity.partition("/$")
        shown = {"what": {"reference": place}, "type": _coding(_ENTITY, "2"), "role": _coding(_ROLE, role)}
        by = said.get("operation") or mark[1:] + name
        return {**shown, "detail": [{"type": "operation", "valueString": by}]} if by else shown
    if "?" in entity:
        return _asked(entity)
    kind, _, value = entity.partition("/")
    what = {"identifier": {"system": f"urn:ponte:{kind}", "value": value or kind}}
    return {"what": what, "type": _coding(_ENTITY, "2")}


def _query(said: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The search that looked for the record, where the event is one."""
    return [_asked(said["query"])] if "query" in said else []


def _asked(text: str) -> dict[str, Any]:
    """A query by the names of its parameters."""
    query = base64.b64encode(text.encode()).decode()
    return {"type": _coding(_ENTITY, "2"), "role": _coding(_ROLE, "24"), "query": query}


def _patient(identity: str) -> dict[str, Any]:
    return {
        "what": {"reference": f"Patient/{identity}"},
        "type": _coding(_ENTITY, "1"),
        "role": _coding(_ROLE, "1"),
    }


def _coding(system: str, code: str) -> dict[str, str]:
    return {"system": system, "code": code}


def provenance(row: Row, message: Row | None) -> dict[str, Any]:
    """A write as Provenance of the version it made: who wrote it, and the message it came in, if it did."""
    found: dict[str, Any] = {
        "resourceType": "Provenance",
        "id": f"{LINEAGE}{row['seq']}",
        "meta": {"versionId": "1", "lastUpdated": instant(row["at"])},
        "target": [{"reference": row["entity"]}],
        "recorded": instant(row["at"]),
        "activity": {"coding": [_coding(_OPERATION, WRITES[row["action"]])]},
        "agent": [{"type": {"coding": [_coding(_AGENT, "author")]}, "who": _who(row)}],
    }
    source = message_of(row)
    if source:
        what: dict[str, Any] = {"identifier": {"system": _MESSAGE, "value": source}}
        if message is not None:
            said = [message["type"], message["control_id"], message["channel"]]
            what["display"] = " ".join(part for part in said if part) or "message"
            found["occurredDateTime"] = instant(message["received_at"])
        found["entity"] = [{"role": "source", "what": what}]
        for part in message["parts"] if message is not None else ():  # it was joined from these
            found["entity"].append({"role": "source", "what": {"identifier": {"system": _MESSAGE, "value": str(part)}}})
    return found


def message_of(row: Row) -> str:
    """The id of the message a write came in; empty when it came in none."""
    return str(json.loads(row["detail"] or "{}").get("message", ""))
