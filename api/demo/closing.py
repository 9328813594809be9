"""The last steps: nothing waits or failed, the audit chain holds, and neither log nor page names a patient."""

from __future__ import annotations

import asyncio

from api.demo.step import Step
from api.demo.trial import Trial
from api.demo.waiting import control, payer_books, until
from hub.guard import audit
from hub.operate.books import figures


async def exchange(trial: Trial, step: Step) -> None:
    """Nothing waits, nothing failed, and the simulators took exactly as many requests as were delivered."""
    left: dict[str, int] = {}

    async def idle() -> bool:
        nonlocal left
        async with trial.world.transaction(trial.tenant) as tx:
            left = await figures.waiting(tx)
        return not left.get("inbound") and not left.get("outbound")

    await until(idle, 30)
    step.same("messages waiting", 0, left.get("inbound", 0))
    step.same("deliveries waiting", 0, left.get("outbound", 0))
    async with trial.world.transaction(trial.tenant) as tx:
        deliveries = await figures.delivery_counts(tx)
        partners = await figures.deliveries_by_partner(tx)
    step.same("deliveries that failed", 0, sum(n for (_, status), n in deliveries.items() if status != "SENT"))
    for payer, book in sorted((await payer_books(trial)).items()):
        step.same(f"requests at payer {payer}", partners.get(payer, 0), sum(book["requests"].values()))
    book = await control(trial, "/lab/control")
    step.same("order messages at the laboratory", partners.get("demo-lab", 0), sum(book["received"].values()))


async def audit_and_logs(trial: Trial, step: Step) -> None:
    """Seal what is finished, verify the whole chain, and look for every patient in every log."""
    for _ in range(20):
        async with trial.world.transaction(trial.tenant) as tx:
            if not await audit.seal(tx):
                break
        await asyncio.sleep(0.05)
    async with trial.world.transaction(trial.tenant) as tx:
        step.same("first broken seal", None, await audit.broken_seal(tx))
        step.at_least("audit events", len(trial.day.messages), await figures.audited(tx))
    canaries = _canaries(trial)
    logs = sorted(trial.hub.settings.logs.glob("*.log"))
    step.at_least("log files searched", 1, len(logs))
    hits = 0
    for path in logs:
        text = path.read_text(encoding="utf-8", errors="replace")
        hits += sum(canary in text for canary in canaries)
    step.same("patients named in a log", 0, hits)
    shown = [await trial.client.get("/", params={"lang": language}) for language in ("pt", "en")]
    step.same("first page, in two languages", [200, 200], [page.status_code for page in shown])
    step.same("patients named on it", 0, sum(canary in page.text for page in shown for canary in canaries))
    step.figures["names and numbers looked for"] = len(canaries)


def _canaries(trial: Trial) -> list[str]:
    """Words that stand for a patient: CPF, CNS and the whole family name."""
    return [word for person in trial.day.people for word in (person.cpf, person.cns, person.family)]
