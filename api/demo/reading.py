"""The day read back over FHIR: people by CPF, orders by number, results to the last digit, with a real token."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from api.demo.faults import OLD_NAME
from api.demo.people import Person
from api.demo.step import Step
from api.demo.trial import Trial
from canonical import codes
from canonical.errors import Refused
from hub.guard import tokens
from hub.guard.clients import TRIAL_FILE

SCOPES = ("system/*.read",)


async def read_back(trial: Trial, step: Step) -> None:
    """Ask for what was sent; nothing is read without a token."""
    step.same("status without a token", 401, (await trial.client.get("/fhir/Patient")).status_code)
    capability = await trial.client.get("/fhir/metadata")
    step.same("FHIR version", "4.0.1", capability.json().get("fhirVersion"))
    trial.client.headers["authorization"] = f"Bearer {await _token(trial, step)}"
    people = trial.day.people
    seen = {visit.person.record for visit in trial.day.visits}
    came = [person for person in people if person.record in seen]
    found = await _gather(_person, trial, came)
    step.same("people found by CPF, one each, with name and birth date", len(came), sum(found))
    ordered = [*trial.day.orders, *trial.day.images]
    orders = await _gather(_order, trial, ordered)
    step.same("orders found by number", len(ordered), sum(orders))
    fillers = sorted({key.partition("/")[0] for key in trial.day.values})
    values = await _gather(_report, trial, fillers)
    read = {key: value for one in values for key, value in one.items()}
    wanted = trial.day.values
    step.same("results equal to the last digit", len(wanted), sum(read.get(k) == v for k, v in wanted.items()))
    ended = await _gather(_ended, trial, sorted(trial.day.merged))
    step.same("merged numbers that lead to their survivor", len(trial.day.merged), sum(ended))
    step.same("people an older event renamed", 0, len(await search(trial, "Patient", family=OLD_NAME)))
    step.same("visits counted over FHIR", await _counted(trial), await _stored(trial))


async def _token(trial: Trial, step: Step) -> str:
    """From the token endpoint with the trial client's secret; else issued here, by the hub's own key."""
    path = trial.hub.settings.secrets / TRIAL_FILE
    step.figures["token"] = "client credentials" if path.exists() else "issued by the operator"
    if not path.exists():
        return await tokens.issue(trial.world, trial.tenant, "demo", roles=[], scopes=SCOPES)
    form = {
        "grant_type": "client_credentials",
        "client_id": "demo.trial",
        "client_secret": path.read_text(encoding="ascii").strip(),
        "scope": " ".join(SCOPES),
    }
    answer = await trial.client.post("/oauth/token", data=form)
    if answer.status_code != 200:
        raise Refused(f"the token endpoint answered {answer.status_code}")
    return str(answer.json()["access_token"])


async def _gather(ask: Callable[[Trial, Any], Awaitable[Any]], trial: Trial, subjects: Sequence[Any]) -> list[Any]:
    """The outcome for each subject, eight requests at a time."""
    gate = asyncio.Semaphore(8)

    async def one(subject: Any) -> Any:
        async with gate:
            return await ask(trial, subject)

    return list(await asyncio.gather(*(one(subject) for subject in subjects)))


async def search(trial: Trial, type_name: str, **parameters: str) -> list[dict[str, Any]]:
    """The resources of a search, decimals as the text they were stored with; raises Refused."""
    answer = await trial.client.get(f"/fhir/{type_name}", params=parameters)
    if answer.status_code != 200:
        raise Refused(f"search of {type_name} answered {answer.status_code}")
    bundle = json.loads(answer.content, parse_float=str)
    return [e["resource"] for e in bundle.get("entry", ()) if e["resource"]["resourceType"] != "OperationOutcome"]


async def _person(trial: Trial, person: Person) -> bool:
    found = await search(trial, "Patient", identifier=f"{codes.CPF}|{person.cpf}")
    if len(found) != 1:
        return False
    name = found[0]["name"][0]
    return bool(name["family"] == person.family and found[0]["birthDate"] == person.born.isoformat())


async def _ended(trial: Trial, record: str) -> bool:
    """The record with a merged number is inactive and names the one that replaced it."""
    found = [p for p in await search(trial, "Patient", identifier=record) if not p.get("active", True)]
    return len(found) == 1 and [link["type"] for link in found[0].get("link", ())] == ["replaced-by"]


async def _order(trial: Trial, placer: str) -> bool:
    return len(await search(trial, "ServiceRequest", identifier=placer)) == 1


async def _report(trial: Trial, filler: str) -> dict[str, str]:
    """The numeric results of a report as `filler/LOINC` → digits as stored."""
    found = await search(trial, "DiagnosticReport", identifier=filler, _include="DiagnosticReport:result")
    values: dict[str, str] = {}
    for resource in found:
        if resource["resourceType"] == "Observation" and "valueQuantity" in resource:
            loinc = [c["code"] for c in resource["code"]["coding"] if c.get("system") == codes.LOINC]
            values[f"{filler}/{loinc[0] if loinc else ''}"] = str(resource["valueQuantity"]["value"])
    return values


async def _counted(trial: Trial) -> int:
    answer = await trial.client.get("/fhir/Encounter", params={"_summary": "count"})
    return int(answer.json().get("total", -1)) if answer.status_code == 200 else -1


async def _stored(trial: Trial) -> int:
    from hub.operate.books import figures

    async with trial.world.transaction(trial.tenant) as tx:
        return (await figures.record_counts(tx)).get("Encounter", 0)


async def reported(trial: Trial, placers: Sequence[str]) -> list[bool]:
    """For each order, whether a final report is based on it."""
    return await _gather(_reported, trial, placers)


async def _reported(trial: Trial, placer: str) -> bool:
    orders = await search(trial, "ServiceRequest", identifier=placer)
    if len(orders) != 1:
        return False
    reports = await search(trial, "DiagnosticReport", **{"based-on": f"ServiceRequest/{orders[0]['id']}"})
    return any(report["status"] == "final" for report in reports)
