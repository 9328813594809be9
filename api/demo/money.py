"""The money read back over FHIR: guides as Claim, answers as ClaimResponse, statements as ExplanationOfBenefit."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from api.demo.step import Step
from api.demo.trial import Trial
from api.demo.waiting import payer_books
from canonical.billing import cents
from canonical.errors import Refused
from hub.operate.books import billed

PAGE = 100
_APPEAL = "recurso-glosa"


async def read_back(trial: Trial, step: Step) -> None:
    """Every guide, answer, judged guide and appeal is there, and each sum is the payer's own, to the cent."""
    bills = await everything(trial, "Claim")
    guides = {one["id"]: one for one in bills if _kind(one) != _APPEAL and one["use"] == "claim"}
    answers = [one for one in await everything(trial, "ClaimResponse") if one["use"] == "claim"]
    benefits = await everything(trial, "ExplanationOfBenefit")
    async with trial.world.transaction(trial.tenant) as tx:
        counted = sum(n for n, _ in (await billed.guides(tx)).values())
    step.same("guides readable as Claim", counted, len(guides))
    step.same("guides with a payer's answer", counted, len(_named(answers, "request") & _places(guides)))
    step.same("guides with a judgement", counted, len(_named(benefits, "claim") & _places(guides)))
    step.same("judgements of nobody's guide", 0, len(benefits) - len(_named(benefits, "claim") & _places(guides)))
    step.true("each judgement names its guide's patient", all(_patient_of(one, guides) for one in benefits))
    books = await payer_books(trial)
    for payer, book in sorted(books.items()):
        own = [one for one in benefits if _insurer(one) == payer]
        appealed = [one for one in bills if _kind(one) == _APPEAL and _insurer(one) == payer]
        step.same(f"{payer}: Claims, cents", book["billed_cents"], _sum(guides.values(), payer))
        step.same(f"{payer}: ExplanationOfBenefit, informado", book["billed_cents"], _total(own, "submitted"))
        step.same(f"{payer}: ExplanationOfBenefit, liberado", book["paid_cents"], _total(own, "benefit"))
        step.same(f"{payer}: ExplanationOfBenefit, glosa", book["denied_cents"], _total(own, "glosa"))
        step.same(f"{payer}: glosas item by item", book["denied_cents"], sum(_denied(one) for one in own))
        step.same(f"{payer}: appealed Claims, cents", book["denied_cents"], _sum(appealed, payer))
        granted = sum(appeal["granted_cents"] for appeal in book["appeals"])
        step.same(f"{payer}: granted by ClaimResponse, cents", granted, sum(map(_granted, _of(answers, payer))))


async def everything(trial: Trial, type_name: str) -> list[dict[str, Any]]:
    """All records of a type, page by page, decimals as the text they were stored with; raises Refused."""
    found: list[dict[str, Any]] = []
    address = f"/fhir/{type_name}?_count={PAGE}"
    while address:
        answer = await trial.client.get(address)
        if answer.status_code != 200:
            raise Refused(f"search of {type_name} answered {answer.status_code}")
        bundle = json.loads(answer.content, parse_float=str)
        found += [entry["resource"] for entry in bundle.get("entry", ())]
        address = next((link["url"] for link in bundle.get("link", ()) if link["relation"] == "next"), "")
    return found


def _kind(claim: Mapping[str, Any]) -> str:
    return str((claim.get("subType", {}).get("coding") or [{}])[0].get("code", ""))


def _places(guides: Iterable[str]) -> set[str]:
    return {f"Claim/{identity}" for identity in guides}


def _named(records: Iterable[Mapping[str, Any]], element: str) -> set[str]:
    return {record.get(element, {}).get("reference", "") for record in records}


def _patient_of(benefit: Mapping[str, Any], guides: Mapping[str, Mapping[str, Any]]) -> bool:
    guide = guides.get(benefit["claim"]["reference"].removeprefix("Claim/"))
    return guide is not None and bool(guide["patient"] == benefit["patient"])


def _insurer(record: Mapping[str, Any]) -> str:
    return str(record["insurer"]["identifier"]["value"])


def _of(records: Iterable[dict[str, Any]], payer: str) -> list[dict[str, Any]]:
    return [record for record in records if _insurer(record) == payer]


def _sum(claims: Iterable[Mapping[str, Any]], payer: str) -> int:
    return sum(_cents(claim["total"]) for claim in claims if _insurer(claim) == payer)


def _total(benefits: Iterable[Mapping[str, Any]], category: str) -> int:
    return sum(_cents(one["amount"]) for benefit in benefits for one in benefit["total"] if _category(one) == category)


def _denied(benefit: Mapping[str, Any]) -> int:
    judged = [*benefit.get("adjudication", ()), *(a for item in benefit["item"] for a in item["adjudication"])]
    return sum(_cents(one["amount"]) for one in judged if _category(one) == "glosa" and "amount" in one)


def _granted(answer: Mapping[str, Any]) -> int:
    decided = [one for item in answer.get("item", ()) for one in item["adjudication"]]
    return sum(_cents(one["amount"]) for one in decided if _category(one) == "benefit")


def _category(one: Mapping[str, Any]) -> str:
    return str(one["category"]["coding"][0]["code"])


def _cents(amount: Mapping[str, Any]) -> int:
    return cents(str(amount["value"]))
