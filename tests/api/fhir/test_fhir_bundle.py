"""transaction and batch (R4 §3.1.0.11): links, conditions, order, atomicity, and the entry named in every refusal."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest

from hub.store.database import Database, Transaction

URN = "urn:uuid:05efabf0-4be2-4561-91ce-51548425acb9"


def patient(number: str) -> dict[str, Any]:
    return {"resourceType": "Patient", "identifier": [{"system": "urn:x", "value": number}]}


def observation_of(subject: str) -> dict[str, Any]:
    return {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "subject": {"reference": subject}}


def post(type_name: str, resource: dict[str, Any], **rest: Any) -> dict[str, Any]:
    return {**rest, "resource": resource, "request": {"method": "POST", "url": type_name}}


def bundle(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "transaction", "entry": list(entries)}


async def send(client: httpx.AsyncClient, document: dict[str, Any], **headers: str) -> httpx.Response:
    return await client.post("/fhir", json=document, headers=headers)


async def test_entries_without_full_url_are_named_by_their_ids(fhir: httpx.AsyncClient) -> None:
    """Bundles of older clients: no fullUrl, references by the ids that the created ones had where they come from."""
    entries = (post("Observation", observation_of("Patient/old")), post("Patient", {**patient("1"), "id": "old"}))
    done = await send(fhir, bundle(*entries))
    assert done.status_code == 200, done.text
    place, other = (e["response"]["location"].split("/fhir/")[1].split("/_history")[0] for e in done.json()["entry"])
    assert (await fhir.get("/fhir/" + place)).json()["subject"]["reference"] == other != "Patient/old"


async def test_links_are_resolved_everywhere(fhir: httpx.AsyncClient) -> None:
    document = {
        "resourceType": "DocumentReference", "status": "current", "content": [{"attachment": {"url": URN}}],
        "text": {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><a href="{URN}">x</a></div>'},
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": URN}],
        "extension": [{"url": "http://example.org/e", "valueUri": URN}, {"url": "http://example.org/s", "valueString": URN}],
        "contained": [{"resourceType": "Observation", "id": "c", "status": "final", "code": {"text": "x"}, "subject": {"reference": URN}}],
        "subject": {"reference": URN}, "context": {"related": [{"reference": "#c"}]},
    }  # fmt: skip
    done = await send(fhir, bundle(post("DocumentReference", document), post("Patient", patient("1"), fullUrl=URN)))
    assert done.status_code == 200, done.text
    response = [e["response"] for e in done.json()["entry"]]
    assert [r["status"] for r in response] == ["201 Created"] * 2
    place = response[1]["location"].split("/fhir/")[1].split("/_history")[0]
    stored = (await fhir.get("/fhir/" + response[0]["location"].split("/fhir/")[1])).json()
    assert stored["subject"]["reference"] == stored["contained"][0]["subject"]["reference"] == place
    assert stored["content"][0]["attachment"]["url"] == stored["extension"][0]["valueUri"] == place
    assert f'href="{place}"' in stored["text"]["div"]
    assert stored["extension"][1]["valueString"] == stored["identifier"][0]["value"] == URN


async def test_server_like_full_urls(fhir: httpx.AsyncClient) -> None:
    entries = [
        post("Observation", observation_of("Patient/temp"), fullUrl="http://old.example/fhir/Observation/9"),
        post("Patient", patient("1"), fullUrl="http://old.example/fhir/Patient/temp"),
    ]
    done = await send(fhir, bundle(*entries), prefer="return=representation")
    made = [e["resource"] for e in done.json()["entry"]]
    assert made[0]["subject"]["reference"] == f"Patient/{made[1]['id']}"


async def test_all_methods_in_any_order(fhir: httpx.AsyncClient) -> None:
    for identity in ("old", "keep"):
        await fhir.put(f"/fhir/Patient/{identity}", json={**patient(identity), "id": identity})
    done = await send(
        fhir,
        bundle(
            {"request": {"method": "GET", "url": "Patient?identifier=urn:x|new&_total=accurate"}},
            {"request": {"method": "GET", "url": "Patient/keep"}},
            {"request": {"method": "GET", "url": "Patient/keep/_history/1"}},
            {
                "request": {"method": "PUT", "url": "Patient/keep", "ifMatch": 'W/"1"'},
                "resource": {**patient("keep2"), "id": "keep"},
            },
            post("Patient", patient("new")),
            {"request": {"method": "DELETE", "url": "Patient/old"}},
            {"request": {"method": "DELETE", "url": "Patient?identifier=urn:x|nobody"}},
        ),
    )
    assert done.status_code == 200, done.text
    entries = done.json()["entry"]
    assert [e["response"]["status"][:3] for e in entries] == ["200", "200", "200", "200", "201", "204", "204"]
    assert entries[0]["resource"]["total"] == 1
    assert entries[1]["resource"]["identifier"][0]["value"] == "keep2"
    assert entries[2]["resource"]["identifier"][0]["value"] == "keep"
    assert (await fhir.get("/fhir/Patient/old")).status_code == 410


async def test_conditions_inside(fhir: httpx.AsyncClient) -> None:
    condition = {"ifNoneExist": "identifier=urn:x|a"}
    first = post("Patient", patient("a"), fullUrl=URN)
    first["request"] |= condition
    twin = post("Patient", patient("a"), fullUrl="urn:uuid:1f0e5a52-9b3e-4b94-8a3f-2d4f13f1c0aa")
    twin["request"] |= condition
    one = await send(
        fhir, bundle(first, twin, post("Observation", observation_of(URN))), prefer="return=representation"
    )
    made = [e["resource"] for e in one.json()["entry"]]
    assert made[0]["id"] == made[1]["id"] and made[2]["subject"]["reference"] == f"Patient/{made[0]['id']}"
    again = await send(fhir, bundle(first, post("Observation", observation_of(URN))))
    assert [e["response"]["status"][:3] for e in again.json()["entry"]] == ["200", "201"]
    by_query = await send(
        fhir, bundle(post("Observation", observation_of("Patient?identifier=urn:x|a"))), prefer="return=representation"
    )
    assert by_query.json()["entry"][0]["resource"]["subject"]["reference"] == f"Patient/{made[0]['id']}"
    update = {"request": {"method": "PUT", "url": "Patient?identifier=urn:x|a"}}
    update["resource"] = {**patient("a"), "active": True}
    assert (await send(fhir, bundle(update))).json()["entry"][0]["response"]["etag"] == 'W/"2"'


WRONG: dict[str, tuple[int, dict[str, Any]]] = {
    "invalid resource": (422, post("Patient", {"resourceType": "Patient", "gender": "banana"})),
    "unresolved": (400, post("Observation", observation_of("urn:uuid:6b0a0f67-0000-4000-8000-000000000000"))),
    "nobody": (412, post("Observation", observation_of("Patient?identifier=urn:x|nobody"))),
    "bad condition": (400, post("Observation", observation_of("Patient?colour=red"))),
    "stale": (412, {"request": {"method": "PUT", "url": "Patient/z", "ifMatch": 'W/"9"'}, "resource": {**patient("z"), "id": "z"}}),
    "patch": (400, {"request": {"method": "PATCH", "url": "Patient/z"}}),
    "no such type": (404, {"request": {"method": "GET", "url": "Nothing/1"}}),
    "no such address": (400, {"request": {"method": "GET", "url": "nothing/1"}}),
    "no request": (400, {"fullUrl": "urn:uuid:6b0a0f67-0000-4000-8000-000000000001", "resource": patient("z")}),
    "other type": (400, {"request": {"method": "POST", "url": "Observation"}, "resource": patient("z")}),
    "no resource": (400, {"request": {"method": "POST", "url": "Observation"}}),
    "id mismatch": (400, {"request": {"method": "PUT", "url": "Patient/z"}, "resource": {**patient("z"), "id": "y"}}),
    "missing read": (404, {"request": {"method": "GET", "url": "Patient/nobody"}}),
    "bad search": (400, {"request": {"method": "GET", "url": "Patient?birthdate=never"}}),
    "delete all": (412, {"request": {"method": "DELETE", "url": "Patient"}}),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
async def test_one_bad_entry_undoes_all_and_is_named(fhir: httpx.AsyncClient, name: str) -> None:
    status, entry = WRONG[name]
    good = [post("Patient", patient(f"g{n}")) for n in range(3)]
    answer = await send(fhir, bundle(*good, entry))
    assert answer.status_code == status, answer.text
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert all(issue["expression"][0].startswith("Bundle.entry[3]") for issue in answer.json()["issue"])
    assert (await fhir.get("/fhir/Patient?_summary=count")).json()["total"] == 0
    batch = await send(fhir, {**bundle(*good, entry), "type": "batch"})
    if name == "no request":
        return
    assert batch.status_code == 200, batch.text
    entries = batch.json()["entry"]
    alone = 404 if name == "no such address" else status  # as the same request by itself
    assert [e["response"]["status"][:3] for e in entries] == ["201", "201", "201", str(alone)]
    assert entries[3]["response"]["outcome"]["resourceType"] == "OperationOutcome"
    assert (await fhir.get("/fhir/Patient?_summary=count")).json()["total"] == 3


async def test_place_inside_the_resource(fhir: httpx.AsyncClient) -> None:
    answer = await send(fhir, bundle(post("Patient", {"resourceType": "Patient", "gender": "banana"})))
    assert answer.json()["issue"][0]["expression"] == ["Bundle.entry[0].resource.gender"]


async def test_two_entries_for_one_record(fhir: httpx.AsyncClient) -> None:
    put = {"request": {"method": "PUT", "url": "Patient/z"}, "resource": {**patient("z"), "id": "z"}}
    answer = await send(fhir, bundle(put, {"request": {"method": "DELETE", "url": "Patient/z"}}))
    assert answer.status_code == 400 and "entry[0]" in answer.json()["issue"][0]["expression"][0]


async def test_one_full_url_for_two_records(fhir: httpx.AsyncClient) -> None:
    """bdl-7: what a reference to it means would be anybody's guess."""
    answer = await send(fhir, bundle(*(post("Patient", patient(n), fullUrl=URN) for n in "12")))
    assert answer.status_code == 400 and answer.json()["issue"][0]["expression"] == ["Bundle.entry[1]"]
    same = post("Patient", patient("3"), fullUrl=URN)
    same["request"]["ifNoneExist"] = "identifier=urn:x|3"
    assert (await send(fhir, bundle(same, same))).status_code == 200


