"""Guides as FHIR Claim: the body comes from the guide's tree by tables, the guide's typed columns come from the body.

The Claim's id is the guide's. It says what the provider bills; what the payer says stands in ClaimResponse and
ExplanationOfBenefit.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from canonical import local
from canonical.billing import cents
from hub.billing.guide.cases import Case
from hub.billing.profiles import PayerProfile
from hub.billing.writing import Body, laid_over, payer_party, provider_party, stored, write
from hub.records.projections import target
from hub.records.saved import Origin
from hub.records.write import Write
from hub.store.database import Transaction
from mappings.billing.guides import plan, value_at
from mappings.billing.records import describe, record_plan

CHARGE = "urn:ponte:extension:charge-item"
VERSION = "urn:ponte:extension:versao-tiss"
_PROCEDURES = "procedimentos"
_PAPERS = 20  # supportingInfo of declarations is numbered after what the tables say
COLUMNS = (
    "kind", "number", "tiss_version", "patient_id", "encounter_id", "coverage_id", "competence", "executed_on",
    "total_cents", "professional",
)  # fmt: skip
ITEM_COLUMNS = (
    "sequence", "section", "tiss_table", "code", "description", "executed_on", "quantity", "unit_cents",
    "total_cents", "charge_id",
)  # fmt: skip


def body_of(case: Case, tree: Mapping[str, Any], guide: Mapping[str, Any]) -> Body:
    """The Claim of a case's tree; `guide` gives number, status and created_at."""
    first = case.charges[0]
    team: dict[str, dict[str, Any]] = {}
    record: dict[str, Any] = {
        "tree": tree,
        "payer": payer_party(case.profile),
        "provider": provider_party(case.profile),
        "guide": {
            **guide,
            "kind": case.kind,
            "tiss_version": case.profile.version,
            "patient_id": first.patient_id,
            "coverage_id": case.coverage.id if case.coverage else None,
            "executed_on": case.executed_on,
            "last_day": case.last_day,
        },
        "performer": {"cbo": case.record["performer"].get("cbo")},
        "second": _second(case),
        **_items(case, tree, team),
        "declarations": _declarations(value_at(tree, "dadosInternacao.declaracoes") or ()),
    }
    record["team"] = list(team.values())
    return describe(record_plan(f"claim-{case.kind}"), record, case.profile.version)[0]


def _second(case: Case) -> dict[str, str]:
    """The CBO of a dental guide's second executor; nothing where there is none, whatever the guide has to state."""
    second = case.record.get("second", {})
    return {"cbo": second["cbo"]} if second.get("number") else {}


