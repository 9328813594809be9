"""Payments in good and bad company: matched to guides and analysis, replaced, orphaned, before the analysis, dental."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import payments_made as made
from billing_day import EXAM, IPE, Visit, happen, many, partner_row, register, rows
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from fhir import jsontext
from fhir.validation.validator import validate
from hub.billing import listing
from hub.billing.batch import batches
from hub.billing.guide import guides
from hub.billing.profiles import payer, profile_of
from hub.billing.returns import intake, payment_records, payments, reconciliation, statements
from hub.billing.writing import origin
from hub.records.saved import Origin
from hub.world import Tenant, World
from tests.hub.billing.test_billing_statements import item, statement
from tiss.answers import values as answers

EACH = 2540  # cents of a guide with one EXAM


async def billed(world: World, tenant: Tenant, count: int = 4, protocol: str | None = "777") -> UUID:
    """A sent batch of guides 1 to `count`; returns the payer's id."""
    await register(world, tenant, [partner_row(IPE)])
    await happen(world, tenant, many(Visit(payer=IPE, charges=(EXAM,)), count))
    await guides.build_guides(world, tenant)
    await batches.close_batches(world, tenant)
    async with world.transaction(tenant) as tx:
        await tx.run("UPDATE submission SET protocol = $2, status = 'incerto' WHERE tenant_id = $1", protocol)
        return await listing.payer_id(tx, IPE)


async def take(world: World, tenant: Tenant, *found: answers.Answer) -> statements.Taken:
    async with world.transaction(tenant) as tx:
        profile = await payer(tx, await listing.payer_id(tx, IPE))
        source = statements.Source(profile=profile, by=origin(world, tenant, "test"))
        return await statements.take_all(tx, source, found)


async def figures(world: World, tenant: Tenant, payer_id: UUID, protocol: str = "777") -> dict[str, Any]:
    async with world.transaction(tenant) as tx:
        return await reconciliation.of_protocol(tx, protocol, payer_id)


async def findings(world: World, tenant: Tenant) -> list[str]:
    (found,) = await rows(world, tenant, "SELECT problems FROM remittance WHERE tenant_id = $1 AND NOT replaced")
    return [problem["code"] for problem in json.loads(found["problems"])]


async def records(world: World, tenant: Tenant) -> list[dict[str, Any]]:
    found = await rows(
        world, tenant, "SELECT body FROM resource WHERE tenant_id = $1 AND type = $2", payment_records.TYPE
    )
    return [jsontext.stored(row["body"]) for row in found]


def paid(
    number: str, guides_: Sequence[answers.PaidGuide], *entries: answers.Entry, **changed: Any
) -> answers.Remittance:
    return made.remittance(number, [made.day("2026-12-05", [made.protocol("777", guides_)], entries)], **changed)


async def test_a_payment_closes_the_account_and_its_records_say_the_same(world: World, tenant: Tenant) -> None:
    payer_id = await billed(world, tenant, 2)
    await take(world, tenant, statement("777", "1", (item(1, EACH, 2000, ("1705", 540)),)))
    told = paid(
        "9", [made.guide("1", 2000, 540), made.guide("2", 2540)], made.entry(-100), made.entry(25, "09", "Bônus")
    )
    raw = made.message(told)
    taken = await intake.take_file(world, tenant, raw, "test")
    assert (taken.found.payments, taken.found.fresh_payments, taken.problems) == (1, 1, ())
    assert (await intake.take_file(world, tenant, raw, "test")).found.fresh_payments == 0
    found = await figures(world, tenant, payer_id)
    assert (found["billed"], found["paid"], found["denied"], found["open"]) == (2 * EACH, 4540, 540, 0)
    assert (found["received"], found["to_receive"]) == (4540, 0)
    first, second = found["guides"]
    assert (first["received"], first["paid_on"], first["judged"]) == (2000, "2026-12-05", True)
    assert (second["received"], second["open"], second["judged"]) == (2540, 0, False)
    assert await findings(world, tenant) == ["payment.ahead"]
    (body,) = await records(world, tenant)
    assert validate(body) == [] and str(body["paymentAmount"]["value"]) == "44.65" and len(body["detail"]) == 4
    assert {detail.get("request", {}).get("reference", "")[:6] for detail in body["detail"]} == {"Claim/", ""}
    (message,) = await rows(
        world, tenant, "SELECT type FROM message WHERE tenant_id = $1 AND id = $2", taken.message_id
    )
    assert message["type"] == "DEMONSTRATIVO_PAGAMENTO"
    entries = await rows(world, tenant, "SELECT amount_cents, kind FROM payment_entry WHERE tenant_id = $1 ORDER BY 1")
    assert [(row["amount_cents"], row["kind"]) for row in entries] == [(-100, "02"), (25, "09")]