async def test_frames(fhir: httpx.AsyncClient) -> None:
    for document in (
        {"resourceType": "Bundle", "type": "document"}, {"resourceType": "Patient"}, {"resourceType": "Bundle"},
        {"resourceType": "Bundle", "type": "transaction", "entry": {}},
        {"resourceType": "Bundle", "type": "transaction", "entry": [1]},
        {"resourceType": "Bundle", "type": "transaction", "colour": "red"},
        {"resourceType": "Bundle", "type": "batch", "entry": [None]},
    ):  # fmt: skip
        answer = await send(fhir, document)
        assert answer.status_code == 400, (document, answer.text)
    empty = await send(fhir, {"resourceType": "Bundle", "type": "transaction"})
    assert empty.status_code == 200 and empty.json() == {"resourceType": "Bundle", "type": "transaction-response"}


async def test_a_stored_bundle_keeps_its_own_links(fhir: httpx.AsyncClient) -> None:
    inner = {"resourceType": "Bundle", "type": "collection", "entry": [
        {"fullUrl": URN, "resource": patient("1")}, {"fullUrl": "urn:uuid:transient-2", "resource": observation_of(URN)}]}  # fmt: skip
    assert (await fhir.post("/fhir/Bundle", json=inner)).status_code == 201
    done = await send(
        fhir, bundle(post("Bundle", inner), post("Patient", patient("2"), fullUrl=URN)), prefer="return=representation"
    )
    assert done.json()["entry"][0]["resource"]["entry"] == inner["entry"]
    dangling = await fhir.post(
        "/fhir/Observation", json=observation_of("urn:uuid:6b0a0f67-0000-4000-8000-000000000000")
    )
    assert dangling.status_code == 201


