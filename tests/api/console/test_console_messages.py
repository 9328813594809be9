"""Finding a message by what a person knows, seeing what became of its fields, and replaying it from there."""

from __future__ import annotations

import html
import re

import httpx
import peers
import pytest
from channel_feed import partner

from api.console import messages_page, pages
from api.console.words import Words
from hub.exchange.out import delivery
from hub.operate.messages import accounting
from hub.operate.persons import whose
from hub.watch.alarms import Alarm
from hub.world import Tenant, World
from tests.api.console.test_console import plain
from tests.api.console.test_console_access import enter
from tests.hub import test_operate as operated
from tests.hub.exchange.test_enhanced_sender import queue

PAGE = "/console/messages"
ADMISSION = (
    "MSH|^~\\&|HIS|HOSP|PONTE|HUB|20261122080000||ADT^A01^ADT_A01|{control}|P|2.5||||||UNICODE UTF-8\r"
    "EVN|A01|20261122080000\r"
    "PID|1||{mrn}^^^HOSP^MR||Conceição^Ana||19800229|F||||||||||||||||||||||||||||||||||||extra\r"
    "PV1|1|I|||||||||||||||||V{mrn}^^^HOSP\r"
    "ZZZ|1|own\r"
)


async def put(world: World, tenant: Tenant, text: str) -> None:
    await operated.put(world, tenant, text)
    await operated.work(world, tenant)


async def failed(world: World, tenant: Tenant, control: str) -> None:
    """As a message that failed before its mapping was mended: no record came of it."""
    async with world.transaction(tenant) as tx:
        await tx.run(
            "UPDATE message SET status = 'ERROR', problems = $3 WHERE tenant_id = $1 AND control_id = $2",
            control,
            '[{"code": "date.form", "severity": "error", "where": "PID-7", "text": "", "remedy": ""}]',
        )


def ids(answer: httpx.Response) -> list[str]:
    """The messages listed, by their links."""
    return re.findall(r'<th scope="row"><a href="/console/messages/([0-9a-f\-]{36})', answer.text)


async def events(world: World, tenant: Tenant) -> list[tuple[str, str]]:
    async with world.transaction(tenant) as tx:
        rows = await tx.rows("SELECT action, entity FROM audit_event WHERE tenant_id = $1 AND actor = 'operator'")
    return [(row["action"], row["entity"]) for row in rows if row["action"] in ("message-search", "replay")]


async def test_found_by_the_patients_number_and_replayed(
    browser: httpx.AsyncClient, world: World, tenant: Tenant, other_tenant: Tenant
) -> None:
    for control, mrn in (("one", "4711"), ("two", "4711"), ("other", "4712")):
        await put(world, tenant, ADMISSION.format(control=control, mrn=mrn))
    await put(world, tenant, ADMISSION.format(control="fell", mrn="4799"))
    await failed(world, tenant, "fell")
    await enter(browser, world, tenant)
    whole = await browser.get(PAGE)
    assert len(ids(whole)) == 4 and "Conceição" not in whole.text
    theirs = await browser.post(f"{PAGE}/find", data={"person": "4711"})
    assert theirs.status_code == 200 and len(ids(theirs)) == 2 and 'value="4711"' in theirs.text
    assert "4711" not in str(theirs.url)
    lone = await browser.post(f"{PAGE}/find", data={"person": "4799", "status": "ERROR"})
    assert len(ids(lone)) == 1, "by its lane, also where no record was made"
    assert "nobody" not in lone.text and (await browser.post(f"{PAGE}/find", data={"person": "0"})).status_code == 404
    led = await browser.post(f"{PAGE}/find", data={"channel": "his-mllp", "status": "ERROR", "person": " "})
    assert led.status_code == 303 and led.headers["location"].endswith("status=ERROR&channel=his-mllp#found")

    at = f"{PAGE}/{ids(lone)[0]}"
    page = await browser.get(at)
    told = plain(page.text)
    assert page.status_code == 200 and "PID-7" in told and "PID#" in told and "ZZZ#" in told
    assert "Conceição" not in page.text and "4799" not in page.text
    assert "Ensaio feito" in (await browser.post(f"{at}/try")).text
    assert "reenfileirada" in (await browser.post(f"{at}/replay")).text
    assert "já está na fila" in (await browser.post(f"{at}/replay")).text
    await operated.work(world, tenant)
    after = plain((await browser.get(at)).text)
    assert "Situação: trabalhada" in after and "Patient/" in after
    found = await events(world, tenant)
    assert [action for action, _ in found].count("message-search") >= 1 and (
        "replay",
        f"Message/{ids(lone)[0]}",
    ) in found

    await enter(browser, world, other_tenant)
    assert (await browser.get(at)).status_code == 404
    assert (await browser.post(f"{at}/replay")).status_code in (404, 200) and ids(await browser.get(PAGE)) == []
    assert (await browser.post(f"{PAGE}/find", data={"person": "4711"})).status_code == 404


