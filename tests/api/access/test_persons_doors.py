"""One person's data by API and page: who saw it, the copy, blocks; and the audit trail as its page tells it."""

from __future__ import annotations

import datetime
import io
import re
import zipfile

import httpx
import pytest

from hub.guard import audit, tokens
from hub.operate import events
from hub.operate.events import Wanted
from hub.world import Tenant, World
from tests.api.conftest import NewClient
from tests.api.fhir.test_bulk_narrow import ward

CPF = "https://saude.gov.br/fhir/sid/cpf"


async def known(fhir: httpx.AsyncClient) -> None:
    """The ward, whose patient p has a CPF."""
    await ward(fhir)
    patient = {"resourceType": "Patient", "id": "p", "identifier": [{"system": CPF, "value": "52998224725"}]}
    assert (await fhir.put("/fhir/Patient/p", json=patient)).status_code == 200


async def test_by_api(
    world: World, tenant: Tenant, other_tenant: Tenant, fhir: httpx.AsyncClient, client_for: NewClient
) -> None:
    await known(fhir)
    officer, looks = await client_for(tenant, ["persons/write"]), await client_for(tenant, ["persons/read"])
    theirs, who = await client_for(other_tenant, ["persons/write"]), {"person": "52998224725"}
    for act in ("block", "unblock", "accesses", "export"):
        place = f"/api/v1/persons/{act}"
        assert (await fhir.post(place, json=who)).status_code == 403, "the records' scopes are not enough"
        assert (await theirs.post(place, json=who)).status_code == 404
        assert (await theirs.post(place, json={"person": "Patient/p"})).status_code == 404
        assert (await looks.post(place, json=who)).status_code == (200 if act == "accesses" else 403)
        assert (await officer.post(place, json={"person": ""})).status_code == 400
        assert (await officer.post(place, json={"person": "a\0b"})).status_code in (400, 422)
    assert (await officer.post("/api/v1/persons/block", json=who)).json() == {"patients": ["p"]}
    assert (await (await client_for(tenant)).get("/fhir/Patient/p")).status_code == 404
    (block,) = (await looks.get("/api/v1/persons/blocked")).json()["persons"]
    assert block["patients"] == ["p"] and block["by"] == "test" and block["at"]
    assert (await theirs.get("/api/v1/persons/blocked")).json() == {"persons": []}
    copy = await officer.post("/api/v1/persons/export", json=who)
    names = zipfile.ZipFile(io.BytesIO(copy.content)).namelist()
    assert "registros.ndjson" in names and copy.headers["cache-control"] == "no-store"
    assert (await officer.post("/api/v1/persons/unblock", json=who)).status_code == 200
    assert (await officer.post("/api/v1/persons/unblock", json=who)).status_code == 409
    found = (await looks.post("/api/v1/persons/accesses", json=who)).json()
    assert {"person-block", "person-export", "person-unblock", "update"} <= {e["action"] for e in found["events"]}
    assert found["more"] is None


async def test_a_page_looks_at_so_many_and_goes_on(
    world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_WALK", "_EDGE"):  # the numbers of a big house, smaller
        smaller = getattr(events, name).replace(str(events.LOOKED_AT), "10").replace(str(events.LOOKED_AT - 1), "9")
        monkeypatch.setattr(events, name, smaller)
    async with world.transaction(tenant) as tx:
        await audit.note_all(tx, [("rare", "read", "Patient/x", "success")])
        await audit.note_all(tx, [("usual", "read", f"Patient/{n}", "success") for n in range(24)])
    seen: list[events.Event] = []
    before, pages = None, 0
    async with world.transaction(tenant) as tx:
        while pages == 0 or before is not None:
            page = await events.page(tx, Wanted(actor="rare", before=before), 5)
            assert (page.looked_to is not None) == (page.more is not None), "fewer than asked for: it says so"
            seen, before, pages = [*seen, *page.events], page.more, pages + 1
        assert [event.entity for event in seen] == ["Patient/x"] and pages >= 3
        full = await events.page(tx, Wanted(actor="usual"), 5)
        assert [event.entity for event in full.events] == [f"Patient/{n}" for n in range(23, 18, -1)]
        assert full.more == full.events[-1].seq and full.looked_to is None


async def test_times(world: World, tenant: Tenant) -> None:
    now, hour = world.now(), datetime.timedelta(hours=1)
    insert = "INSERT INTO audit_event (tenant_id, at, actor, action, entity, outcome) VALUES ($1, $2, 'x', 'read', $3, 'success')"
    async with world.transaction(tenant) as tx:
        for n in range(60):  # each an hour after the one before, two of them with a time that strays
            await tx.run(insert, _at(now, n), f"Patient/{n}")
        for since, until in ((10, 20), (1, 2), (57, 59), (0, 70)):
            wanted = Wanted(actor="x", since=now + since * hour, until=now + until * hour)
            page = await events.page(tx, wanted, 100)
            meant = {f"Patient/{n}" for n in range(60) if wanted.since <= _at(now, n) < wanted.until}  # type: ignore[operator]
            assert {event.entity for event in page.events} == meant and page.more is None, (since, until)


def _at(now: datetime.datetime, n: int) -> datetime.datetime:
    return now + datetime.timedelta(hours=n + 1) + datetime.timedelta(minutes=30 if n % 30 == 7 else 0)


async def test_by_page(
    world: World, tenant: Tenant, other_tenant: Tenant, fhir: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    await known(fhir)
    async with world.transaction(other_tenant) as tx:
        await audit.note(tx, "user:theirs", "read", "Patient/theirs")
    token = await tokens.issue(
        world, tenant, "dpo", roles=[], scopes=["console/read", "persons/write", "system/AuditEvent.rs"]
    )
    assert (await stranger.post("/console/login", data={"token": token})).status_code == 303
    stranger.headers["accept-language"] = "pt"
    page = (await stranger.post("/console/persons/look", data={"person": "52998224725"})).text
    assert "Patient/p" in page and "1 Patient" in page and "registro alterado" in page and "52998224725" not in page
    wrong = await stranger.post("/console/persons/look", data={"person": "1"})
    assert wrong.status_code == 404 and "Confira CPF" in wrong.text
    assert "Bloqueada:" in (await stranger.post("/console/persons/block", data={"person": "52998224725"})).text
    page = (await stranger.get("/console/persons")).text
    assert "Encerrar bloqueio" in page and "dpo" in page
    copy = await stranger.post("/console/persons/export", data={"person": "Patient/p"})
    assert copy.headers["content-type"] == "application/zip" and copy.headers["cache-control"] == "no-store"

    asked = {"person": "52998224725", "actor": "dpo", "action": "person-block", "since": "1h", "outcome": "success"}
    sent = await stranger.post("/console/trail?lang=pt", data=asked)
    assert sent.status_code == 303 and "person=Patient%2Fp&" in sent.headers["location"], "no number in an address"
    found = (await stranger.get(sent.headers["location"])).text
    assert len(re.findall(r'<th scope="row">dpo', found)) == 1 and "Patient/p" in found
    whole = (await stranger.get("/console/trail?lang=pt&check=1")).text
    assert "theirs" not in whole and "acessos de uma pessoa consultados" in whole
    async with world.transaction(tenant) as tx:
        await audit.seal(tx)
    assert "Lacres recalculados que conferem: 1." in (await stranger.get("/console/trail?lang=pt&check=1")).text
    for odd in ("since=amanhã", "until=99999999d", "before=x", "person=Patient/none", "actor=a%00b"):
        answer = await stranger.get(f"/console/trail?{odd}")
        assert answer.status_code in (200, 404, 422), odd
