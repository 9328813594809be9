"""The page of channels: state, a new one, trial and comparison before anything serves, versions, going back, pausing."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from api.console.channels_page import written
from hub.channels import candidate, reading, versions
from hub.channels.document import Document
from hub.channels.reading import Faulty
from hub.world import Tenant, World
from tests.api.console.test_console import put_message
from tests.api.console.test_console_access import enter

PAGE = "/console/channels"
ADMISSION = "\r\n".join(
    (
        "MSH|^~\\&|HIS|HOSP|PONTE|PONTE|20261103120000||ADT^A01^ADT_A01|CANARIO1|P|2.5||||||UNICODE UTF-8",
        "EVN|A01|20261103120000",
        "PID|1||4711^^^HOSP^MR||Conceição^Maria||19800102|F",
        "PV1|1|I|A^101^1",
    )
)


async def post(browser: httpx.AsyncClient, name: str, what: str, **said: str) -> httpx.Response:
    """One act of the form, as a browser sends it."""
    return await browser.post(f"{PAGE}/{name}/{what}", files={key: (None, value) for key, value in said.items()})


def area(answer: httpx.Response, name: str) -> str:
    """What stands in a text area."""
    found = re.search(rf'<textarea id="{name}"[^>]*>\n(.*?)</textarea>', answer.text, re.DOTALL)
    assert found is not None
    return found[1].replace("&#34;", '"')


async def audited(world: World, tenant: Tenant) -> list[tuple[str, str]]:
    async with world.transaction(tenant) as tx:
        rows = await tx.rows(
            "SELECT action, entity FROM audit_event WHERE tenant_id = $1 AND actor = 'operator' ORDER BY seq"
        )
    return [(row["action"], row["entity"]) for row in rows if row["action"].startswith("channel-")]


async def test_who_sees_and_who_changes(
    browser: httpx.AsyncClient, world: World, tenant: Tenant, other_tenant: Tenant
) -> None:
    assert (await browser.get(PAGE)).status_code == 401
    await enter(browser, world, tenant, "console/read")
    shown = await browser.get(PAGE)
    assert shown.status_code == 200 and "his-mllp" in shown.text and 'id="new"' not in shown.text
    one = await browser.get(f"{PAGE}/his-mllp")
    assert "channels/read" in one.text and "<pre" not in one.text and "<textarea" not in one.text
    await enter(browser, world, tenant, "console/read", "channels/read")
    one = await browser.get(f"{PAGE}/his-mllp?lang=en")
    assert 'door = "mllp"' in one.text.replace("&#34;", '"') and "<textarea" not in one.text and "v1" in one.text
    for what in ("keep", "test", "compare", "activate", "pause"):
        answer = await post(browser, "his-mllp", what, document='name = "his-mllp"\ndoor = "http"\n', version="1")
        assert answer.status_code == 403, what
    assert (await browser.post(PAGE, data={"name": "novo", "door": "http"})).status_code == 403
    await enter(browser, world, other_tenant)
    async with world.transaction(other_tenant) as tx:
        await versions.put(tx, other_tenant, Document(name="theirs", door="http"), actor="test")
    await enter(browser, world, tenant)
    assert (await browser.get(f"{PAGE}/theirs")).status_code == 404
    assert (await post(browser, "theirs", "pause", version="1")).status_code == 404
    headers = {"origin": "https://elsewhere.example"}
    assert (await browser.post(f"{PAGE}/his-mllp/pause", headers=headers)).status_code == 403
    assert [action for action, _ in await audited(world, tenant)] == []


async def test_a_channel_is_written_tried_kept_changed_compared_and_taken_back(
    browser: httpx.AsyncClient, world: World, tenant: Tenant
) -> None:
    await enter(browser, world, tenant)
    fields = {"name": "lab-apoio", "door": "http", "application": "LIS*, APOIO", "port": "2580"}
    begun = await browser.post(PAGE, data=fields)
    text = area(begun, "text")
    assert reading.from_toml(text).sender.applications == ("LIS*", "APOIO") and "port" not in text
    assert (await browser.get(f"{PAGE}/lab-apoio")).status_code == 404, "nothing is stored yet"

    tried = await post(browser, "lab-apoio", "test", document=text, message=ADMISSION)
    assert "seria recusada" in tried.text and "sender.unknown" in tried.text
    text = text.replace('"APOIO"', '"HIS"')
    tried = await post(browser, "lab-apoio", "test", document=text, message=ADMISSION)
    assert "passaria" in tried.text and "1 Patient" in tried.text and area(tried, "message").startswith("MSH|")
    assert (await post(browser, "lab-apoio", "compare", document=text, since="1h")).status_code == 422
    assert (await browser.get(f"{PAGE}/lab-apoio")).status_code == 404

    kept = await post(browser, "lab-apoio", "keep", document=text, note="primeiro dia")
    assert kept.status_code == 200 and "lab-apoio v1" in kept.text and "primeiro dia" in kept.text
    changed = text + '\n[[filters]]\naction = "skip"\ntypes = ["ADT^A01"]\n'
    await put_message(world, tenant, content=ADMISSION.replace("\r\n", "\r").encode(), channel="lab-apoio")
    compared = await post(browser, "lab-apoio", "compare", document=changed, since="1h")
    assert "1 de 1 mensagens sairiam diferentes" in compared.text and "Patient" in compared.text
    assert "4711" not in compared.text and "Maria" not in compared.text
    assert "v2" in (await post(browser, "lab-apoio", "keep", document=changed, note="sem A01")).text
    page = await browser.get(f"{PAGE}/lab-apoio")
    assert "filters[1].action" in page.text and "sem A01" in page.text
    assert "filters" not in area(await browser.get(f"{PAGE}/lab-apoio?version=1"), "text")

    back = await post(browser, "lab-apoio", "activate", version="1")
    assert "lab-apoio v1" in back.text
    paused = (await post(browser, "lab-apoio", "pause", version="1")).text
    assert "pausado" in paused and "Reabrir com a v1" in paused and paused.count("a que reabre") == 1
    assert re.search(r">v1 <span[^>]*>a que reabre", paused), "the last that served, not the newest"
    async with world.transaction(tenant) as tx:
        assert not (await versions.version(tx, "lab-apoio")).active
    assert (await post(browser, "lab-apoio", "activate", version="1")).status_code == 200
    assert await audited(world, tenant) == [
        ("channel-put", "channel/lab-apoio/1"),
        ("channel-put", "channel/lab-apoio/2"),
        ("channel-activate", "channel/lab-apoio/1"),
        ("channel-deactivate", "channel/lab-apoio"),
        ("channel-activate", "channel/lab-apoio/1"),
    ]


@pytest.mark.parametrize(
    ("document", "line", "told"),
    [
        ('name = "his-mllp"\ndoor = "mllp"\ncolour = "red"\n', 3, "Não existe esta chave"),
        ('name = "his-mllp"\n\ndoor = "telnet"\n', 3, "não está na lista"),
        ('name = "other"\ndoor = "http"\n', 1, "não está na lista"),
        ('name = "his-mllp"\ndoor = "http"\noverlay = "nobody"\n', 3, "não pode servir"),
        ("name = \n", 1, "TOML"),
        ("", 0, "Falta esta chave"),
    ],
)
async def test_findings_stand_at_their_line(
    browser: httpx.AsyncClient, world: World, tenant: Tenant, document: str, line: int, told: str
) -> None:
    await enter(browser, world, tenant)
    for what in ("check", "keep"):
        answer = await post(browser, "his-mllp", what, document=document)
        assert answer.status_code == 422 and told in answer.text
        if line:
            assert f">Linha {line}<" in answer.text and f"{line} │ {document.splitlines()[line - 1][:6]}" in answer.text
    assert area(answer, "text") == document


async def test_a_destination_without_its_partner_is_told(
    browser: httpx.AsyncClient, world: World, tenant: Tenant
) -> None:
    await enter(browser, world, tenant)
    document = 'name = "adiante"\ndoor = "http"\n\n[[destinations]]\nname = "a"\npartner = "ninguem"\n'
    for what in ("check", "keep"):
        told = await post(browser, "adiante", what, document=document)
        assert told.status_code == 200 and "O parceiro ninguem deste destino não existe" in told.text, what


async def test_a_port_that_is_taken_is_told_at_its_line(
    browser: httpx.AsyncClient, world: World, tenant: Tenant
) -> None:
    await enter(browser, world, tenant)
    first = 'name = "um"\ndoor = "mllp"\nport = 24999\n'
    assert (await post(browser, "um", "keep", document=first)).status_code == 200
    answer = await post(browser, "dois", "keep", document=first.replace("um", "dois"))
    assert answer.status_code == 422 and ">Linha 3<" in answer.text and "já é de outro canal" in answer.text


@pytest.mark.parametrize(
    ("fields", "status"), [({"name": "Um Nome"}, 422), ({"name": "his-mllp"}, 409), ({"name": ""}, 422), ({}, 422)]
)
async def test_a_new_channel_wants_a_name_of_its_own(
    browser: httpx.AsyncClient, world: World, tenant: Tenant, fields: dict[str, str], status: int
) -> None:
    await enter(browser, world, tenant)
    answer = await browser.post(PAGE, data={**fields, "facility": "HOSP 9"})
    assert answer.status_code == status and 'value="HOSP 9"' in answer.text


async def test_what_no_form_sends(browser: httpx.AsyncClient, world: World, tenant: Tenant) -> None:
    await enter(browser, world, tenant)
    assert (await browser.post(f"{PAGE}/his-mllp/keep", data={"document": "x"})).status_code == 400
    assert (await post(browser, "his-mllp", "erase", document="x")).status_code == 404
    assert (await post(browser, "his-mllp", "activate", version="99")).status_code == 404
    assert (await post(browser, "his-mllp", "activate", version="x")).status_code == 404
    good = 'name = "his-mllp"\ndoor = "http"\n'
    assert (await post(browser, "his-mllp", "compare", document=good, since="ontem")).status_code == 422
    assert (await post(browser, "his-mllp", "test", document=good, message="")).status_code == 422
    assert (await browser.get(f"{PAGE}/his-mllp?version=7")).status_code == 404


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"name": "a", "door": "mllp", "port": "2580"}, {"name": "a", "door": "mllp", "port": 2580}),
        ({"name": "a", "door": "telnet"}, {"name": "a", "door": "mllp"}),
        ({"name": "a", "door": "folder", "path": "x"}, {"name": "a", "door": "folder", "pickup": {"path": "x"}}),
        ({"name": "a", "door": "http", "facility": "H1, ,H2"}, {"name": "a", "door": "http", "sender": {"facilities": ["H1", "H2"]}}),
    ],
)  # fmt: skip
def test_the_small_form_writes_the_document(given: dict[str, str], expected: dict[str, Any]) -> None:
    assert written(given) == expected
    assert reading.from_json(expected).name == "a"


def test_pasted_text_has_the_bytes_its_sender_would_send() -> None:
    document, latin = Document(name="a", door="http"), ADMISSION.replace("UNICODE UTF-8", "8859/1")
    assert "Conceição".encode() in candidate.typed(ADMISSION, document)
    assert "Conceição".encode("latin-1") in candidate.typed(latin, document)
    assert b"\n" not in candidate.typed(ADMISSION, document)
    assert "→".encode() in candidate.typed(latin + "→", document), "what the set does not hold is told by the trial"
    with pytest.raises(Faulty):
        candidate.read('name = "b"\ndoor = "http"\n', "a")
