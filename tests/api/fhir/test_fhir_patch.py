"""patch (R4 §3.1.0.7): JSON Patch and FHIRPath Patch, alone, by condition and in a transaction; policies of a tenant."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import json
from typing import Any

import httpx
import pytest

from hub.records.requests.acting import Actor
from hub.records.requests.bundle import transact
from hub.records.requests.entry import Entry, Failed
from hub.world import Tenant, World

JSON_PATCH = {"content-type": "application/json-patch+json"}
PATIENT: dict[str, Any] = {
    "resourceType": "Patient", "id": "p", "active": True, "identifier": [{"system": "urn:x", "value": "1"}],
    "name": [{"family": "Souza", "given": ["Ana", "Rita"]}], "multipleBirthInteger": 2,
    "contact": [{"name": {"text": "Rui"}, "gender": "male", "telecom": [{"system": "phone", "value": "1"}]}],
}  # fmt: skip


def operation(kind: str, path: str, **parts: Any) -> dict[str, Any]:
    """One operation of a FHIRPath Patch; `value` is given as a JSON member such as `valueCode`."""
    part: list[dict[str, Any]] = [{"name": "type", "valueCode": kind}, {"name": "path", "valueString": path}]
    for name, value in parts.items():
        if name.startswith("value"):
            part.append({"name": "value", name: value})
        elif name == "part":
            part.append({"name": "value", "part": value})
        else:
            part.append({"name": name, ("valueString" if isinstance(value, str) else "valueInteger"): value})
    return {"name": "operation", "part": part}


def parameters(*operations: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Parameters", "parameter": list(operations)}


JSON_PATCHES: dict[str, tuple[list[dict[str, Any]], dict[str, Any]]] = {
    "add": ([{"op": "add", "path": "/gender", "value": "female"}], {"gender": "female"}),
    "append": ([{"op": "add", "path": "/name/0/given/-", "value": "Z"}], {"name": [{"family": "Souza", "given": ["Ana", "Rita", "Z"]}]}),
    "insert": ([{"op": "add", "path": "/name/0/given/0", "value": "Z"}], {"name": [{"family": "Souza", "given": ["Z", "Ana", "Rita"]}]}),
    "test and replace": ([{"op": "test", "path": "/active", "value": True}, {"op": "replace", "path": "/active", "value": False}], {"active": False}),
    "move": ([{"op": "move", "from": "/name/0/given/1", "path": "/name/0/given/0"}], {"name": [{"family": "Souza", "given": ["Rita", "Ana"]}]}),
    "copy": ([{"op": "copy", "from": "/name/0/given/1", "path": "/name/0/family"}], {"name": [{"family": "Rita", "given": ["Ana", "Rita"]}]}),
    "remove": ([{"op": "remove", "path": "/name/0/given/0"}], {"name": [{"family": "Souza", "given": ["Rita"]}]}),
}  # fmt: skip
PATH_PATCHES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "add": (operation("add", "Patient", name="birthDate", valueDate="1980-02-29"), {"birthDate": "1980-02-29"}),
    "add to list": (operation("add", "Patient.name[0]", name="given", valueString="Z"), {"name": [{"family": "Souza", "given": ["Ana", "Rita", "Z"]}]}),
    "insert": (operation("insert", "Patient.name.given", index=1, valueString="Z"), {"name": [{"family": "Souza", "given": ["Ana", "Z", "Rita"]}]}),
    "delete": (operation("delete", "Patient.name.given[0]"), {"name": [{"family": "Souza", "given": ["Rita"]}]}),
    "delete all of an object": (operation("delete", "Patient.contact[0].name.text"), {"contact": [{"gender": "male", "telecom": [{"system": "phone", "value": "1"}]}]}),
    "delete nothing": (operation("delete", "Patient.birthDate"), {}),
    "replace": (operation("replace", "Patient.identifier.where(system = 'urn:x' and value = '1').value", valueString="2"), {"identifier": [{"system": "urn:x", "value": "2"}]}),
    "replace a choice": (operation("replace", "Patient.multipleBirth", valueBoolean=True), {"multipleBirthBoolean": True, "multipleBirthInteger": None}),
    "move": (operation("move", "Patient.name.first().given", source=1, destination=0), {"name": [{"family": "Souza", "given": ["Rita", "Ana"]}]}),
    "parts": (operation("add", "Patient", name="contact", part=[{"name": "gender", "valueCode": "male"}, {"name": "name", "valueHumanName": {"family": "X"}}]),
              {"contact": [*PATIENT["contact"], {"gender": "male", "name": {"family": "X"}}]}),
}  # fmt: skip


async def check(client: httpx.AsyncClient, answer: httpx.Response, changed: dict[str, Any]) -> None:
    assert answer.status_code == 200, answer.text
    stored = (await client.get("/fhir/Patient/p")).json()
    assert stored["meta"]["versionId"] == ("2" if changed else "1") and answer.json() == stored
    wanted = {k: v for k, v in {**PATIENT, **changed}.items() if v is not None}
    assert {k: v for k, v in stored.items() if k != "meta"} == wanted


@pytest.mark.parametrize("name", JSON_PATCHES)
async def test_json_patch(fhir: httpx.AsyncClient, name: str) -> None:
    await fhir.put("/fhir/Patient/p", json=PATIENT)
    patch, changed = JSON_PATCHES[name]
    await check(fhir, await fhir.patch("/fhir/Patient/p", content=json.dumps(patch), headers=JSON_PATCH), changed)


@pytest.mark.parametrize("name", PATH_PATCHES)
async def test_path_patch(fhir: httpx.AsyncClient, name: str) -> None:
    await fhir.put("/fhir/Patient/p", json=PATIENT)
    patch, changed = PATH_PATCHES[name]
    await check(fhir, await fhir.patch("/fhir/Patient/p", json=parameters(patch)), changed)


@pytest.mark.parametrize(
    ("status", "patch"),
    [
        (400, [{"op": "remove", "path": "/nothing"}]), (400, [{"op": "add", "path": "/name/9", "value": {}}]), (400, {"op": "add"}),
        (400, [{"op": "colour", "path": "/active"}]), (400, [{"path": "/active"}]), (400, "x"), (400, [{"op": "add", "path": "active", "value": 1}]),
        (400, [{"op": "add", "path": "/name/-1", "value": {}}]), (400, [{"op": "move", "from": "/name", "path": "/name/0/x"}]), (400, [1]),
        (422, [{"op": "test", "path": "/active", "value": False}]), (422, [{"op": "add", "path": "/gender", "value": "banana"}]),
        (422, [{"op": "replace", "path": "/id", "value": "q"}]), (422, [{"op": "replace", "path": "", "value": {"resourceType": "Group", "id": "p"}}]),
        (400, parameters(operation("add", "Patient", name="colour", valueString="red"))), (400, parameters(operation("replace", "Patient.birthDate", valueDate="2000"))),
        (400, parameters(operation("insert", "Patient.name.given", index=9, valueString="Z"))), (400, parameters({"name": "operation"})),
        (400, parameters(operation("delete", "Patient.name.where(given.exists())"))), (400, parameters(operation("delete", "Patient..(("))),
    ],
)  # fmt: skip
async def test_what_does_not_apply(fhir: httpx.AsyncClient, status: int, patch: Any) -> None:
    await fhir.put("/fhir/Patient/p", json=PATIENT)
    kind = JSON_PATCH if isinstance(patch, list) else {"content-type": "application/fhir+json"}
    answer = await fhir.patch("/fhir/Patient/p", content=json.dumps(patch), headers=kind)
    assert answer.status_code == status, answer.text
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert (await fhir.get("/fhir/Patient/p")).json()["meta"]["versionId"] == "1"


XML_PATCH = {"content-type": "application/xml-patch+xml"}


async def test_xml_patch(fhir: httpx.AsyncClient) -> None:
    await fhir.put("/fhir/Patient/p", json=PATIENT)
    patch = '<diff xmlns:f="http://hl7.org/fhir"><add sel="f:Patient"><f:gender value="{0}"/></add></diff>'
    for status, text in ((422, patch.format("banana")), (400, patch.replace("f:Patient", "f:Group")), (400, "<x/>")):
        answer = await fhir.patch("/fhir/Patient/p", content=text, headers=XML_PATCH)
        assert answer.status_code == status and answer.json()["resourceType"] == "OperationOutcome"
    identity = '<diff><replace sel="Patient/id/@value">q</replace></diff>'
    assert (await fhir.patch("/fhir/Patient/p", content=identity, headers=XML_PATCH)).status_code == 422
    await check(
        fhir,
        await fhir.patch("/fhir/Patient/p", content=patch.format("female"), headers=XML_PATCH),
        {"gender": "female"},
    )


async def test_xml_patch_in_a_transaction(fhir: httpx.AsyncClient) -> None:
    await fhir.put("/fhir/Patient/p", json=PATIENT)
    for text, status in ((b'<diff><replace sel="Patient/active/@value">false</replace></diff>', 200), (b"<diff", 400)):
        binary = {
            "resourceType": "Binary",
            "contentType": XML_PATCH["content-type"],
            "data": base64.b64encode(text).decode(),
        }
        entry = {"resource": binary, "request": {"method": "PATCH", "url": "Patient/p"}}
        answer = await fhir.post("/fhir", json={"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
        assert answer.status_code == status, answer.text
    assert answer.json()["issue"][0]["expression"] == ["Bundle.entry[0].resource"]
    assert (await fhir.get("/fhir/Patient/p")).json()["active"] is False


async def test_conditions(fhir: httpx.AsyncClient) -> None:
    await fhir.put("/fhir/Patient/p", json=PATIENT)
    patch = json.dumps([{"op": "add", "path": "/gender", "value": "male"}])
    stale = await fhir.patch("/fhir/Patient/p", content=patch, headers={**JSON_PATCH, "if-match": 'W/"7"'})
    assert stale.status_code == 412
    found = await fhir.patch("/fhir/Patient?identifier=urn:x|1", content=patch, headers=JSON_PATCH)
    assert found.status_code == 200 and found.json()["gender"] == "male"
    assert (await fhir.patch("/fhir/Patient?identifier=9", content=patch, headers=JSON_PATCH)).status_code == 404
    assert (await fhir.patch("/fhir/Patient", content=patch, headers=JSON_PATCH)).status_code == 412
    assert (await fhir.patch("/fhir/Patient/nobody", content=patch, headers=JSON_PATCH)).status_code == 404
    await fhir.put("/fhir/Patient/q", json={**PATIENT, "id": "q"})
    assert (await fhir.patch("/fhir/Patient?identifier=1", content=patch, headers=JSON_PATCH)).status_code == 412
    await fhir.delete("/fhir/Patient/q")
    assert (await fhir.patch("/fhir/Patient/q", content=patch, headers=JSON_PATCH)).status_code == 410


async def test_fifty_patches_lose_nothing(fhir: httpx.AsyncClient) -> None:
    await fhir.put("/fhir/Patient/p", json=PATIENT)
    answers = await asyncio.gather(
        *(fhir.patch("/fhir/Patient/p", json=parameters(operation("add", "Patient.name[0]", name="given", valueString=f"n{n}")))
          for n in range(50))
    )  # fmt: skip
    assert [a.status_code for a in answers] == [200] * 50
    assert len((await fhir.get("/fhir/Patient/p")).json()["name"][0]["given"]) == 52


async def test_in_a_transaction(fhir: httpx.AsyncClient) -> None:
    await fhir.put("/fhir/Patient/p", json=PATIENT)
    await fhir.put("/fhir/Patient/q", json={**PATIENT, "id": "q", "identifier": [{"system": "urn:x", "value": "2"}]})
    raw = base64.b64encode(b'[{"op": "add", "path": "/gender", "value": "male"}]').decode()
    binary = {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": raw}
    entries = [
        {"request": {"method": "PATCH", "url": "Patient/p"}, "resource": binary},
        {"request": {"method": "PATCH", "url": "Patient?identifier=urn:x|2"}, "resource": parameters(operation("add", "Patient", name="gender", valueCode="female"))},
    ]  # fmt: skip
    done = await fhir.post("/fhir", json={"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert [e["response"]["status"] for e in done.json()["entry"]] == ["200 OK"] * 2, done.text
    genders = [(await fhir.get(f"/fhir/Patient/{i}")).json()["gender"] for i in "pq"]
    assert genders == ["male", "female"]
    bad = {"request": {"method": "PATCH", "url": "Patient/q"}, "resource": {**binary, "data": "!"}}
    failed = await fhir.post(
        "/fhir", json={"resourceType": "Bundle", "type": "transaction", "entry": [entries[0], bad]}
    )
    assert failed.status_code == 400 and failed.json()["issue"][0]["expression"][0].startswith("Bundle.entry[1]")


async def test_policies(fhir: httpx.AsyncClient, world: World, tenant: Tenant) -> None:
    """A tenant may forbid ids chosen by clients, and let one conditional delete remove several records."""
    for identity in ("a", "b", "c"):
        await fhir.put(f"/fhir/Patient/{identity}", json={**PATIENT, "id": identity})
    assert (await fhir.delete("/fhir/Patient?identifier=urn:x|1")).status_code == 412
    assert (
        await fhir.put("/fhir/Patient/a", json={**PATIENT, "id": "a"}, headers={"if-none-match": "*"})
    ).status_code == 412
    settings: dict[str, Any] = {"update_create": False, "delete_most": 2}
    strict = dataclasses.replace(tenant, settings={"fhir": settings})
    actor = Actor(tenant=strict, subject="test", permits=lambda *_: True)
    new = Entry(method="PUT", type_name="Patient", id="new", resource={**PATIENT, "id": "new"}, alone=True)
    delete = Entry(method="DELETE", type_name="Patient", query="identifier=urn:x|1")
    for entry, kind in ((new, "not-allowed"), (delete, "precondition")):
        with pytest.raises(Failed) as caught:
            await transact(world, actor, [entry])
        assert getattr(caught.value.causes[0], "kind", "") == kind
    settings["delete_most"] = 3
    (done,) = await transact(world, actor, [delete])
    assert done.saved is not None and done.saved.version == 2
    assert (await fhir.get("/fhir/Patient?_summary=count")).json()["total"] == 0
