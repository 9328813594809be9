"""Documents for the national network: records of one person become a REL, an RIA and a RAC at the simulated RNDS."""

from __future__ import annotations

import datetime
import json
from collections import Counter
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from api.demo.reading import search
from api.demo.step import Step
from api.demo.trial import Trial
from api.demo.waiting import control, until
from canonical import codes
from canonical.errors import Refused
from hub.guard import tokens
from hub.operate.books import figures

KINDS = ("RAC", "REL", "RIA")
_RECORDS = Path(__file__).resolve().parent / "data" / "network.json"
_SCOPES = ("system/*.*", "rnds/write")
_PATIENCE = 20.0


async def documents(trial: Trial, step: Step) -> None:
    """Switch three kinds on, write records, and compare what RNDS holds with what the hub says; then correct one."""
    token = await tokens.issue(trial.world, trial.tenant, "demo", roles=[], scopes=_SCOPES)
    headers = {"authorization": f"Bearer {token}"}
    await _switch_on(trial, headers)
    records = await _records(trial)
    await _write(trial, headers, records)
    step.true("three documents are sent", await _sent(trial, headers, 3))
    book = await control(trial, "/rnds/control")
    step.same("documents at RNDS by kind", dict.fromkeys(KINDS, 1), dict(Counter(d["kind"] for d in book["documents"])))
    result = next(body for body in records if body["resourceType"] == "Observation")
    result["valueQuantity"]["value"] = 99
    await _write(trial, headers, [result])
    step.true("the correction is sent", await _corrected(trial))
    await _agree(trial, step, headers)


async def _agree(trial: Trial, step: Step, headers: dict[str, str]) -> None:
    """Both sides name the same documents, each stands once, and nothing was refused or sent twice."""
    await _sent(trial, headers, 3)
    book = await control(trial, "/rnds/control")
    standing = {one["id"] for one in book["documents"] if not one["replaced"] and not one["deleted"]}
    ours = {one["rnds_id"] for one in await _listed(trial, headers)}
    step.true("the hub keeps the ids RNDS gave", ours == standing and len(ours) == len(KINDS))
    step.same("documents replaced at RNDS", 1, sum(one["replaced"] for one in book["documents"]))
    step.same("documents RNDS refused", 0, sum(book["refused"].values()))
    async with trial.world.transaction(trial.tenant) as tx:
        taken = (await figures.deliveries_by_partner(tx)).get("rnds", 0)
    step.same("documents RNDS took", taken, book["requests"].get("POST Bundle", 0))
    step.same("tokens asked for, at most one for each worker", True, 1 <= book["requests"]["token"] <= _workers(trial))


def _workers(trial: Trial) -> int:
    return trial.hub.settings.worker_count


async def _switch_on(trial: Trial, headers: dict[str, str]) -> None:
    found = await trial.client.get("/api/v1/rnds/settings", headers=headers)
    _good(found.status_code, "the settings of RNDS")
    document = found.json()
    for kind in KINDS:
        document["documents"][kind]["active"] = True
    stored = await trial.client.put("/api/v1/rnds/settings", headers=headers, json=document)
    _good(stored.status_code, "the settings of RNDS")


async def _records(trial: Trial) -> list[dict[str, Any]]:
    """The records, of yesterday, for a person who came in over HL7 with a CNS."""
    person = trial.day.visits[0].person
    (patient,) = await search(trial, "Patient", identifier=f"{codes.CNS}|{person.cns}")
    yesterday = (trial.world.now() - datetime.timedelta(days=1)).astimezone(ZoneInfo(trial.tenant.zone)).date()
    text = _RECORDS.read_text(encoding="utf-8").replace("{day}", yesterday.isoformat())
    return list(json.loads(text.replace("{patient}", f"Patient/{patient['id']}")))


async def _write(trial: Trial, headers: dict[str, str], records: list[dict[str, Any]]) -> None:
    entries = [
        {"resource": body, "request": {"method": "PUT", "url": f"{body['resourceType']}/{body['id']}"}}
        for body in records
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    answer = await trial.client.post("/fhir", headers=headers, json=bundle)
    _good(answer.status_code, "the transaction")


async def _listed(trial: Trial, headers: dict[str, str]) -> list[dict[str, Any]]:
    answer = await trial.client.get("/api/v1/rnds/documents", headers=headers, params={"status": "enviado"})
    _good(answer.status_code, "the list of documents")
    return list(answer.json()["items"])


async def _sent(trial: Trial, headers: dict[str, str], count: int) -> bool:
    async def all_sent() -> bool:
        return len(await _listed(trial, headers)) == count

    return await until(all_sent, _PATIENCE)


async def _corrected(trial: Trial) -> bool:
    async def replaced() -> bool:
        book = await control(trial, "/rnds/control")
        return any(one["replaced"] for one in book["documents"])

    return await until(replaced, _PATIENCE)


def _good(status: int, what: str) -> None:
    if status not in (200, 201):
        raise Refused(f"{what} answered {status}")
