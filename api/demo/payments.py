"""The payers pay: one sends a demonstrativo de pagamento, the other's portal gives out a CSV; nothing is left over."""

from __future__ import annotations

from typing import Any

from api.demo.money import everything
from api.demo.step import Step
from api.demo.trial import Trial
from api.demo.waiting import payer_books
from canonical.billing import cents
from canonical.errors import TryLater
from hub.billing import listing
from hub.billing.returns import intake, reconciliation
from hub.operate.books import billed

BY_SHEET = "999806"
PLAN = "exemplo_pagamento"


async def receive(trial: Trial, step: Step) -> None:
    """What was released and granted has been paid, guide by guide; the net is what FHIR says, taxes taken off."""
    records: dict[str, int] = {}
    for payer, book in sorted((await payer_books(trial)).items()):
        raw = await _document(trial, payer)
        taken = await _taken(trial, payer, raw)
        step.same(f"{payer}: payment statements taken in", 1, taken.found.fresh_payments)
        step.same(f"{payer}: findings that block", 0, sum(problem.blocks for problem in taken.problems))
        again = await _taken(trial, payer, raw)
        step.same(f"{payer}: new ones when it comes again", 0, again.found.fresh_payments)
        granted = sum(appeal["granted_cents"] for appeal in book["appeals"])
        sums = await _reconciled(trial, payer)
        step.same(f"{payer}: received, cents", book["paid_cents"], sums["received"])
        step.same(f"{payer}: received after appeals, cents", granted, sums["received_on_appeal"])
        step.same(f"{payer}: still to be received, cents", 0, sums["to_receive"])
        step.same(f"{payer}: payments of nobody's guide", 0, sums["orphans"])
        records[payer] = (book["paid_cents"] + granted) * 98
    found = await everything(trial, "PaymentReconciliation")
    for payer, hundredths in records.items():
        own = [one for one in found if one["paymentIssuer"]["identifier"]["value"] == payer]
        net = sum(cents(str(one["paymentAmount"]["value"])) for one in own)
        step.true(f"{payer}: net over FHIR is what was paid less 2 % of ISS", abs(net * 100 - hundredths) < 100)
        step.at_least(f"{payer}: guides and taxes in it", 2, sum(len(one["detail"]) for one in own))


async def _document(trial: Trial, payer: str) -> bytes:
    if trial.hub.simulators is None:
        raise TryLater("no simulators run")
    form = {"form": "csv"} if payer == BY_SHEET else {}
    answer = await trial.client.get(f"{trial.hub.simulators.http}/control/payment/{payer}", params=form)
    if answer.status_code != 200:
        raise TryLater(f"the simulator answered {answer.status_code}")
    return answer.content


async def _taken(trial: Trial, payer: str, raw: bytes) -> intake.Taken:
    if payer == BY_SHEET:
        sheet = intake.Sheet(raw=raw, payer=payer, plan=PLAN)
        return await intake.take_sheet(trial.world, trial.tenant, sheet, "demo")
    return await intake.take_file(trial.world, trial.tenant, raw, "demo")


async def _reconciled(trial: Trial, payer: str) -> dict[str, int]:
    """The sums of a payer's protocols, and the payments that belong to no guide of ours."""
    names = ("received", "received_on_appeal", "to_receive")
    async with trial.world.transaction(trial.tenant) as tx:
        identity = await listing.payer_id(tx, payer)
        found = [
            await reconciliation.of_protocol(tx, one.protocol, identity)
            for one in await billed.batches(tx)
            if one.payer == payer and one.protocol
        ]
    sums: dict[str, Any] = {name: sum(int(one[name]) for one in found) for name in names}
    return {**sums, "orphans": sum(len(one["orphan_payments"]) for one in found)}