async def test_a_compartment_is_searched_in_a_transaction(fhir: httpx.AsyncClient) -> None:
    """By its address alone, like any other search: what the transaction itself writes is found."""
    await fhir.put("/fhir/Patient/p", json={**patient("1"), "id": "p"})
    get = [{"request": {"method": "GET", "url": url}} for url in ("Patient/p/Observation?status=final", "Patient/_search?_id=p")]  # fmt: skip
    done = await send(fhir, bundle(*get, post("Observation", observation_of("Patient/p"))))
    assert [entry.get("resource", {}).get("total") for entry in done.json()["entry"]] == [1, 1, None]
    (link,) = done.json()["entry"][0]["resource"]["link"]
    assert link["url"].endswith("/fhir/Patient/p/Observation?status=final")
    for wrong, status in (("Patient/p/Location", 404), ("Location/p/Observation", 404), ("Patient/p/X", 400)):
        answer = await send(fhir, bundle({"request": {"method": "GET", "url": wrong}}))
        assert answer.status_code == status, wrong
        assert answer.json()["issue"][0]["expression"] == ["Bundle.entry[0].request.url"]


def breaking(monkeypatch: pytest.MonkeyPatch, which: int) -> None:
    """The server ends the connection of the transaction number `which` within it."""
    plain, begun = Database.transaction, iter(range(1, 1000))

    @contextlib.asynccontextmanager
    async def ours(self: Database, tenant: UUID, *, wide: bool = False) -> AsyncIterator[Transaction]:
        async with plain(self, tenant, wide=wide) as tx:
            if next(begun) == which:
                await tx.run("SELECT pg_terminate_backend(pg_backend_pid()) WHERE $1::uuid IS NOT NULL")
            yield tx

    monkeypatch.setattr(Database, "transaction", ours)


async def test_a_batch_whose_database_breaks_tells_what_was_done(
    fhir: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = {**bundle(*(post("Patient", patient(str(number))) for number in range(4))), "type": "batch"}
    breaking(monkeypatch, 3)
    done = await send(fhir, document)
    assert done.status_code == 200
    told = [entry["response"] for entry in done.json()["entry"]]
    assert [response["status"][:3] for response in told] == ["201", "201", "503", "503"]
    assert {response["outcome"]["issue"][0]["code"] for response in told[2:]} == {"transient"}
    found = (await fhir.get("/fhir/Patient?identifier=urn:x|")).json()
    assert found["total"] == 2


async def test_a_batch_that_could_not_begin_is_refused_as_a_whole(
    fhir: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaking(monkeypatch, 1)
    done = await send(fhir, {**bundle(post("Patient", patient("1")), post("Patient", patient("2"))), "type": "batch"})
    assert done.status_code == 503
    assert done.headers["retry-after"]
    assert (await fhir.get("/fhir/Patient?identifier=urn:x|")).json()["total"] == 0
