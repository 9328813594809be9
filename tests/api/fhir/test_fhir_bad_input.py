"""No input causes a 5xx or a leak: mutated records, hostile JSON, characters, sizes, headers, addresses, query strings."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import r4_examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir import jsontext
from fhir.definitions.table import resource_types

SEEDS: list[dict[str, Any]] = [
    {"resourceType": "Patient", "active": True, "identifier": [{"system": "urn:x", "value": "1", "period": {"start": "2020"}}],
     "name": [{"family": "Sá", "given": ["Ana", "Rita"], "_given": [None, {"id": "a"}]}], "birthDate": "1980-02-29",
     "telecom": [{"system": "phone", "value": "1"}], "address": [{"city": "Belém", "line": ["Rua 1"]}],
     "contact": [{"name": {"text": "x"}}], "multipleBirthInteger": 2, "photo": [{"contentType": "image/png", "data": "AAAA", "url": "http://x/y"}],
     "managingOrganization": {"reference": "Organization/1"}, "text": {"status": "generated", "div": "<div>x</div>"}},
    {"resourceType": "Observation", "status": "final", "code": {"coding": [{"system": "http://loinc.org", "code": "1-8"}]},
     "subject": {"reference": "Patient/1"}, "effectivePeriod": {"start": "2024-01-01T10:00:00-03:00"}, "issued": "2024-01-01T10:00:00Z",
     "valueQuantity": {"value": 1.5, "comparator": "<", "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}, "component": [{"code": {"text": "a"}, "valueRange": {"low": {"value": 1}}}]},
    {"resourceType": "Encounter", "status": "finished", "class": {"code": "AMB"}, "subject": {"reference": "Patient/1"},
     "identifier": [{"value": "9"}], "period": {"start": "2024-01-01", "end": "2024-01-02"}, "length": {"value": 3}},
    {"resourceType": "Coverage", "status": "active", "beneficiary": {"reference": "Patient/1"}, "payor": [{"identifier": {"value": "000000"}}],
     "period": {"start": "2020-01-01"}, "class": [{"type": {"text": "plan"}, "value": "A", "name": "B"}], "subscriberId": "7"},
    {"resourceType": "ServiceRequest", "status": "active", "intent": "order", "subject": {"reference": "Patient/1"},
     "identifier": [{"type": {"coding": [{"code": "PLAC"}]}, "value": "5"}], "occurrenceTiming": {"event": ["2024-01-01"], "repeat": {"boundsPeriod": {"start": "2024"}}},
     "quantityRatio": {"numerator": {"value": 1}, "denominator": {"value": 2}}},
    {"resourceType": "ChargeItem", "status": "billable", "code": {"coding": [{"system": "https://fhir.ans.gov.br/CodeSystem/tuss-22", "code": "1"}]},
     "subject": {"reference": "Patient/1"}, "context": {"reference": "Encounter/1"}, "quantity": {"value": 2}, "priceOverride": {"value": 10.5, "currency": "BRL"},
     "occurrenceDateTime": "2024-01-01", "performer": [{"actor": {"identifier": {"value": "1"}}}], "factorOverride": 1.5},
    {"resourceType": "Bundle", "type": "collection", "identifier": {"value": "1"}, "timestamp": "2024-01-01T00:00:00Z",
     "entry": [{"fullUrl": "urn:uuid:transient-1", "resource": {"resourceType": "Patient", "active": True}}]},
]  # fmt: skip
LEAVES: list[Any] = [
    None, True, 0, -1, 1.5, 10**25, -(10**25), 2**63, "", " ", "x", "\0", "a\0b", "\ud7ff\ue000", "\U0001f600", "\u202e", "\x1b",
    "é" * 3000, "\U0001f600" * 2000, "0000-01-01", "9999-12-31", "0001", "2024-02-30", "2024-01-01T25:00:00Z", "2024-01-01T23:59:60Z",
    "-1", "1e400", [], {}, [[]], [None], {"x": 1}, {"reference": "Patient/"}, {"reference": "/"}, {"reference": "a" * 5000},
    {"reference": "http://[::1"}, {"coding": [{}]}, {"coding": [None]}, {"value": 1}, ["x", None, "y"], "urn:uuid:x", "#", "Patient/1/_history/2",
]  # fmt: skip
RAW = ["1e400", "1E-400", "-0.0", "1" + "0" * 300, "123456789012345678901234567890.12", "0.1e+308", "9" * 4000]


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


def changed(seed: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    body = copy.deepcopy(seed)
    node: Any = body
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    return body


def sane(answer: httpx.Response) -> bool:
    return answer.status_code < 500 and (
        answer.status_code < 400 or answer.json()["resourceType"] == "OperationOutcome"
    )


async def send(client: httpx.AsyncClient, body: str) -> httpx.Response:
    kind = "Patient"
    with_type = jsontext.parse(body.encode("utf-8", "surrogatepass"))
    if isinstance(with_type, dict) and isinstance(with_type.get("resourceType"), str):
        kind = with_type["resourceType"]
    content = body.encode("utf-8", "surrogatepass")
    kind = kind if kind.isalpha() and kind.isascii() else "Patient"
    return await client.post(f"/fhir/{kind}", content=content, headers={"content-type": "application/json"})


@pytest.mark.parametrize("seed", SEEDS, ids=lambda s: s["resourceType"])
async def test_mutated_records(fhir: httpx.AsyncClient, seed: dict[str, Any]) -> None:
    chance = random.Random(seed["resourceType"])
    assert (await send(fhir, json.dumps(seed))).status_code == 201
    spots = [p for p in places(seed) if p != ("resourceType",)]
    accepted = 0
    for path in spots:
        for value in chance.sample(LEAVES, 6):
            answer = await send(fhir, json.dumps(changed(seed, path, value), ensure_ascii=chance.random() < 0.5))
            assert sane(answer), (path, value, answer.text)
            accepted += answer.status_code == 201
        key = f"@{chance.random()}@"
        answer = await send(fhir, json.dumps(changed(seed, path, key)).replace(f'"{key}"', chance.choice(RAW)))
        assert sane(answer), (path, answer.text)
    assert 0 < accepted < len(spots) * 5


SHAPES: list[dict[str, Any]] = [
    {"meta": "x"}, {"meta": ["x"]}, {"meta": {"source": ["x"]}}, {"meta": {"tag": ["x"]}}, {"meta": {"profile": "x"}},
    {"contained": "x"}, {"contained": ["x"]}, {"extension": ["x"]}, {"identifier": ["x"]}, {"text": "x"},
]  # fmt: skip


async def test_common_elements_of_any_shape_on_every_type(fhir: httpx.AsyncClient) -> None:
    """What looks at a record before its structure is known to hold (who owns it, its labels) takes any shape."""
    types = [name for name in resource_types() if name not in ("Bundle", "DomainResource", "Resource")]
    entries = [
        {"resource": {"resourceType": name, **shape}, "request": {"method": "POST", "url": name}}
        for name in types
        for shape in SHAPES
    ]
    answer = await fhir.post("/fhir", json={"resourceType": "Bundle", "type": "batch", "entry": entries})
    told = [entry["response"] for entry in answer.json()["entry"]]
    assert {each["status"][:1] for each in told} == {"4"}
    for entry, each in zip(entries, told, strict=True):
        (shape,) = entry["resource"].keys() - {"resourceType"}
        assert any(f".{shape}" in issue["expression"][0] for issue in each["outcome"]["issue"]), entry


async def test_numbers_are_kept_or_refused(fhir: httpx.AsyncClient) -> None:
    for number in [*RAW, "1.50", "100000000000000000000"]:
        body = json.dumps(SEEDS[1]).replace("1.5", number)
        answer = await send(fhir, body)
        assert sane(answer), number
        if answer.status_code == 201:
            assert f'"value":{number},' in (await fhir.get(f"/fhir/Observation/{answer.json()['id']}")).text


@pytest.mark.parametrize(
    ("quantity", "price"), [("1", "1e40"), ("1e-300", "10.00"), ("1e400", "10.00"), ("1", "92233720368547758.08")]
)
async def test_amounts_no_column_can_hold(fhir: httpx.AsyncClient, quantity: str, price: str) -> None:
    body = (
        '{"resourceType":"ChargeItem","status":"billable","code":{"text":"x"},"subject":{"reference":"Patient/1"},'
        f'"quantity":{{"value":{quantity}}},"priceOverride":{{"value":{price},"currency":"BRL"}}}}'
    )
    answer = await fhir.post("/fhir/ChargeItem", content=body, headers={"content-type": "application/fhir+json"})
    assert answer.status_code == 422 and answer.json()["resourceType"] == "OperationOutcome"


async def test_json_deeper_than_the_reader_goes(fhir: httpx.AsyncClient) -> None:
    """The depth is told, not that the JSON is none."""
    deep = "[" * 5000 + "]" * 5000
    body = f'{{"resourceType":"Patient","extension":{deep}}}'
    answer = await fhir.post("/fhir/Patient", content=body, headers={"content-type": "application/fhir+json"})
    assert answer.status_code == 400
    (issue,) = answer.json()["issue"]
    assert issue["details"]["coding"][0]["code"] == "fhir.json.too-deep"


async def test_hostile_json(fhir: httpx.AsyncClient) -> None:
    deep = '{"resourceType":"Patient","extension":' + '[{"url":"x","extension":' * 5000 + "[]" + "}]" * 5000 + "}"
    nested = (
        '{"resourceType":"Patient","extension":['
        + '{"url":"x","extension":[' * 60
        + '{"url":"y","valueString":"z"}'
        + "]}" * 60
        + "]}"
    )
    bodies: list[bytes] = [
        b"", b"null", b"[]", b"1", b'"x"', b"{", b"{}", b"\xff\xfe", b"\xef\xbb\xbf{}", b'{"resourceType":"Patient","resourceType":"Patient"}',
        b'{"resourceType":"Patient","id":"\\u0000"}', b'{"resourceType":"Patient","language":"a\\u0000b"}', b'{"resourceType":"Patient\\u0000"}',
        b'{"resourceType":"Patient","name":[{"text":"\\ud800"}]}', b'{"resourceType":"Patient","name":[{"text":"\\udc00\\ud800"}]}',
        b'{"resourceType":"Patient","name":[{"text":"a\x00b"}]}', b'{"resourceType":"Patient","x\\u0000":1}', b'{"resourceType":["Patient"]}',
        b'{"resourceType":"Patient","multipleBirthInteger":NaN}', b'{"resourceType":"Patient","meta":5}', b'{"resourceType":"Patient","meta":{"versionId":7}}',
        b'{"resourceType":"Patient","contained":[{"resourceType":"Nope"}]}', b'{"resourceType":"Patient","contained":[{"id":"x"}]}',
        b'{"resourceType":"Patient","contained":[null]}', b'{"resourceType":"Resource"}', b'{"resourceType":"Element"}',
        deep.encode(), nested.encode(), b"<Patient/>", b"a" * 1_000_000,
    ]  # fmt: skip
    for body in bodies:
        for path in ("/fhir/Patient", "/fhir", "/fhir/$validate", "/fhir/Patient/$validate"):
            answer = await fhir.post(path, content=body, headers={"content-type": "application/fhir+json"})
            assert sane(answer), (body[:60], path, answer.text)
        answer = await fhir.put("/fhir/Patient/x", content=body, headers={"content-type": "application/fhir+json"})
        assert 400 <= answer.status_code < 500, (body[:60], answer.text)


async def test_too_large(fhir: httpx.AsyncClient) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(400):
            yield b" " * 100_000
        raise AssertionError("the whole body was read")

    stated = await fhir.post(
        "/fhir/Patient", content=b"x", headers={"content-length": str(10**9), "content-type": "application/json"}
    )
    streamed = await fhir.post("/fhir/Patient", content=endless(), headers={"content-type": "application/json"})
    for answer in (stated, streamed):
        assert answer.status_code == 413 and answer.json()["issue"][0]["code"] == "too-long"
    text = json.dumps({"resourceType": "Patient", "name": [{"text": "x" * 10_000_000}]})
    assert (await send(fhir, text)).status_code == 422


async def test_addresses_and_headers(fhir: httpx.AsyncClient) -> None:
    for path in (
        "/fhir/Patient/%00", "/fhir/%00", "/fhir/Patient/a%2Fb", "/fhir/Patient/" + "x" * 65, "/fhir/Patient/a/_history/x",
        "/fhir/Patient/a/_history/99999999999999999999", "/fhir/Patient/a/_history/%C2%B2", "/fhir/Nope", "/fhir/Nope/1", "/fhir/nope",
        "/fhir/Patient/%F0%28", "/fhir/Patient/a/b/c/d", "/fhir//", "/fhir/Patient/a/_history?_count=x",
        "/fhir/Patient/a/_history?_since=x", "/fhir/Patient/a/_history?_below=-1",
    ):  # fmt: skip
        for method in ("GET", "PUT", "DELETE", "PATCH", "POST"):
            answer = await fhir.request(method, path, json={} if method in ("PUT", "POST") else None)
            assert answer.status_code < 500, (method, path, answer.text)
            assert answer.status_code != 404 or answer.json()["resourceType"] == "OperationOutcome"
    for name, value in (
        ("if-match", 'W/"99999999999999999999"'), ("if-none-match", "x"), ("if-modified-since", "never"), ("prefer", "return=x; handling"),
        ("accept", ";;;,,"), ("if-none-exist", "%00=1"), ("if-none-exist", "identifier=%00"), ("if-none-exist", "a" * 8000),
    ):  # fmt: skip
        for method in ("GET", "PUT", "POST"):
            path = "/fhir/Patient" if method == "POST" else "/fhir/Patient/h"
            answer = await fhir.request(
                method, path, json={"resourceType": "Patient", "id": "h"}, headers={name: value}
            )
            assert sane(answer), (name, value, method, answer.text)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_any_query_string(fhir: httpx.AsyncClient, data: st.DataObject) -> None:
    names = st.sampled_from(
        ["name", "identifier", "birthdate", "_lastUpdated", "general-practitioner", "_sort", "_count", "_cursor", "_include", "_has:Observation:patient:code",
         "organization.name", "_id", "_profile", "gender:not", "_elements", "_summary", "_total", "birthdate:missing", "deceased", "_revinclude", "_format"]
    )  # fmt: skip
    value = st.text(max_size=40) | st.sampled_from(
        ["ge2020", "1|2", "a,b\\,c", "Patient:organization", "*", "-_lastUpdated", "WyIyMDI0IiwgMV0"]
    )
    pairs = data.draw(st.lists(st.tuples(names, value), max_size=5))
    pairs = [(k, v.encode("utf-8", "replace").decode()) for k, v in pairs]
    assert sane(await fhir.get("/fhir/Patient", params=pairs))


async def test_official_examples_mutated(fhir: httpx.AsyncClient) -> None:
    """Three mutations of every 20th example."""
    chance = random.Random(4)
    for path in sorted(r4_examples.folder().glob("[!.]*-*.json"))[::20]:
        document = json.loads(path.read_text(encoding="utf-8"))
        if "resourceType" not in document or path.stat().st_size > 200_000:
            continue
        for spot in chance.sample(list(places(document)), 3):
            if spot != ("resourceType",):
                body = json.dumps(changed(document, spot, chance.choice(LEAVES)))
                assert sane(await send(fhir, body)), (path.name, spot)


async def test_a_subscription_that_ends_in_a_leap_second(fhir: httpx.AsyncClient) -> None:
    channel = {"type": "rest-hook", "endpoint": "https://partner.example/hook"}
    body = {
        "resourceType": "Subscription",
        "status": "off",
        "reason": "x",
        "criteria": "Patient?name=x",
        "channel": channel,
    }
    answer = await fhir.post("/fhir/Subscription", json={**body, "status": "requested", "end": "2016-12-31T23:59:60Z"})
    assert answer.status_code == 201, answer.text