async def test_a_replaced_payment_counts_once_and_takes_its_days_along(world: World, tenant: Tenant) -> None:
    payer_id = await billed(world, tenant, 2)
    first = made.remittance(
        "9",
        [made.day("2026-12-05", [made.protocol("777", [made.guide("1", 1000)])]) for _ in range(2)]
        + [made.day("2026-12-06", [made.protocol("777", [made.guide("2", 2540)])])],
        entries=[made.entry(-5)],
    )
    await take(world, tenant, first)
    assert (await figures(world, tenant, payer_id))["received"] == 4540
    assert len(await records(world, tenant)) == 4
    await take(world, tenant, paid("9", [made.guide("1", 1500)]))
    assert (await figures(world, tenant, payer_id))["received"] == 1500
    assert sorted(body["status"] for body in await records(world, tenant)) == ["active", *["cancelled"] * 3]
    counted = await rows(
        world, tenant, "SELECT replaced, count(*) AS n FROM payment WHERE tenant_id = $1 GROUP BY 1 ORDER BY 1"
    )
    assert [(row["replaced"], row["n"]) for row in counted] == [(False, 1), (True, 3)]


async def test_strangers_differences_and_repetitions_are_told(world: World, tenant: Tenant) -> None:
    payer_id = await billed(world, tenant, 2)
    await take(world, tenant, statement("777", "1", (item(1, EACH, EACH),)))
    await take(world, tenant, paid("9", [made.guide("1", 2000), made.guide("99", 300)], net_cents=1))
    assert sorted(await findings(world, tenant)) == ["payment.differs", "payment.orphan", "payment.sum"]
    found = await figures(world, tenant, payer_id)
    assert [(o["guide_number"], o["paid_cents"]) for o in found["orphan_payments"]] == [("99", 300)]
    assert (found["received"], found["to_receive"]) == (2000, 540)
    await take(world, tenant, paid("", [made.guide("1", 2000)]))
    told = await rows(world, tenant, "SELECT problems FROM remittance WHERE tenant_id = $1 ORDER BY id")
    assert {"payment.number", "payment.repeated"} <= {p["code"] for p in json.loads(told[-1]["problems"])}
    assert (await figures(world, tenant, payer_id))["to_receive"] == 540 - 2000


async def test_a_statement_that_comes_before_its_protocol_brings_it(world: World, tenant: Tenant) -> None:
    payer_id = await billed(world, tenant, 2, protocol=None)
    await take(world, tenant, statement("778", "1", (item(1, EACH, EACH),)))
    (found,) = await rows(world, tenant, "SELECT protocol, payer_status, batch_id FROM submission WHERE tenant_id = $1")
    assert (found["protocol"], found["payer_status"]) == ("778", "3")
    assert (await figures(world, tenant, payer_id, "778"))["paid"] == EACH


async def test_a_protocol_learned_later_takes_over_its_statement(world: World, tenant: Tenant) -> None:
    await billed(world, tenant, 2, protocol=None)
    async with world.transaction(tenant) as tx:  # the payer names another lote: it cannot be found by number
        await tx.run("UPDATE batch SET number = 50 WHERE tenant_id = $1")
    await take(world, tenant, statement("779", "1", (item(1, EACH, EACH),)))
    from hub.billing.batch import submissions

    async with world.transaction(tenant) as tx:
        submission = await tx.value("SELECT id FROM submission WHERE tenant_id = $1 AND protocol IS NULL")
        await submissions.enter_protocol(tx, submission, "779", origin(world, tenant, "test"))
        assert await tx.value("SELECT submission_id FROM statement WHERE tenant_id = $1") == submission
    states = await rows(world, tenant, "SELECT number, status FROM guide WHERE tenant_id = $1 ORDER BY number")
    assert [(row["number"], row["status"]) for row in states] == [("1", "paga"), ("2", "recebida")]


