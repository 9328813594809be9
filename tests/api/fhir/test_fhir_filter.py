"""`_filter` (R4 §3.1.3), `_text`, `_content` and `near`: what they find, what they refuse, and what they may not show."""

from __future__ import annotations

from typing import Any

import httpx
import pytest_asyncio

from hub.world import Tenant

UCUM = "http://unitsofmeasure.org"


def glucose(identity: str, subject: str, value: float, when: str, **rest: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation", "id": identity, "status": "final", "effectiveDateTime": when,
        "code": {"coding": [{"system": "http://loinc.org", "code": "2345-7"}], "text": "Glicose"},
        "subject": {"reference": f"Patient/{subject}"},
        "valueQuantity": {"value": value, "unit": "mg/dL", "system": UCUM, "code": "mg/dL"}, **rest,
    }  # fmt: skip


def told(words: str) -> dict[str, str]:
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{words}</p></div>'}


def place(identity: str, latitude: float | None, longitude: float) -> dict[str, Any]:
    position = {} if latitude is None else {"position": {"latitude": latitude, "longitude": longitude}}
    return {"resourceType": "Location", "id": identity, "name": identity, **position}


RECORDS: list[dict[str, Any]] = [
    {"resourceType": "Patient", "id": "ana", "name": [{"family": "Gonçalves", "given": ["Ana"]}], "gender": "female",
     "birthDate": "1980-02-29", "active": True, "text": told("Internação por <b>pneumonia</b>"),
     "identifier": [{"system": "urn:x", "value": "a,1"}]},
    {"resourceType": "Patient", "id": "rui", "name": [{"family": "Souza"}, {"family": "Lima"}], "gender": "male",
     "birthDate": "1999", "text": told("Alta após internações; sem febre")},
    {"resourceType": "Patient", "id": "eva", "name": [{"text": "Eva (sem documento)"}], "gender": "unknown"},
    {"resourceType": "Organization", "id": "org", "name": "Hospital São João", "identifier": [{"value": "7"}]},
    glucose("low", "ana", 61, "2024-01-01", note=[{"text": "Paciente em jejum, coleta domiciliar"}]),
    glucose("high", "rui", 250, "2024-03-01T10:00:00Z", performer=[{"reference": "Organization/org"}]),
    glucose("span", "rui", 99, "2024-01-15", status="amended", text=told("glicemia de jejum")),
    place("masp", -23.5614, -46.6559), place("se", -23.5505, -46.6333), place("rio", -22.9068, -43.1729),
    place("nowhere", None, 0),
]  # fmt: skip
FILTERS = {
    ("Patient", 'name co "onç"'): "ana",
    ("Patient", "family eq souza"): "rui",
    ("Patient", "family eq souz"): "",
    ("Patient", "family sw SOUZ"): "rui",
    ("Patient", "family ew ma"): "rui",
    ("Patient", "family ne souza"): "ana rui",
    ("Patient", "gender ne female"): "eva rui",
    ("Patient", "gender eq female or gender eq male"): "ana rui",
    ("Patient", "gender eq female or gender eq male and birthdate ge 1990"): "ana rui",
    ("Patient", "(gender eq female or gender eq male) and birthdate ge 1990"): "rui",
    ("Patient", "not (gender eq female or gender eq male)"): "eva",
    ("Patient", "not (not (gender eq female))"): "ana",
    ("Patient", "not (gender eq female) and not (birthdate pr true)"): "eva",
    ("Patient", "birthdate pr false"): "eva",
    ("Patient", "not (birthdate pr false)"): "ana rui",
    ("Patient", "birthdate lt 1990 and active eq true"): "ana",
    ("Patient", 'identifier eq "urn:x|a,1"'): "ana",
    ("Patient", "_id ne ana and _id ne rui"): "eva",
    ("Patient", 'name co "(sem"'): "eva",
    ("Patient", "_has:Observation:patient:value-quantity eq gt200"): "rui",
    ("Observation", "code eq http://loinc.org|2345-7"): "high low span",
    ("Observation", "subject:Patient.family eq lima"): "high span",
    ("Observation", 'subject.name co "ana"'): "low",
    ("Observation", "not (subject:Patient.gender eq male)"): "low",
    ("Observation", "performer:Organization.name sw hospital or patient.family sw gon"): "high low",
    ("Observation", f"value-quantity gt 98|{UCUM}|mg/dL and status ne final"): "span",
    ("Observation", f"value-quantity lt 0.7|{UCUM}|g/L"): "low",
    ("Observation", "date po 2024-01"): "low span",
    ("Observation", "date sa 2024-01-31"): "high",
    ("Observation", "subject re Patient/ana"): "low",
    ("Observation", "subject ne Patient/ana"): "high span",
    ("Location", "name eq masp or name eq se"): "masp se",
}
REFUSED = (
    "family", "family eq", "family eq a b", "(family eq a", "family eq a)", "family xx a", "nothing eq a", 'family eq "a',
    "name[use eq official].family eq a", "gender co m", "birthdate eq yesterday", "birthdate co 19", "birthdate pr maybe",
    "family.name eq a", "not family eq a", "and", "((((((((((((((((((((((family eq a))))))))))))))))))))))", "family eq a or",
    "general-practitioner:Device.name eq a", "family eq a and " * 400 + "family eq a", 'family eq "\\q"',
)  # fmt: skip
SPECIAL = {
    ("Patient", "_text", "pneumonia"): "ana",
    ("Patient", "_text", "internacao"): "ana",
    ("Patient", "_text", "internação"): "ana rui",
    ("Patient", "_text", "internação -febre"): "ana",
    ("Patient", "_text", '"sem febre"'): "rui",
    ("Patient", "_text", "Souza"): "",
    ("Patient", "_text", "strong OR b"): "",
    ("Patient", "_content", "souza"): "rui",
    ("Patient", "_content", "family"): "",
    ("Observation", "_content", "JEJUM"): "low span",
    ("Observation", "_content", "jejum coletas"): "low",
    ("Observation", "_content", "' or 1=1 --"): "",
    ("Location", "near", "-23.5614|-46.6559"): "masp se",
    ("Location", "near", "-23.5614|-46.6559|1|km"): "masp",
    ("Location", "near", "-23.5614|-46.6559|400000|m"): "masp rio se",
    ("Location", "near", "-23.5614|-46.6559|2|[mi_i]"): "masp se",
}


