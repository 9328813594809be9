"""`_content` and `_text` find the same before records are indexed, while they are due, and by the index of words."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import pytest_asyncio

from fhir.search.conditions import Words
from hub.find.conditions import words as by_index
from hub.find.conditions.words import understood
from hub.find.statement import OneTrip
from hub.records import words
from hub.store import bulk
from hub.world import Tenant, World

NOTES = {
    "a1": "Paciente com pneumonia; duas internações por asma.",
    "a2": "Internação prévia, sem febre. Nega alergia à dipirona",
    "a3": "Febre alta e pneumonia aspirativa, em uso de dipirona.",
    "a4": "Retorno: pneumonia tratada; exame 4471 normal <b>hoje</b>",
}
FOUND = {
    "pneumonia": "a1 a3 a4",
    "PNEUMONIA febre": "a3",
    "internação": "a1 a2",
    "internações": "a1 a2",
    "internacao": "a2",
    "internar": "a1 a2",
    "asma OR aspirativa": "a1 a3",
    "pneumonia -febre": "a1 a4",
    "-pneumonia": "a2",
    '"febre alta"': "a3",
    '"alta febre"': "",
    "4471": "a4",
    "pneumonia 4471": "a4",
    "pneumonia OR 9999": "a1 a3 a4",
    "dipirona": "a2 a3",
    "de": "",
    "'\\ or !": "",
    "nada": "",
}


def note(name: str, text: str) -> dict[str, Any]:
    plain = text.replace("<b>", "").replace("</b>", "")
    div = f'<div xmlns="http://www.w3.org/1999/xhtml">{text}</div>'
    return {
        "resourceType": "ClinicalImpression", "id": name, "status": "completed", "subject": {"reference": "Patient/p"}, "summary": plain,
        "text": {"status": "generated", "div": div},
    }  # fmt: skip


@pytest_asyncio.fixture
async def ward(fhir: httpx.AsyncClient) -> httpx.AsyncClient:
    await put(fhir, *(note(name, text) for name, text in NOTES.items()))
    return fhir


async def put(client: httpx.AsyncClient, *bodies: dict[str, Any]) -> None:
    entries = [{"resource": r, "request": {"method": "PUT", "url": f"{r['resourceType']}/{r['id']}"}} for r in bodies]
    done = await client.post("/fhir", json={"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert done.status_code == 200, done.text


async def ids(client: httpx.AsyncClient, **params: str) -> str:
    """All ids, page by page."""
    found, url = [], str(httpx.URL("/fhir/ClinicalImpression", params={"_count": "2", **params}))
    while url:
        answer = await client.get(url)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += [entry["resource"]["id"] for entry in page.get("entry", ())]
        url = next((link["url"] for link in page["link"] if link["relation"] == "next"), "")
    assert found == sorted(found)  # in the order of first storage
    return " ".join(found)


async def same(client: httpx.AsyncClient, state: str) -> None:
    for text, expected in FOUND.items():
        for name in ("_content", "_text"):
            assert await ids(client, **{name: text}) == expected, (state, name, text)
    counted = {"_content": "pneumonia", "_summary": "count"}
    assert (await client.get("/fhir/ClinicalImpression", params=counted)).json()["total"] == 3
    assert await ids(client, _content="pneumonia", status="completed", subject="Patient/p") == "a1 a3 a4"
    assert await ids(client, _filter="_id eq a1 or _id eq a3", _content="febre") == "a3"


async def test_every_state_finds_the_same(ward: httpx.AsyncClient, world: World, tenant: Tenant) -> None:
    await same(ward, "read")
    await words._begin(world, tenant)
    assert await due(world, tenant) == 4
    await same(ward, "due")
    assert await words.indexed(world, tenant) == 4
    assert await due(world, tenant) == 0
    await same(ward, "indexed")
    async with world.transaction(tenant) as tx:
        await tx.run("UPDATE resource SET body = json_build_object('id', id) WHERE tenant_id = $1")
    assert await ids(ward, _content="pneumonia") == "a1 a3 a4"  # nothing was read


async def due(world: World, tenant: Tenant) -> int:
    async with world.transaction(tenant) as tx:
        return int(await tx.value("SELECT count(*) FROM word_due WHERE tenant_id = $1"))


async def test_what_is_written_again_is_found_as_it_is(ward: httpx.AsyncClient, world: World, tenant: Tenant) -> None:
    await words.indexed(world, tenant)
    await put(ward, note("a1", "Alta por sarampo."), note("a9", "Pneumonia viral"))
    assert (await ward.delete("/fhir/ClinicalImpression/a3")).status_code in (200, 204)
    for state in ("due", "indexed"):
        assert await ids(ward, _content="pneumonia") == "a4 a9", state
        assert await ids(ward, _content="sarampo") == "a1", state
        assert await ids(ward, _text="sarampo OR aspirativa OR asma") == "a1", state
        assert await words.indexed(world, tenant) == (3 if state == "due" else 0)
    async with world.transaction(tenant) as tx:
        await words.again(tx, "ClinicalImpression", [row["rid"] for row in await tx.rows("SELECT rid FROM resource WHERE tenant_id = $1")])  # fmt: skip
    assert await words.indexed(world, tenant) == 5
    assert await ids(ward, _content="pneumonia") == "a4 a9"


async def test_a_version_written_meanwhile_stays_due(ward: httpx.AsyncClient, world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    """The job has read a record when it is written again: what it indexes is old, and is not taken for current."""
    insert, once = bulk.insert, iter([note("a1", "Alta por sarampo.")])

    async def meanwhile(*args: Any) -> Any:
        for body in once:
            await put(ward, body)
        return await insert(*args)

    monkeypatch.setattr(bulk, "insert", meanwhile)
    await words._begin(world, tenant)
    await words._batch(world, tenant)
    monkeypatch.undo()
    assert await due(world, tenant) == 1
    assert (await ids(ward, _content="pneumonia"), await ids(ward, _content="sarampo")) == ("a3 a4", "a1")


async def test_other_tenants_words_are_not_found(
    ward: httpx.AsyncClient, world: World, tenant: Tenant, other_tenant: Tenant, client_for: Any
) -> None:
    other = await client_for(other_tenant)
    await put(other, note("b1", "Outra pneumonia"))
    for each in (tenant, other_tenant):
        await words.indexed(world, each)
    assert await ids(ward, _content="pneumonia") == "a1 a3 a4"
    assert await ids(other, _content="pneumonia") == "b1"


@pytest.mark.parametrize(
    ("query", "tree", "exact"),
    [
        ("'febr'", "febr", True),
        ("'febr' & 'alta'", ("&", ("febr", "alta")), True),
        ("'febr' & ( 'alta' | 'tos' )", ("&", ("febr", ("|", ("alta", "tos")))), True),
        ("'febr' <-> 'alta'", ("&", ("febr", "alta")), False),
        ("'febr' & !'alta'", "febr", False),
        ("'febr' & !( 'alta' | 'tos' )", "febr", False),
        ("'febr' | !'alta'", None, False),
        ("!'alta'", None, False),
        ("'febr' & '4471'", "febr", False),
        ("'febr' | '4471'", None, False),
        ("'febr' | 'febr'", "febr", True),
        ("'o''brien' & 'jos\\\\e'", None, False),
        ("'çã' & 'coraçã' & 'hba1c' & 'hl7.org' & '1a'", ("&", ("coraçã", "hba1c")), False),
    ],
)
def test_what_a_query_needs(query: str, tree: Any, exact: bool) -> None:
    assert understood(query) == (tree, exact)


async def test_a_question_of_stop_words_finds_nothing(ward: httpx.AsyncClient, world: World, tenant: Tenant) -> None:
    assert (
        await by_index.told(OneTrip(world, tenant), Words("ClinicalImpression", "de para com", narrative=False)) is None
    )