async def test_a_dental_statement_judges_and_pays(world: World, tenant: Tenant) -> None:
    payer_id = await billed(world, tenant, 3)

    def protocol(*guides_: dict[str, Any]) -> dict[str, Any]:
        whole = {name: sum(int(one[f"valorTotal{name}Guia"].replace(".", "")) for one in guides_) for name in NAMES}
        return {
            "numeroLote": "1", "numeroProtocolo": "777", "dadosPagamentoGuia": list(guides_),
            "totaisPorProtocolo": {f"valorTotal{name}PorProtocolo": f"{c // 100}.{c % 100:02d}" for name, c in whole.items()},
        }  # fmt: skip

    first = dental("55", protocol(made.dental_guide("1", "N", [made.item(1, 2000, 500, 40, "1705")])))
    second = dental(
        "56",
        protocol(
            made.dental_guide("2", "N", [made.item(1, 2540, 0, 0)]),
            made.dental_guide("1", "S", [made.item(1, 500, 0, 0)]),
        ),
    )
    for raw in (first, second):
        taken = await intake.take_file(world, tenant, raw, "test")
        assert (taken.found.fresh, taken.found.fresh_payments) == (1, 1), taken
    found = await figures(world, tenant, payer_id)
    by = {guide["number"]: guide for guide in found["guides"]}
    assert (by["1"]["paid"], by["1"]["denied"], by["1"]["copay"], by["1"]["open"]) == (2000, 500, 40, 0)
    assert (by["1"]["received"], by["1"]["received_on_appeal"]) == (2000, 500)
    assert (by["2"]["received"], by["2"]["open"], by["3"]["open"]) == (2540, 0, EACH)
    bodies = await rows(
        world,
        tenant,
        "SELECT body FROM resource WHERE tenant_id = $1 AND type = 'ExplanationOfBenefit' AND body LIKE '%copay%'",
    )
    assert len(bodies) == 1 and validate(jsontext.stored(bodies[0]["body"])) == []
    (message,) = await rows(
        world, tenant, "SELECT type FROM message WHERE tenant_id = $1 AND id = $2", taken.message_id
    )
    assert message["type"] == "DEMONSTRATIVO_ODONTOLOGIA"


NAMES = ("Informado", "Processado", "Glosa", "Franquia", "Liberado")


def dental(number: str, protocol: dict[str, Any]) -> bytes:
    zero = dict.fromkeys(NAMES, "0.00")
    whole = {name: protocol["totaisPorProtocolo"][f"valorTotal{name}PorProtocolo"] for name in zero}
    body = {
        "cabecalhoDemonstrativoOdonto": {
            "registroANS": IPE, "numeroDemonstrativo": number, "nomeOperadora": "Operadora Inventada",
            "cnpjOper": "11444777000161", "periodoProc": {"datainicio": "2026-11-01", "datafim": "2026-11-30"},
        },
        "dadosPrestador": {"codigoPrestador": "HOSP0001", "cpfCNPJContratado": {"cnpjPrestador": "11222333000181"}},
        "dadosPagamentoPorData": [{
            "dadosPagamento": {"dataPagamento": "2026-12-05"}, "protocolos": [protocol],
            "totaisPorData": {
                "valorBrutonformadoPorData": whole["Informado"], "valorBrutoProcessadoPorData": whole["Processado"],
                "valorBrutoGlosaPorData": whole["Glosa"], "valorBrutoFranquiaPorData": whole["Franquia"],
                "valorBrutoLiberadoPorData": whole["Liberado"],
            },
            "totalLiquidoPorData": {
                "valorTotalDebitosPorData": "0.00", "valorTotalCreditosPorData": "0.00",
                "valorFinalAReceberPorData": whole["Liberado"],
            },
        }],
        "totaisBrutoDemonstrativo": {
            "valorInformadoPorDemonstrativoData": whole["Informado"], "valorlProcessadoPorDemonstrativo": whole["Processado"],
            "valorlGlosaPorDemonstrativo": whole["Glosa"], "valoFranquiaPorDemonstrativo": whole["Franquia"],
            "valorLiberadoPorDemonstrativo": whole["Liberado"],
        },
        "totalDebitosDemonstativo": "0.00", "totalCreditosDemonstrativo": "0.00",
        "valorRecebidoDemonstrativo": whole["Liberado"],
    }  # fmt: skip
    return made.wrapped("DEMONSTRATIVO_ODONTOLOGIA", "demonstrativoPagamentoOdonto", body)