@pytest.mark.parametrize(
    "said",
    [
        {"code": "529.982.247-25"},
        {"code": "52998224725"},
        {"code": "Conceição Maria"},
        {"type": "529.982.247-25"},
        {"control_id": "52998224725"},
        {"control_id": "898001160660761"},
        {"channel": "529.982.247-25"},
    ],
)
async def test_a_persons_number_in_another_field_stays_out_of_the_address(
    browser: httpx.AsyncClient, world: World, tenant: Tenant, said: dict[str, str]
) -> None:
    await enter(browser, world, tenant)
    found = await browser.post(f"{PAGE}/find", data=said)
    assert found.status_code == 200 and ids(found) == [] and "location" not in found.headers
    for one in ({"control_id": "20261122123"}, {"code": "code.unmapped"}, {"type": "ADT^A01"}, {"since": "24h"}):
        assert (await browser.post(f"{PAGE}/find", data=one)).status_code == 303


async def test_of_a_refused_message_nothing_is_said_to_be_mapped(
    browser: httpx.AsyncClient, world: World, tenant: Tenant
) -> None:
    await put(world, tenant, ADMISSION.format(control="good", mrn="4711"))
    await put(world, tenant, ADMISSION.format(control="bare", mrn=""))
    await enter(browser, world, tenant)
    told = {}
    for control, status in (("good", "trabalhada"), ("bare", "com erro")):
        (one,) = ids(await browser.get(f"{PAGE}?control_id={control}"))
        told[control] = plain((await browser.get(f"{PAGE}/{one}")).text)
        assert f"Situação: {status}" in told[control]
    assert "O que as tabelas leriam" in told["bare"] and "tem mapa" in told["bare"] and "mapeado" not in told["bare"]
    assert "O que houve com cada campo" in told["good"] and "mapeado" in told["good"]


async def test_an_alarm_leads_to_what_it_counts(browser: httpx.AsyncClient, world: World, tenant: Tenant) -> None:
    for mrn in ("11", "12", "13"):
        await put(world, tenant, ADMISSION.format(control="same", mrn=mrn))
    await put(world, tenant, ADMISSION.format(control="else", mrn="14"))
    await failed(world, tenant, "else")
    await enter(browser, world, tenant)
    first = html.unescape((await browser.get("/?lang=pt")).text)
    place = re.search(r'<a href="([^"]*)">[^<]*</a><span class="code">channel\.conflict<', first)
    assert place is not None
    assert len(ids(await browser.get(place[1]))) == 2, "both that came with the number of another"

    words = Words(language="pt", zone="UTC", at=world.now())
    said = {"level": 1, "severity": "warning", "value": 1, "unit": "", "since": world.now()}
    for rule, place_of, count in (("channel.errors", "his-mllp", 1), ("inbound.age", "his-mllp", 0)):
        address = pages.alarm_place(Alarm(rule=rule, place=place_of, **said), words)
        assert len(ids(await browser.get(address))) == count, rule
    closed = pages.alarm_place(Alarm(rule="door.closed", place="his-mllp", **said), words)
    assert "his-mllp" in (await browser.get(closed)).text
    assert pages.alarm_place(Alarm(rule="channel.errors", place="", **said), words) == ""
    assert pages.alarm_place(Alarm(rule="disk.free", place="data", **said), words) == ""