def _items(case: Case, tree: Mapping[str, Any], team: dict[str, dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The tree's items beside the charges they came from, by the names of the plan's parts; `team` takes who acted."""
    found = plan(case.kind)
    if not found.parts:
        return {"items": [_item(value_at(tree, "dadosAtendimento.procedimento") or {}, case.record["item"], team)]}
    return {
        part.name: [
            _item(node, item, team)
            for node, item in zip(
                value_at(tree, part.path.replace("/", ".")) or (), case.record[part.name], strict=True
            )
        ]
        for part in found.parts
        if part.items
    }


def _item(node: Mapping[str, Any], item: Mapping[str, Any], team: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        "node": node,
        "charge": item["charge_id"],
        "encounter_id": item["encounter_id"],
        "category": item["expense"] or _PROCEDURES,
        "description": item["description"],
        "team": [_member(member, team) for member in team_of(node)],
    }


_TEAMS = ("equipeSadt", "identEquipe", "profissionais")


def team_of(node: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Who took part in an item of a guide's tree, whatever the guide calls it."""
    return [member.get("identificacaoEquipe", member) for name in _TEAMS for member in node.get(name, ())]


def _member(node: Mapping[str, Any], team: dict[str, dict[str, Any]]) -> int:
    """The sequence of a member in the Claim's care team, in which each person and degree stands once."""
    member = {
        "person": {**node, "conselhoProfissional": node.get("conselhoProfissional") or node.get("conselho", "")},
        "degree": node.get("grauParticipacao") or node.get("grauPart"),
        "cbo": node.get("CBO") or node.get("CBOS"),
        "sequence": len(team) + 2,  # 1 is who requested
    }
    key = "/".join(str(node.get(name, "")) for name in ("UF", "numeroConselhoProfissional")) + f"/{member['degree']}"
    return int(team.setdefault(key, member)["sequence"])


def _declarations(nodes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{"node": node, "sequence": _PAPERS + position} for position, node in enumerate(nodes)]


def columns_of(claim: Mapping[str, Any]) -> tuple[Any, ...]:
    """The guide's typed columns (COLUMNS) as its Claim says them."""
    period = claim.get("billablePeriod", {})
    executed = local.date(period.get("start"))
    ended = local.date(period.get("end")) or executed  # a stay counts in the month of its end
    encounters = [reference for item in claim.get("item", ()) for reference in item.get("encounter", ())]
    return (
        claim["type"]["coding"][0]["code"],
        next(i["value"] for i in claim["identifier"] if i.get("use") == "official"),
        next(e["valueString"] for e in claim["extension"] if e["url"] == VERSION),
        target(claim.get("patient"), "Patient"),
        target(encounters[0], "Encounter") if encounters else None,
        target(claim["insurance"][0].get("coverage"), "Coverage"),
        f"{ended:%Y%m}" if ended else "",
        executed,
        _cents(claim.get("total")),
        professional_of(claim),
    )


def professional_of(claim: Mapping[str, Any]) -> str:
    """Council and number of who performed, else of who requested (`crm-sp 123456`); empty when nobody is told."""
    team = claim.get("careTeam", ())
    ordered = sorted(team, key=lambda one: one.get("role", {}).get("coding", [{}])[0].get("code") != "primary")
    for one in ordered:
        if name := professional_name(one.get("provider", {})):
            return name
    return ""


def professional_name(reference: Mapping[str, Any]) -> str:
    """Council and number of a reference to a professional; empty when it does not say them."""
    known = reference.get("identifier", {})
    council = str(known.get("system", "")).rpartition("/")[2].rpartition(":")[2]
    return f"{council} {known['value']}".strip() if known.get("value") else ""


def items_of(claim: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """The guide's items (ITEM_COLUMNS) as its Claim says them."""
    return [_columns(item) for item in claim.get("item", ())]


def _columns(item: Mapping[str, Any]) -> tuple[Any, ...]:
    coding = (item["productOrService"].get("coding") or [{}])[0]
    expense = item["category"]["coding"][0]["code"] != _PROCEDURES
    charges = [e["valueReference"] for e in item.get("extension", ()) if e["url"] == CHARGE]
    return (
        item["sequence"],
        "outrasDespesas" if expense else "procedimentos",
        table_of(coding.get("system", "")),
        coding.get("code", ""),
        coding.get("display", ""),
        local.date(item.get("servicedDate")),
        float(str(item.get("quantity", {}).get("value", 0))),
        _cents(item.get("unitPrice")),
        _cents(item.get("net")),
        target(charges[0], "ChargeItem") if charges else None,
    )


def table_of(system: str) -> str:
    """The table (dm_tabela) a code system of ours stands for; empty for none."""
    return system.rpartition("-")[2] if system else ""


def _cents(amount: Any) -> int:
    return cents(str(amount["value"])) if isinstance(amount, Mapping) and "value" in amount else 0


async def batched(
    tx: Transaction, profile: PayerProfile, guide_ids: Sequence[UUID], batch: Mapping[str, Any], by: Origin
) -> None:
    """Say in the Claims of guides which batch they are in (`number`), with which `status`, sent as which `message`."""
    record = {"payer": payer_party(profile), "batch": batch, "guide": {"status": batch["status"]}}
    await _lay_over(tx, "claim-lote", [str(one) for one in guide_ids], record, by, batch.get("message"))


async def change_status(tx: Transaction, claim_ids: Sequence[str], status: str, by: Origin) -> None:
    """Give Claims the FHIR status that a status of their guide or appeal stands for."""
    await _lay_over(tx, "claim-situacao", claim_ids, {"guide": {"status": status}}, by)


async def _lay_over(
    tx: Transaction,
    plan_name: str,
    ids: Sequence[str],
    record: Mapping[str, Any],
    by: Origin,
    message_id: UUID | None = None,
) -> None:
    found = await stored(tx, "Claim", ids)
    writes = [
        Write(
            type="Claim",
            id=identity,
            body=laid_over(plan_name, body, record),
            message_id=message_id,
            skip_unchanged=True,
        )
        for identity, body in found.items()
    ]
    await write(tx, writes, by)


async def of_guides(tx: Transaction, guide_ids: Sequence[UUID]) -> dict[str, Body]:
    """The Claims of guides, by id."""
    return await stored(tx, "Claim", [str(one) for one in guide_ids])


def created_at(claim: Mapping[str, Any]) -> datetime.datetime:
    """When the guide was built."""
    return datetime.datetime.fromisoformat(str(claim["created"]))
