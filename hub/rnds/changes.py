"""Which canonical changes make which documents due (triggers of the plans), in the transaction of the change.

What belongs to a document besides its subject makes it due again: a diagnosis of the visit, a result of the report, a
patient whose number was missing.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any
from uuid import UUID

from canonical.errors import Misconfigured
from hub.exchange.partners import Partner
from hub.records.index import key_of
from hub.records.reading import literal
from hub.records.saved import Origin, Saved
from hub.rnds import build, flow, rows
from hub.rnds.settings import Network, network_of
from hub.store.database import Transaction
from mappings.national import document_plans
from mappings.national.document_plans import DocumentPlan

log = logging.getLogger("ponte.rnds")
# Records that stand in a document of the visit they name.
OF_A_VISIT = frozenset(
    (
        "Condition",
        "Procedure",
        "Observation",
        "ClinicalImpression",
        "CarePlan",
        "AllergyIntolerance",
        "MedicationRequest",
    )
)
OF_A_PATIENT = frozenset(("Patient", "Consent"))


@cache
def types() -> frozenset[str]:
    """The record types whose change can matter."""
    subjects = {trigger.type for plan in document_plans.plans() for trigger in plan.triggers}
    return frozenset(subjects) | OF_A_VISIT | OF_A_PATIENT


async def enqueue(tx: Transaction, changed: Sequence[Saved], origin: Origin, partner: Partner) -> None:
    """Mark what follows from `changed` as due; documents that need not wait are queued for making at once."""
    try:
        net = network_of(partner)
    except Misconfigured as error:  # no reason to lose a record: the settings' door tells it as well
        log.warning("RNDS settings: %s", error.code)
        return
    plans = _in_use(net, origin.now)
    if not plans:
        return
    for action in ("delete", "send"):  # what stands in another's place goes after that one is taken back
        for plan in plans:
            subjects = [s for s in changed if _meant(plans, net, plan, s) == action]
            if subjects:
                await _subjects(tx, net, plan, action, subjects, origin.now)
    await _members(tx, net, changed, [plan.kind for plan in plans], origin.now)


def _in_use(net: Network, now: datetime.datetime) -> list[DocumentPlan]:
    found = []
    for kind in document_plans.kinds():
        if net.settings.of(kind).active:
            try:
                found.append(document_plans.plan_at(kind, now.date()))
            except LookupError:
                continue
    return found


def _meant(plans: Sequence[DocumentPlan], net: Network, plan: DocumentPlan, saved: Saved) -> str:
    """What a change asks of a document: `send`, `delete` or nothing; one that another kind stands for is taken back."""
    body = saved.body
    if body is None:  # deleted here: what was sent of it is taken back
        return "delete" if saved.type == plan.subject else ""
    if saved.type != plan.subject:
        return ""
    if plan.meant(body, "delete"):
        return "delete"
    if plan.instead_of:
        return "send" if _takes(net, plan, body) else "delete" if plan.about(body) else ""
    if not plan.meant(body, "send"):
        return ""
    taken = any(other.instead_of == plan.kind and _takes(net, other, body) for other in plans)
    return "delete" if taken else "send"


def _takes(net: Network, plan: DocumentPlan, body: Mapping[str, Any]) -> bool:
    return plan.takes(body, net.settings.of(plan.kind).settings, net.settings.codes)


async def _subjects(
    tx: Transaction, net: Network, plan: DocumentPlan, action: str, saved: Sequence[Saved], now: datetime.datetime
) -> None:
    names = [f"{one.type}/{one.id}" for one in saved]
    if action == "delete":
        found = await _known(tx, plan.kind, names)
    else:
        found = await flow.rows_of(tx, net, plan.kind, names)
    await _due(tx, net, plan.kind, found, action, now)


async def _known(tx: Transaction, kind: str, subjects: Sequence[str]) -> list[UUID]:
    found = await tx.rows(
        "SELECT id FROM rnds_document WHERE tenant_id = $1 AND kind = $2 AND subject = ANY($3::text[])", kind, subjects
    )
    return [row["id"] for row in found]


async def _due(
    tx: Transaction, net: Network, kind: str, ids: Sequence[UUID], action: str, now: datetime.datetime
) -> None:
    wait = 0 if action == "delete" else net.settings.of(kind).wait_minutes
    await tx.run(
        "UPDATE rnds_document SET due_at = $3, wanted = $4, updated_at = now(), "
        "status = CASE WHEN delivery_id IS NULL THEN $5 ELSE status END WHERE tenant_id = $1 AND id = ANY($2::uuid[])",
        list(ids),
        now + datetime.timedelta(minutes=wait),
        action,
        rows.WAITING,
    )
    if not wait:
        for document_id in ids:
            await flow.queue_making(tx, document_id)


async def _members(
    tx: Transaction, net: Network, changed: Sequence[Saved], kinds: Sequence[str], now: datetime.datetime
) -> None:
    """Documents that stand already and have one of the changed records in them."""
    visits = {literal((s.body or {}).get("encounter")) for s in changed if s.type in OF_A_VISIT} - {""}
    results = [s.id for s in changed if s.type == "Observation"]
    reports = {f"DiagnosticReport/{s.id}" for s in changed if s.type == "DiagnosticReport"}
    patients = [s.id for s in changed if s.type == "Patient"]
    patients += [literal((s.body or {}).get("patient")).partition("/")[2] for s in changed if s.type == "Consent"]
    subjects = visits | (await _reports_of(tx, results) - reports if results else set())
    if not subjects and not patients:
        return
    found = await tx.rows(
        "SELECT id, kind FROM rnds_document WHERE tenant_id = $1 AND wanted = 'send' AND kind = ANY($6::text[]) "
        "AND (subject = ANY($2::text[]) OR (patient_id = ANY($3::text[]) AND (status IN ($4, $5) "
        f"OR status = $7 AND problems LIKE '%\"{build.WITHOUT_NUMBER}\"%')))",
        sorted(subjects),
        patients,
        rows.PENDING,
        rows.SKIPPED,
        kinds,
        rows.SENT,
    )
    for kind in sorted({row["kind"] for row in found}):
        await _due(tx, net, kind, [row["id"] for row in found if row["kind"] == kind], "send", now)


async def _reports_of(tx: Transaction, results: Iterable[str]) -> set[str]:
    """The reports that have one of these results."""
    found = await tx.rows(
        "SELECT DISTINCT r.id FROM idx_reference i JOIN resource r ON r.tenant_id = $1 AND r.rid = i.rid "
        "WHERE i.tenant_id = $1 AND i.key = $2 AND i.target_id = ANY($3::text[]) AND i.target_type = 'Observation'",
        key_of("DiagnosticReport", "result"),
        list(results),
    )
    return {f"DiagnosticReport/{row['id']}" for row in found}