async def test_who_may_do_what(browser: httpx.AsyncClient, world: World, tenant: Tenant) -> None:
    await put(world, tenant, ADMISSION.format(control="one", mrn="4711"))
    await enter(browser, world, tenant, "console/read")
    whole = await browser.get(PAGE)
    assert 'name="person"' not in whole.text
    assert (await browser.post(f"{PAGE}/find", data={"person": "4711"})).status_code == 403
    at = f"{PAGE}/{ids(whole)[0]}"
    assert "<button" not in (await browser.get(at)).text.partition("</header>")[2]
    for what in ("try", "replay"):
        assert (await browser.post(f"{at}/{what}")).status_code == 403
    await enter(browser, world, tenant, "console/read", "persons/read")
    assert len(ids(await browser.post(f"{PAGE}/find", data={"person": "4711"}))) == 1
    assert (await browser.post(f"{at}/burn")).status_code == 403
    headers = {"origin": "https://elsewhere.example"}
    assert (await browser.post(f"{at}/replay", headers=headers)).status_code == 403


async def test_an_outgoing_message_tells_why_it_waits_and_is_skipped_and_sent_again(
    browser: httpx.AsyncClient, world: World, tenant: Tenant, other_tenant: Tenant
) -> None:
    retry = {"attempts": 50, "first_s": 600, "most_s": 600}
    lab = await partner(world, tenant, "lab", peers.dead_port(), kind="lab", retry=retry)
    await queue(world, tenant, lab, "a")
    await delivery.work(world, tenant)
    await enter(browser, world, tenant)
    (identity,) = ids(await browser.get(f"{PAGE}?status=QUEUED"))
    at = f"{PAGE}/{identity}"
    told = plain((await browser.get(at)).text)
    assert "não aceita a conexão" in told and "Tentativas: 1." in told and "A próxima é" in told
    await enter(browser, world, other_tenant)
    assert (await browser.post(f"{at}/skip")).status_code == 404
    await enter(browser, world, tenant, "console/read")
    assert "<button" not in (await browser.get(at)).text.partition("</header>")[2]
    assert [(await browser.post(f"{at}/{what}")).status_code for what in ("skip", "resend")] == [403, 403]
    await enter(browser, world, tenant)
    assert "Mensagem pulada" in (await browser.post(f"{at}/skip")).text
    again = await browser.post(f"{at}/skip")
    assert again.status_code == 404, "it does not wait any more"
    assert "pulou esta mensagem" in plain((await browser.get(at)).text)
    assert "de volta na fila" in (await browser.post(f"{at}/resend")).text
    assert ids(await browser.get(f"{PAGE}?status=QUEUED")) == [identity]


@pytest.mark.parametrize("status", ["", "ERROR"])
async def test_pages_meet_without_a_gap(
    browser: httpx.AsyncClient, world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    for number in range(5):
        await put(world, tenant, ADMISSION.format(control=f"n{number}", mrn="4711"))
        if status:
            await failed(world, tenant, f"n{number}")
    monkeypatch.setattr(messages_page, "SHOWN", 2)
    await enter(browser, world, tenant)
    seen: list[str] = []
    address = f"{PAGE}?status={status}"
    for _ in range(3):
        page = await browser.get(address)
        seen += ids(page)
        older = re.search(r'href="([^"]+)" rel="next"', page.text)
        if older is not None:
            address = older[1].replace("&amp;", "&").partition("#")[0]
    assert len(seen) == len(set(seen)) == 5 and older is None and "Mais novos" in page.text
    first = await browser.post(f"{PAGE}/find", data={"person": "4711", "status": status})
    before = re.search(r'name="before" value="([^"]+)"', first.text)
    assert before is not None
    second = await browser.post(f"{PAGE}/find", data={"person": "4711", "status": status, "before": before[1]})
    assert ids(first) + ids(second) == seen[:4]


async def test_the_account_tells_each_field(world: World, tenant: Tenant) -> None:
    await put(world, tenant, ADMISSION.format(control="one", mrn="4711"))
    theirs = await whose.messages_of(world, tenant, "4711", "test")
    found = await accounting.accounted(world, tenant, theirs.ids[0])
    lines = {line.segment.partition("#")[0]: line for line in found.lines}
    assert found.readable and list(lines) == ["MSH", "EVN", "PID", "PV1", "ZZZ"]
    assert {3, 5, 7, 8} <= set(lines["PID"].mapped) and 44 in lines["PID"].unmapped
    assert lines["ZZZ"].fate == "unmapped" and lines["ZZZ"].unmapped == (1, 2)
    assert {one.type for one in found.made} >= {"Patient", "Encounter"} and all(one.version == 1 for one in found.made)
    assert await accounting.accounted(world, tenant, tenant.id) == accounting.Accounted()
