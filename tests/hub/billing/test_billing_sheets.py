"""A sheet goes through the same reconciliation as XML: the same lines, denials, records and figures."""

from __future__ import annotations

import pytest
from billing_day import IPE, rows
from sheets_made import ROWS, as_csv, as_xlsx, billed

from canonical.errors import NotFound, Refused
from hub.billing.returns import intake
from hub.billing.returns.intake import Sheet
from hub.world import Tenant, World
from tests.hub.billing.test_billing_payments import EACH, figures, records


@pytest.mark.parametrize("form", ["csv", "xlsx"])
async def test_an_analysis(world: World, tenant: Tenant, form: str) -> None:
    payer_id = await billed(world, tenant)
    raw = as_csv(ROWS, "cp1252") if form == "csv" else as_xlsx(ROWS)
    taken = await intake.take_sheet(world, tenant, Sheet(raw=raw, payer=IPE), "test")
    assert (taken.found.protocols, taken.found.fresh, taken.problems) == (1, 1, ())
    assert (await intake.take_sheet(world, tenant, Sheet(raw=raw, payer=IPE), "test")).found.fresh == 0
    found = await figures(world, tenant, payer_id)
    assert (found["billed"], found["paid"], found["denied"], found["open"]) == (2 * (EACH + 999), 2999, 1539, EACH)
    assert [(o["guide_number"], o["paid_cents"]) for o in found["orphans"]] == [("999", 100)]
    denied = await rows(
        world, tenant, "SELECT glosa_code, amount_cents, guide_id FROM denial WHERE tenant_id = $1 ORDER BY 1"
    )
    assert [(d["glosa_code"], d["amount_cents"]) for d in denied] == [("1705", 540), ("9Z99", 999)]
    assert all(d["guide_id"] for d in denied)
    (kept,) = await rows(
        world, tenant, "SELECT format, status, content FROM message WHERE tenant_id = $1 AND id = $2", taken.message_id
    )
    assert (kept["format"], kept["status"], bytes(kept["content"])) == ("sheet", "TRANSFORMED", raw)


async def test_a_payment_and_what_cannot_be_taken(world: World, tenant: Tenant) -> None:
    payer_id = await billed(world, tenant)
    head = ["Demonstrativo: 5"], ["Data do pagamento", "Protocolo", "Guia", "Valor pago", "Lançamento"]
    raw = as_csv([*head, ["05/12/2026", "777", "1", "29,99", ""], ["", "", "", "1,00", "IRRF"]])
    taken = await intake.take_sheet(world, tenant, Sheet(raw=raw, payer=IPE, plan="exemplo_pagamento"), "test")
    assert taken.found.fresh_payments == 1 and taken.problems == ()
    assert (await figures(world, tenant, payer_id))["received"] == 2999
    (record,) = await records(world, tenant)
    assert str(record["paymentAmount"]["value"]) == "28.99"
    wrong = await intake.take_sheet(world, tenant, Sheet(raw=raw, payer=IPE), "test")
    assert [problem.code for problem in wrong.problems] == ["sheet.header"]
    for sheet, error in ((Sheet(raw=raw, payer="000000"), NotFound), (Sheet(raw=raw, payer=IPE, plan="x"), Refused)):
        with pytest.raises(error):
            await intake.take_sheet(world, tenant, sheet, "test")