@pytest_asyncio.fixture
async def ward(fhir: httpx.AsyncClient) -> httpx.AsyncClient:
    entries = [{"resource": r, "request": {"method": "PUT", "url": f"{r['resourceType']}/{r['id']}"}} for r in RECORDS]
    done = await fhir.post("/fhir", json={"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert done.status_code == 200, done.text
    return fhir


async def found(client: httpx.AsyncClient, kind: str, **params: str) -> str:
    answer = await client.get(f"/fhir/{kind}", params=params, headers={"prefer": "handling=strict"})
    assert answer.status_code == 200, (params, answer.text)
    return " ".join(sorted(e["resource"]["id"] for e in answer.json().get("entry", ())))


async def test_filters(ward: httpx.AsyncClient) -> None:
    for (kind, text), expected in FILTERS.items():
        assert await found(ward, kind, _filter=text) == expected, text
    assert await found(ward, "Patient", _filter="gender eq male or gender eq female", family="souza") == "rui"
    genders = "http://hl7.org/fhir/ValueSet/administrative-gender"
    mixed = f"not (gender ni {genders}) and (birthdate pr true or gender in {genders})"
    chained = {"_has:Observation:patient:status": "amended", "_filter": mixed}
    assert await found(ward, "Patient", **chained) == "rui"
    total = await ward.get("/fhir/Patient", params={"_filter": "not (gender eq male)", "_summary": "count"})
    assert total.json()["total"] == 2
    bad = await ward.get("/fhir/Patient?_filter=name co a&_sort=-birthdate&_count=1")
    assert len(bad.json()["entry"]) == 1 and "_filter" in bad.json()["link"][0]["url"]


async def test_filters_that_cannot_be_read_say_where(ward: httpx.AsyncClient) -> None:
    for text in REFUSED:
        answer = await ward.get("/fhir/Patient", params={"_filter": text})
        assert answer.status_code == 400, text[:60]
        assert answer.json()["issue"][0]["details"]["coding"][0]["code"] == "fhir.search.filter", answer.text
    wide = ".".join(["subject"] * 9)
    answer = await ward.get("/fhir/Observation", params={"_filter": f"focus.{wide}.name eq a"})
    assert answer.status_code == 400


async def test_a_filter_shows_no_more_than_its_token(ward: httpx.AsyncClient, client_for: Any, tenant: Tenant) -> None:
    """Conditions inside of `or` and `not` reach no further than others."""
    one = await client_for(tenant, scopes=["system/Observation.rs"])
    for text in ("subject:Patient.family eq lima", "status eq final or not (subject:Patient.family eq lima)"):
        assert (await one.get("/fhir/Observation", params={"_filter": text})).status_code == 403
    two = await client_for(tenant, scopes=["system/Observation.rs", "system/Patient.rs?gender=female"])
    assert await found(two, "Observation", _filter="status eq x or not (subject:Patient.name pr true)") == "high span"
    assert (
        await found(two, "Observation", _filter="subject:Patient.gender eq male or subject:Patient.active eq true")
        == "low"
    )


async def test_words_and_places(ward: httpx.AsyncClient) -> None:
    for (kind, name, text), expected in SPECIAL.items():
        assert await found(ward, kind, **{name: text}) == expected, (name, text)
    assert await found(ward, "Observation", **{"subject:Patient._text": "pneumonia"}) == "low"
    assert await found(ward, "Observation", _content="jejum", status="final") == "low"
    for kind, name, text in (
        ("Location", "near", "91|0"), ("Location", "near", "a|b"), ("Location", "near", "1|2|3|parsec"), ("Location", "near", "1"),
        ("Location", "near", "1|2|-3|km"), ("Patient", "_text", " "), ("Patient", "_content", "x" * 501),
    ):  # fmt: skip
        assert (await ward.get(f"/fhir/{kind}", params={name: text})).status_code == 400, (name, text)
    for kind, name in (("Patient", "near"), ("Bundle", "_text"), ("Binary", "_text")):
        strict = await ward.get(f"/fhir/{kind}", params={name: "1|1"}, headers={"prefer": "handling=strict"})
        assert strict.status_code == 400


async def test_words_of_large_records(fhir: httpx.AsyncClient) -> None:
    """The first part of what is too large for a search vector, and no failure."""
    words = [
        {"url": "urn:x", "valueString": " ".join(f"w{n}" for n in range(k, k + 1000))} for k in range(0, 100_000, 1000)
    ]
    body = {"resourceType": "Basic", "id": "big", "code": {"text": "relatorio"}, "extension": words}
    done = await fhir.put("/fhir/Basic/big", json=body)
    assert done.status_code == 201, done.text
    assert await found(fhir, "Basic", _content="relatórios w17") == "big"
    assert await found(fhir, "Basic", _content="w99999") == ""
