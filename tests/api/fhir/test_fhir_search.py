"""Search by every parameter type, its prefixes and modifiers, result options and paging (R4 §3.1.1)."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import pytest_asyncio

CPF = "https://saude.gov.br/fhir/sid/cpf"
RNDS_CPF = "http://rnds.saude.gov.br/fhir/r4/NamingSystem/cpf"
LOINC = "http://loinc.org"


def patient(identity: str, family: str, given: str, born: str, **rest: Any) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "id": identity,
        "name": [{"family": family, "given": [given]}],
        "birthDate": born,
        **rest,
    }


def observation(identity: str, subject: str, code: str, value: str, when: str, **rest: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation", "id": identity, "status": "final",
        "code": {"coding": [{"system": LOINC, "code": code}]}, "subject": {"reference": f"Patient/{subject}"},
        "effectiveDateTime": when,
        "valueQuantity": {"value": float(value), "unit": "mg/dL", "system": "http://unitsofmeasure.org", "code": "mg/dL"},
        **rest,
    }  # fmt: skip


WARD: list[dict[str, Any]] = [
    patient("p1", "Gonçalves", "Ana", "1980-02-29", gender="female", identifier=[{"system": CPF, "value": "1"}], active=True,
            generalPractitioner=[{"identifier": {"system": "urn:crm", "value": "7"}}]),
    patient("p2", "Souza", "José", "1999-12", gender="male", identifier=[{"system": RNDS_CPF, "value": "2"}]),
    patient("p3", "SOUZA LIMA", "Ana Maria", "2001", gender="female", identifier=[{"value": "bare"}], deceasedBoolean=True),
    patient("p4", "O'Brien, Jr", "Zoë", "2020-01-01", managingOrganization={"reference": "Organization/o1"}),
    {"resourceType": "Organization", "id": "o1", "name": "Hospital São João"},
    observation("b1", "p1", "2345-7", "99", "2024-01-01T00:00:00-03:00"),
    observation("b2", "p1", "718-7", "13.5", "2024-01-02T23:30:00-03:00"),
    observation("b3", "p2", "2345-7", "101.4", "2024-01-02"),
    observation("b4", "p2", "2345-7", "250", "2023-06-01T10:00:00Z", status="amended"),
    {"resourceType": "RiskAssessment", "id": "r1", "status": "final", "subject": {"reference": "Patient/p1"},
     "prediction": [{"probabilityDecimal": 0.8}]},
    {"resourceType": "ValueSet", "id": "v1", "status": "active", "url": "http://example.org/vs/one"},
    {"resourceType": "ValueSet", "id": "v2", "status": "active", "url": "http://example.org/vs/one/two"},
]  # fmt: skip


@pytest_asyncio.fixture
async def ward(fhir: httpx.AsyncClient) -> httpx.AsyncClient:
    entries = [{"resource": r, "request": {"method": "PUT", "url": f"{r['resourceType']}/{r['id']}"}} for r in WARD]
    done = await fhir.post("/fhir", json={"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert done.status_code == 200, done.text
    return fhir


async def ids(client: httpx.AsyncClient, url: str) -> list[str]:
    answer = await client.get(f"/fhir/{url}", headers={"prefer": "handling=strict"})
    assert answer.status_code == 200, answer.text
    found = [e["resource"]["id"] for e in answer.json().get("entry", ()) if e["search"]["mode"] == "match"]
    assert len(found) == len(set(found))
    return found


SEARCHES = {
    # string: prefix, without accents and case; AND over any part; exact
    "Patient?family=goncal": "p1",
    "Patient?family=SOUZA": "p2 p3",
    "Patient?name=ana&name=souza": "p3",
    "Patient?name=jos%C3%A9": "p2",
    "Patient?family:exact=Souza": "p2",
    "Patient?family:exact=souza": "",
    "Patient?family=gon,lima": "p1",
    "Patient?family=o'brien%5C,%20jr": "p4",
    "Patient?given=zoe": "p4",
    # token: system|code, code, |code, system|, aliases of registers, :not, :missing
    f"Patient?identifier={CPF}|1": "p1",
    f"Patient?identifier={RNDS_CPF}|1": "p1",
    f"Patient?identifier={CPF}|2": "p2",
    f"Patient?identifier={CPF}|": "p1 p2",
    "Patient?identifier=2": "p2",
    "Patient?identifier=|bare": "p3",
    "Patient?identifier=|2": "",
    f"Patient?identifier={CPF}|1,bare": "p1 p3",
    "Patient?gender=female": "p1 p3",
    "Patient?gender:not=female": "p2 p4",
    "Patient?gender:missing=true": "p4",
    "Patient?gender:missing=false": "p1 p2 p3",
    "Patient?active=true": "p1",
    "Patient?deceased=true": "p3",
    "Patient?deceased=false": "p1 p2 p4",
    # dates: precision, zone of the tenant, prefixes, one per alternative
    "Patient?birthdate=1980-02-29": "p1",
    "Patient?birthdate=1999": "p2",
    "Patient?birthdate=1999-12-01": "",
    "Patient?birthdate=ge2020,lt1990": "p1 p4",
    "Patient?birthdate=ge1999&birthdate=le2001": "p2 p3",
    "Patient?birthdate=gt2001": "p4",
    "Patient?birthdate=ne1980": "p2 p3 p4",
    "Patient?birthdate=sa2000": "p3 p4",
    "Patient?birthdate=eb1990": "p1",
    "Observation?date=2024-01-01": "b1",
    "Observation?date=2024-01-02": "b2 b3",
    "Observation?date=2024-01-02T23:30:00-03:00": "b2",
    "Observation?date=2024-01-03T02:30:00Z": "b2",
    "Observation?date=2024-01": "b1 b2 b3",
    "Observation?date=lt2024": "b4",
    # reference: Type/id, id, absolute, patient, identifier, typed
    "Observation?subject=Patient/p1": "b1 b2",
    "Observation?patient=p1": "b1 b2",
    "Observation?subject:Patient=p2": "b3 b4",
    "Observation?subject:Patient=Patient/p2": "b3 b4",
    "Observation?subject:Device=Patient/p2": "",
    "Observation?patient=Patient/p1,p2": "b1 b2 b3 b4",
    "Observation?patient=Group/p1": "",
    "Patient?organization=Organization/o1": "p4",
    "Patient?general-practitioner:identifier=urn:crm|7": "p1",
    # quantity and number with implied precision
    "Observation?value-quantity=99": "b1",
    "Observation?value-quantity=101": "b3",
    "Observation?value-quantity=101.0": "",
    "Observation?value-quantity=gt100": "b3 b4",
    "Observation?value-quantity=ge99|http://unitsofmeasure.org|mg/dL": "b1 b3 b4",
    "Observation?value-quantity=le13.5||mg/dL": "b2",
    "Observation?value-quantity=1e2": "b1 b3",
    "RiskAssessment?probability=0.8": "r1",
    "RiskAssessment?probability=gt0.8": "",
    "RiskAssessment?probability=ap0.75": "r1",
    # uri
    "ValueSet?url=http://example.org/vs/one": "v1",
    "ValueSet?url:below=http://example.org/vs/one": "v1 v2",
    # columns
    "Patient?_id=p1,p4": "p1 p4",
    "Patient?_lastUpdated=gt2020": "p1 p2 p3 p4",
    "Patient?_lastUpdated=lt2020": "",
    # several conditions, chains and reverse chains
    "Observation?patient=p1&code=2345-7": "b1",
    f"Observation?code={LOINC}|2345-7&status=final": "b1 b3",
    "Observation?code=2345-7&status:not=final": "b4",
    "Observation?patient.family=gon": "b1 b2",
    f"Observation?subject:Patient.identifier={CPF}|2": "b3 b4",
    "Observation?patient.gender:not=female": "b3 b4",
    "Observation?patient.organization.name=hospital": "",
    "Patient?organization.name=hospital%20sao": "p4",
    "Patient?_has:Observation:patient:code=718-7": "p1",
    "Patient?_has:Observation:patient:value-quantity=gt200": "p2",
    "Patient?_has:Observation:patient:status:not=final": "p2",
    "Patient?_has:Observation:patient:code=718-7&_has:Observation:patient:status=final": "p1",
    "Patient?gender=female&_has:Observation:patient:code=2345-7": "p1",
    "Patient?_sort=-_id": "p4 p3 p2 p1",
    "Patient?_sort=_lastUpdated&gender=male": "p2",
}


async def test_searches(ward: httpx.AsyncClient) -> None:
    wrong = {}
    for url, expected in SEARCHES.items():
        found = await ids(ward, url)
        if (found if "_sort" in url else sorted(found)) != expected.split():
            wrong[url] = (found, expected)
    assert not wrong


async def test_absolute_address_of_ours(ward: httpx.AsyncClient) -> None:
    full_url = (await ward.get("/fhir/Patient?_id=p1")).json()["entry"][0]["fullUrl"]
    assert await ids(ward, f"Observation?subject={full_url}") == ["b1", "b2"]


async def test_post_search_is_the_same(ward: httpx.AsyncClient) -> None:
    answer = await ward.post("/fhir/Patient/_search?gender=female", data={"family": "souza"})
    assert [e["resource"]["id"] for e in answer.json()["entry"]] == ["p3"]
    assert (await ward.post("/fhir/Patient/_search", json={})).status_code == 415


async def test_includes(ward: httpx.AsyncClient) -> None:
    page = (await ward.get("/fhir/Observation?code=2345-7&_include=Observation:subject")).json()
    modes = [(e["search"]["mode"], e["resource"]["id"]) for e in page["entry"]]
    assert sorted(modes) == [("include", "p1"), ("include", "p2"), ("match", "b1"), ("match", "b3"), ("match", "b4")]
    assert page["total"] == 3
    back = (
        await ward.get("/fhir/Patient?_id=p1&_revinclude=Observation:patient&_revinclude=RiskAssessment:subject")
    ).json()
    assert sorted(e["resource"]["id"] for e in back["entry"]) == ["b1", "b2", "p1", "r1"]
    star = (await ward.get("/fhir/Patient?_id=p4&_include=*")).json()
    assert [e["resource"]["id"] for e in star["entry"]] == ["p4", "o1"]
    typed = (await ward.get("/fhir/Observation?_id=b1&_include=Observation:subject:Group")).json()
    assert len(typed["entry"]) == 1


async def test_totals_and_counts(ward: httpx.AsyncClient) -> None:
    page = (await ward.get("/fhir/Patient?_count=1")).json()
    assert "total" not in page and len(page["entry"]) == 1
    for mode in ("accurate", "estimate"):
        assert (await ward.get(f"/fhir/Patient?_count=1&_total={mode}")).json()["total"] == 4
    assert (await ward.get("/fhir/Patient?_summary=count&gender=female")).json() == {
        "resourceType": "Bundle", "type": "searchset", "total": 2,
        "link": [{"relation": "self", "url": (await ward.get("/fhir/metadata")).json()["implementation"]["url"] + "/Patient?_summary=count&gender=female"}],
    }  # fmt: skip
    assert (await ward.get("/fhir/Patient?_count=0")).json()["total"] == 4


@pytest.mark.parametrize("sort", ["", "_id", "-_id", "_lastUpdated", "-_lastUpdated"])
async def test_pages_are_stable_under_inserts(ward: httpx.AsyncClient, sort: str) -> None:
    seen: list[str] = []
    url = f"/fhir/Patient?_count=2{'&_sort=' + sort if sort else ''}&birthdate=lt2010"
    while url:
        page = (await ward.get(url)).json()
        seen += [e["resource"]["id"] for e in page["entry"]]
        await ward.put(f"/fhir/Patient/a{len(seen)}", json=patient(f"a{len(seen)}", "X", "Y", "2019"))
        url = next((link["url"] for link in page["link"] if link["relation"] == "next"), "")
    assert sorted(seen) == ["p1", "p2", "p3"]


async def test_contained_records_are_not_meant(ward: httpx.AsyncClient) -> None:
    usual = (await ward.get("/fhir/Patient?gender=male")).json()
    stated = (await ward.get("/fhir/Patient?gender=male&_contained=false")).json()
    assert [e["fullUrl"] for e in stated["entry"]] == [e["fullUrl"] for e in usual["entry"]]
    assert stated["link"][0]["url"].endswith("?gender=male&_contained=false")
    only = (await ward.get("/fhir/Patient?gender=male&_contained=true")).json()
    assert only["total"] == 0 and "entry" not in only
    lenient = (await ward.get("/fhir/Patient?gender=male&_containedType=container")).json()
    assert [e["search"]["mode"] for e in lenient["entry"]][-1] == "outcome"


async def test_unknown_parameters(ward: httpx.AsyncClient) -> None:
    lenient = (await ward.get("/fhir/Patient?gender=male&favourite-colour=red&_sort=colour")).json()
    assert [e["search"]["mode"] for e in lenient["entry"]] == ["match", "outcome"]
    issues = lenient["entry"][1]["resource"]["issue"]
    assert [(i["severity"], i["code"]) for i in issues] == [("warning", "not-supported")] * 2
    assert "favourite-colour" in issues[0]["diagnostics"]
    self_link = lenient["link"][0]["url"]
    assert "gender=male" in self_link and "favourite" not in self_link and "_sort" not in self_link
    strict = await ward.get("/fhir/Patient?gender=male&favourite-colour=red", headers={"prefer": "handling=strict"})
    assert strict.status_code == 400 and "favourite-colour" in strict.json()["issue"][0]["diagnostics"]


@pytest.mark.parametrize(
    "query",
    [
        "birthdate=yesterday", "birthdate=2020-13", "_count=-1", "_count=x", "gender:exact=male", "birthdate:contains=x",
        "identifier=a|b|c", "_total=some", "_cursor=%25%25", "_cursor=WzEsMl0", "_sort=_id&_cursor=W251bGwsMV0",
        "_include=Patient:name", "_include=Observation:subject", "_include:colour=Patient:organization", "_sort=_id,a,b,c,d,e,f", "_include=Patient", "_summary=x", "name.family=x",
        "organization.nothing=x", "organization:Patient.name=x", "_has:Observation:patient=1", "_has:X:y:z=1", "family=%00",
        "gender:missing=maybe", "_id:missing=true", "family=" + ",".join("abcdefghij"[n % 10] + str(n) for n in range(300)),
        "&".join(["family=a"] * 60), "_query=current", "_list=$current-problems", "_contained=true&_sort=_id", "_contained=x", "_containedType=x", "_contained=false&_containedType=container", "_lastUpdated=x", "_elements:x=1&birthdate=",
    ],
)  # fmt: skip
async def test_bad_queries(ward: httpx.AsyncClient, query: str) -> None:
    answer = await ward.get(f"/fhir/Patient?{query}", headers={"prefer": "handling=strict"})
    assert answer.status_code == 400, answer.text
    assert answer.json()["resourceType"] == "OperationOutcome"


async def test_subset_of_results(ward: httpx.AsyncClient) -> None:
    page = (await ward.get("/fhir/Patient?_id=p1&_elements=gender")).json()
    assert set(page["entry"][0]["resource"]) == {"resourceType", "id", "meta", "gender"}
    text = (await ward.get("/fhir/Observation?_id=b1&_summary=text")).json()["entry"][0]["resource"]
    assert set(text) == {"resourceType", "id", "meta", "status", "code"}


async def test_a_search_that_takes_too_long_is_stopped(
    ward: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.find.statement.SECONDS", 0.000001)
    answer = await ward.get("/fhir/Patient?gender=male")
    assert answer.status_code == 422 and answer.json()["issue"][0]["code"] == "too-costly"
    monkeypatch.undo()
    assert (await ward.get("/fhir/Patient?gender=male")).status_code == 200


async def test_too_many_included_are_refused(ward: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.find.included.include.MOST_INCLUDED", 1)
    answer = await ward.get("/fhir/Patient?_revinclude=Observation:patient")
    assert answer.status_code == 422 and answer.json()["issue"][0]["code"] == "too-costly"


async def test_chains_walk_when_their_far_side_is_wide(
    ward: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.find.ahead.narrow.WIDE_FROM", 1)
    wrong = {}
    for url, expected in SEARCHES.items():
        if "_has" in url or "." in url.partition("=")[0]:
            found = await ids(ward, url)
            if found != expected.split():
                wrong[url] = (found, expected)
    assert not wrong
    page = (await ward.get("/fhir/Observation?patient.gender=female,male&_count=3")).json()
    following = next(link["url"] for link in page["link"] if link["relation"] == "next")
    assert [e["resource"]["id"] for e in (await ward.get(following)).json()["entry"]] == ["b4"]


async def test_later_pages_lead_back_to_the_first(ward: httpx.AsyncClient) -> None:
    page = (await ward.get("/fhir/Patient?_count=1&gender=female")).json()
    links = {link["relation"]: link["url"] for link in page["link"]}
    second = (await ward.get(links["next"])).json()
    assert {link["relation"]: link["url"] for link in second["link"]}["first"] == links["self"] == links["first"]


@pytest.mark.parametrize("sort", ["", "&_sort=-_lastUpdated", "&_sort=family,-birthdate"])
async def test_pages_lead_back_one_by_one(ward: httpx.AsyncClient, sort: str) -> None:
    url, pages = f"/fhir/Patient?_count=1{sort}", []
    while url:
        page = (await ward.get(url)).json()
        pages.append([e["resource"]["id"] for e in page["entry"]])
        last, url = url, next((link["url"] for link in page["link"] if link["relation"] == "next"), "")
    assert len(pages) > 2
    back = []
    while last:
        page = (await ward.get(last)).json()
        back.append([e["resource"]["id"] for e in page["entry"]])
        last = next((link["url"] for link in page["link"] if link["relation"] == "previous"), "")
    assert back == pages[::-1]


async def test_media_types_of_old_clients(ward: httpx.AsyncClient) -> None:
    for name, kind in (
        ("application/json+fhir", "application/fhir+json"),
        ("application/xml+fhir", "application/fhir+xml"),
    ):
        answer = await ward.get("/fhir/Patient/p1", headers={"accept": name})
        assert answer.status_code == 200 and answer.headers["content-type"].startswith(kind)