AT = datetime.datetime(2026, 12, 10, 9, tzinfo=datetime.UTC)
ODD = st.text(max_size=12)
CENTS = st.integers(-(10**14), 10**14)
GUIDES = st.builds(
    answers.PaidGuide, provider_number=ODD | st.sampled_from(("", "1", "2")), operator_number=ODD, authorization=ODD, kind=ODD | st.sampled_from("12"),
    items=st.just(()), billed_cents=st.none() | CENTS, processed_cents=CENTS, paid_cents=CENTS, denied_cents=CENTS,
    copay_cents=CENTS, note=ODD, where=st.just("/g"),
)  # fmt: skip
PROTOCOLS = st.builds(
    answers.PaidProtocol, number=ODD, batch=ODD, on=ODD, guides=st.lists(GUIDES, max_size=3).map(tuple),
    billed_cents=CENTS, processed_cents=CENTS, paid_cents=CENTS, denied_cents=CENTS, copay_cents=CENTS, where=st.just("/p"),
)  # fmt: skip
ENTRIES = st.lists(
    st.builds(answers.Entry, indicator=ODD | st.sampled_from("12"), kind=ODD, text=ODD, cents=CENTS, where=st.just("/e")), max_size=2
).map(tuple)  # fmt: skip
DAYS = st.builds(
    answers.PaidDay, on=ODD | st.sampled_from(("2026-12-05", "2026-12-06", "05/12/2026")), form=ODD,
    protocols=st.lists(PROTOCOLS, max_size=3).map(tuple), entries=ENTRIES, billed_cents=CENTS, processed_cents=CENTS,
    paid_cents=CENTS, denied_cents=CENTS, copay_cents=CENTS, debit_cents=CENTS, credit_cents=CENTS, net_cents=CENTS,
    where=st.just("/d"),
)  # fmt: skip


@settings(max_examples=60, deadline=None, phases=(Phase.explicit, Phase.generate))
@given(st.lists(DAYS, max_size=3), ENTRIES, ODD)
def test_any_payment_becomes_valid_records_with_the_same_sums(
    days: list[answers.PaidDay], entries: tuple[answers.Entry, ...], note: str
) -> None:
    told = made.remittance("9", days, entries=entries, note=note)
    place = payment_records.Place(
        profile=profile_of(partner_row(IPE)), number="9", key="9", on=AT.date(), note=note, claims={"1": "c"},
        benefits={"1": "b"}, by=Origin(actor="test", now=AT, zone="America/Sao_Paulo"),
    )  # fmt: skip
    found = list(payment_records.lots(told, AT.date()))
    assert len({payment_records.identity_of(place, lot.on, lot.turn) for lot in found}) == len(found)
    for lot in found:
        body = payment_records.body_of(place, lot)
        assert validate(body) == []
        back = payment_records.read_back(lot, body)
        for name in ("processed", "paid", "denied", "copay"):
            assert [getattr(one, name) for one in back.paid] == [getattr(one, name) for one in lot.paid]
        assert [one.cents for one in back.adjustments] == [one.cents for one in lot.adjustments]
    payments.sums(told)


async def test_a_statement_without_number_is_corrected_by_one_of_its_protocols_and_days(
    world: World, tenant: Tenant
) -> None:
    payer_id = await billed(world, tenant)
    first = paid("", [made.guide("1", 2000), made.guide("2", EACH)])
    assert (await take(world, tenant, first)).fresh_payments == 1
    assert (await take(world, tenant, first)).fresh_payments == 0
    assert (await figures(world, tenant, payer_id))["received"] == 2000 + EACH
    corrected = paid("", [made.guide("1", EACH), made.guide("2", EACH)])
    assert (await take(world, tenant, corrected)).fresh_payments == 1
    assert (await figures(world, tenant, payer_id))["received"] == 2 * EACH
    assert await findings(world, tenant) == ["payment.number", "payment.ahead"]
    kept = [body for body in await records(world, tenant) if body["status"] == "active"]
    assert round(sum(float(body["paymentAmount"]["value"]) for body in kept) * 100) == 2 * EACH
    other = paid("", [made.guide("3", EACH)])  # the rest of the protocol on that day: not a correction
    assert (await take(world, tenant, other)).fresh_payments == 1
    assert (await figures(world, tenant, payer_id))["received"] == 3 * EACH
