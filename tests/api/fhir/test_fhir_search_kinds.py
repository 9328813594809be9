"""Search by composites, units, terminology, shapes, compartments, lists and several types (R4 §3.1.1)."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import pytest_asyncio

UCUM = "http://unitsofmeasure.org"
LOINC = "http://loinc.org"
V2 = "http://terminology.hl7.org/CodeSystem/v2-0203"
CID = "http://www.saude.gov.br/fhir/r4/CodeSystem/BRCID10"


def coded(code: str, display: str = "", system: str = LOINC) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code, **({"display": display} if display else {})}]}


def measured(value: float, unit: str) -> dict[str, Any]:
    return {"value": value, "unit": unit, "code": unit, "system": UCUM}


WARD: list[dict[str, Any]] = [
    {"resourceType": "Organization", "id": "o1", "name": "Hospital São João", "partOf": {"reference": "Organization/o2"}},
    {"resourceType": "Organization", "id": "o2", "name": "Rede Norte"},
    {"resourceType": "Practitioner", "id": "d1", "name": [{"family": "Lima"}]},
    {"resourceType": "Patient", "id": "p1", "gender": "male", "birthDate": "1980-01-01", "managingOrganization": {"reference": "Organization/o1"},
     "name": [{"family": "Araújo"}, {"family": "Zanin"}], "generalPractitioner": [{"reference": "Practitioner/d1"}],
     "identifier": [{"type": coded("MR", "Prontuário", V2), "system": "urn:a", "value": "77"}]},
    {"resourceType": "Patient", "id": "p2", "gender": "female", "birthDate": "1990-05-05", "name": [{"family": "Mendes"}],
     "identifier": [{"type": coded("SS", system=V2), "value": "77"}]},
    {"resourceType": "Patient", "id": "p3", "gender": "female"},
    {"resourceType": "Encounter", "id": "e1", "status": "finished", "class": {"code": "IMP"}, "subject": {"reference": "Patient/p1"}},
    {"resourceType": "Observation", "id": "b1", "status": "final", "code": coded("8480-6", "Pressão sistólica"), "subject": {"reference": "Patient/p1"},
     "encounter": {"reference": "Encounter/e1"}, "valueQuantity": measured(120, "mm[Hg]"), "effectiveDateTime": "2024-03-01"},
    {"resourceType": "Observation", "id": "b2", "status": "final", "code": coded("718-7", "Hemoglobina"), "subject": {"reference": "Patient/p1"},
     "valueQuantity": measured(13.5, "g/dL"), "effectiveDateTime": "2024-01-01"},
    {"resourceType": "Observation", "id": "b3", "status": "amended", "code": coded("718-7"), "subject": {"reference": "Patient/p2"},
     "valueQuantity": measured(90, "g/L"), "effectiveDateTime": "2024-02-01"},
    {"resourceType": "Observation", "id": "b4", "status": "final", "code": coded("85354-9"), "subject": {"reference": "Patient/p2"},
     "component": [{"code": coded("8480-6"), "valueQuantity": measured(150, "mm[Hg]")}, {"code": coded("8462-4"), "valueQuantity": measured(95, "mm[Hg]")}]},
    {"resourceType": "Observation", "id": "b5", "status": "final", "code": coded("600-7"), "valueCodeableConcept": coded("112283007", system="http://snomed.info/sct")},
    {"resourceType": "Condition", "id": "c1", "subject": {"reference": "Patient/p1"}, "code": coded("A000", system=CID), "asserter": {"reference": "Practitioner/d1"}},
    {"resourceType": "List", "id": "l1", "status": "current", "mode": "working", "entry": [{"item": {"reference": "Patient/p2"}}, {"item": {"reference": "Patient/p3"}}]},
    {"resourceType": "ValueSet", "id": "vs", "status": "active", "url": "urn:vs:blood",
     "compose": {"include": [{"system": LOINC, "concept": [{"code": "718-7"}]}, {"valueSet": ["urn:vs:more"]}]}},
    {"resourceType": "ValueSet", "id": "vm", "status": "active", "url": "urn:vs:more", "expansion": {"timestamp": "2024-01-01", "contains": [{"system": LOINC, "code": "600-7"}]}},
    {"resourceType": "ValueSet", "id": "vf", "status": "active", "url": "urn:vs:filter", "compose": {"include": [{"system": "urn:elsewhere", "filter": [{"property": "x", "op": "=", "value": "y"}]}]}},
    {"resourceType": "ValueSet", "id": "vu", "status": "active", "url": "urn:vs:under", "compose": {"include": [{"system": LOINC, "filter": [{"property": "concept", "op": "descendent-of", "value": "85354-9"}]}]}},
    {"resourceType": "CodeSystem", "id": "cs", "status": "active", "content": "complete", "url": LOINC,
     "concept": [{"code": "85354-9", "concept": [{"code": "8480-6", "concept": [{"code": "x"}]}, {"code": "8462-4"}]}]},
    {"resourceType": "MolecularSequence", "id": "m1", "coordinateSystem": 0, "referenceSeq": {"chromosome": coded("1"), "genomeBuild": "GRCh37", "windowStart": 100, "windowEnd": 200}},
    {"resourceType": "DocumentReference", "id": "r1", "status": "current", "content": [{"attachment": {"title": "x"}}],
     "relatesTo": [{"code": "replaces", "target": {"reference": "DocumentReference/r0"}}]},
    {"resourceType": "Questionnaire", "id": "q1", "status": "draft", "url": "http://example.org/q/one",
     "useContext": [{"code": {"code": "age"}, "valueQuantity": measured(5, "a")}]},
]  # fmt: skip


@pytest_asyncio.fixture
async def ward(fhir: httpx.AsyncClient) -> httpx.AsyncClient:
    entries = [{"resource": r, "request": {"method": "PUT", "url": f"{r['resourceType']}/{r['id']}"}} for r in WARD]
    done = await fhir.post("/fhir", json={"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert done.status_code == 200, done.text
    return fhir


async def ids(client: httpx.AsyncClient, url: str, mode: str = "match") -> list[str]:
    answer = await client.get(f"/fhir/{url}", headers={"prefer": "handling=strict"})
    assert answer.status_code == 200, (url, answer.text)
    return [e["resource"]["id"] for e in answer.json().get("entry", ()) if e["search"]["mode"] == mode]


SEARCHES = {
    # composites: both halves in one place
    f"Observation?code-value-quantity={LOINC}|718-7$gt100": "",
    f"Observation?code-value-quantity={LOINC}|718-7$lt20": "b2",
    "Observation?code-value-quantity=718-7$90||g/L": "b3",
    "Observation?code-value-quantity=718-7$90,8480-6$120": "b1 b3",
    f"Observation?code-value-quantity=718-7$9|{UCUM}|g/dL": "b3",
    "Observation?code-value-quantity=urn:other|718-7$90||g/L": "",
    f"Observation?code-value-quantity={LOINC}|718-7$gt1||g/dl": "",
    f"Observation?code-value-quantity={LOINC}|718-7$90||g/L,urn:other|718-7$9": "b3",
    f"Observation?code-value-quantity=718-7$gt89999|{UCUM}|mg/L": "b2 b3",
    f"Observation?code-value-quantity=718-7$gt90|{UCUM}|g/L": "b2",
    f"Observation?code-value-quantity=718-7$le9|{UCUM}|g/dL,8480-6$120|{UCUM}|mm[Hg]": "b1 b3",
    f"Observation?code-value-quantity=718-7$9|{UCUM}|mmol/L": "",
    f"Observation?value-quantity=gt90|{UCUM}": "b1",
    f"Observation?value-quantity=ge90|{UCUM}|": "b1 b3",
    "Observation?value-quantity=ge90|urn:other": "",
    f"Observation?code-value-quantity=718-7$lt100|{UCUM}": "b2 b3",
    f"Observation?component-code-value-quantity=8480-6$ge140|{UCUM}": "b4",
    f"Patient?_has:Observation:patient:value-quantity=90|{UCUM}": "p2",
    f"Observation?value-quantity=90|{UCUM}|g/L,120|{UCUM}": "b1 b3",
    f"Observation?component-code-value-quantity=8480-6$gt19|{UCUM}|kPa": "b4",
    f"Observation?code-value-quantity=718-7$90|{UCUM}|kg/m3": "b3",
    f"Observation?value-quantity=90|{UCUM}|kg/m3": "b3",
    f"Observation?value-quantity=0.135|{UCUM}|kg.L-1": "b2",
    f"Observation?value-quantity=gt0.08|{UCUM}|kg/L{{sangue}}": "b2 b3",
    f"Observation?value-quantity=0.135|{UCUM}|kg/L2": "",
    f"Patient?_has:Observation:patient:code-value-quantity=718-7$9|{UCUM}|g/dL": "p2",
    "Observation?component-code-value-quantity=8480-6$ge140": "b4",
    "Observation?component-code-value-quantity=8480-6$95": "",
    "Observation?combo-code-value-quantity=8480-6$ge100": "b1 b4",
    "Observation?combo-code=8480-6": "b1 b4",
    "Observation?combo-value-quantity=ge100": "b1 b4",
    "Observation?code-value-concept=600-7$112283007": "b5",
    "Observation?value-concept=112283007": "b5",
    "Observation?combo-value-concept=112283007,1": "b5",
    "Patient?gender=http://hl7.org/fhir/administrative-gender|male": "p1",
    "Patient?gender=http://hl7.org/fhir/administrative-gender|": "p1 p2 p3",
    "Patient?gender:not=http://hl7.org/fhir/administrative-gender|female": "p1",
    "Patient?gender=urn:other|male": "",
    "Observation?status=http://hl7.org/fhir/observation-status|amended,urn:x|final": "b3",
    "Observation?code-value-quantity:missing=true": "b4 b5",
    "Observation?code-value-quantity:missing=false": "b1 b2 b3",
    "MolecularSequence?chromosome-window-coordinate=1$ge50$le300": "m1",
    "MolecularSequence?chromosome-window-coordinate=1$gt100$le300": "",
    "DocumentReference?relationship=DocumentReference/r0$replaces": "r1",
    "DocumentReference?relationship=DocumentReference/r0$signs": "",
    "Questionnaire?context-type-quantity=age$5": "q1",
    # quantities in other units of the same kind
    f"Observation?value-quantity=135|{UCUM}|g/L": "b2",
    f"Observation?value-quantity=9.0|{UCUM}|g/dL": "b3",
    f"Observation?value-quantity=gt100|{UCUM}|g/L": "b2",
    f"Observation?value-quantity=16.0|{UCUM}|kPa": "b1",
    f"Observation?value-quantity=le13.5|{UCUM}|g/dL": "b2 b3",
    "Observation?value-quantity=13.5||g/dL": "b2",
    # strings anywhere, words of codes, types of identifiers
    "Patient?family:contains=RAU": "p1",
    "Patient?family:contains=x": "",
    "Observation?code:text=hemo": "b2",
    "Observation?combo-code:text=pressao": "b1",
    "Patient?identifier:text=prontu": "p1",
    f"Patient?identifier:of-type={V2}|MR|77": "p1",
    f"Patient?identifier:of-type={V2}|MR|78": "",
    # terminology
    "Observation?code:in=urn:vs:blood": "b2 b3 b5",
    "Observation?code:not-in=urn:vs:blood": "b1 b4",
    "Observation?component-code:in=urn:vs:under": "b4",
    "Observation?code:in=urn:vs:under": "b1",
    "Patient?gender:in=http://hl7.org/fhir/ValueSet/administrative-gender": "p1 p2 p3",
    f"Observation?code:below={LOINC}|85354-9": "b1 b4",
    f"Observation?code:above={LOINC}|8480-6": "b1 b4",
    "Condition?code=http://hl7.org/fhir/sid/icd-10|A00.0": "c1",
    "Condition?code=https://terminologia.saude.gov.br/fhir/CodeSystem/BRCID10|A000": "c1",
    # not, missing: alone and together
    "Observation?status:not=final": "b3",
    "Observation?status:not=final,amended": "",
    "Patient?gender:not=male": "p2 p3",
    "Patient?birthdate:missing=true": "p3",
    "Patient?birthdate:missing=false&gender=female": "p2",
    "Patient?organization:missing=true&gender:not=male": "p2 p3",
    "Patient?telecom:missing=false": "",
    # uri
    "Questionnaire?url:above=http://example.org/q/one/two/three": "q1",
    "Questionnaire?url:below=http://example.org/q": "q1",
    # chains and reverse chains of several steps
    "Observation?patient.organization.partof.name=rede": "b1 b2",
    "Observation?patient.organization:Organization.partof:Organization.name=hospital": "",
    "Patient?_has:Observation:patient:_has:List:item:_id=x": "",
    "Organization?_has:Patient:organization:_has:Observation:patient:code=718-7": "o1",
    "Patient?_has:Condition:subject:asserter.name=lima": "p1",
    "Observation?subject.name=mendes": "b3 b4",
    "Observation?subject:Patient.gender:not=male": "b3 b4",
    "Observation?patient.birthdate:missing=true": "",
    "Patient?_list=l1": "p2 p3",
    "Patient?_list=List/l1&gender=female&birthdate=1990": "p2",
    # compartments
    "Patient/p1/Observation": "b1 b2",
    "Patient/p1/Observation?code=718-7": "b2",
    "Encounter/e1/Observation": "b1",
    "Practitioner/d1/Condition": "c1",
    "Patient/p2/Condition": "",
    # several types
    "?_type=Patient,Organization&_id=p1,o2": "o2 p1",
    "?_type=Encounter": "e1",
    "?_id=p1": "p1",
    "Patient/p1/*?_type=Observation,Condition": "b1 b2 c1",
    "Patient/p1/*": "b1 b2 c1 e1",
}


async def test_searches(ward: httpx.AsyncClient) -> None:
    wrong = {}
    for url, expected in SEARCHES.items():
        found = sorted(await ids(ward, url))
        if found != expected.split():
            wrong[url] = (found, expected)
    assert not wrong


ROUNDED = {
    "5": "a",
    "6": "b",
    "5.5": "b",
    "ne5": "b c",
    "ne6": "a c",
    "100000000000000001": "c",
    "ne5.5": "a c",
    "-5": "",
}


async def test_a_number_stands_for_what_rounds_to_it(fhir: httpx.AsyncClient) -> None:
    """5 is 4.5 up to but not 5.5 (R4 §3.1.1.4.6), of plain quantities, in units of the same kind and in composites."""
    for name, value in (("a", "4.5"), ("b", "5.5"), ("c", "100000000000000001")):
        quantity = f'{{"value": {value}, "system": "http://unitsofmeasure.org", "code": "kg"}}'
        body = f'{{"resourceType": "Observation", "id": "{name}", "status": "final", "code": {{"coding": [{{"code": "w"}}]}}, "valueQuantity": {quantity}}}'
        await fhir.put(f"/fhir/Observation/{name}", content=body, headers={"content-type": "application/fhir+json"})
    for text, expected in ROUNDED.items():
        for address in (f"value-quantity={text}", f"value-quantity={text}||kg", f"code-value-quantity=w${text}"):
            assert sorted(await ids(fhir, f"Observation?{address}")) == expected.split(), address
    assert await ids(fhir, "Observation?value-quantity=5e3|http://unitsofmeasure.org|g") == ["a"]


LEVELS = {
    f"7|{UCUM}|[pH]": "acid neutral",  # 6.8 rounds to 7, and 7.5 does not
    f"7.0|{UCUM}|[pH]": "neutral",
    f"gt7|{UCUM}|[pH]": "base",
    f"lt7|{UCUM}|[pH]": "acid",
    f"ge7|{UCUM}|[pH]": "base neutral",
    f"sa6.9|{UCUM}|[pH]": "base neutral",
    f"eb7|{UCUM}|[pH]": "acid faint",
    f"gt100|{UCUM}|nmol/L": "acid",
    f"lt100|{UCUM}|nmol/L": "base",
    f"100.0|{UCUM}|nmol/L": "neutral",
    f"30|{UCUM}|dB": "loud",
    f"3.00|{UCUM}|B": "loud",
    f"gt999|{UCUM}|B": "",
}


async def test_units_that_are_functions_of_others(fhir: httpx.AsyncClient) -> None:
    """What is more of a unit that falls is less of the other, with prefixes and comparators (UCUM §21)."""
    made = (
        ("acid", "6.8", "[pH]"),
        ("neutral", "100", "nmol/L"),
        ("base", "7.5", "[pH]"),
        ("loud", "1000", "1"),
        ("faint", "5", "[pH]"),
    )
    for name, value, unit in made:
        comparator = '"comparator": "<", ' if name == "faint" else ""
        quantity = f'{{{comparator}"value": {value}, "system": "{UCUM}", "code": "{unit}"}}'
        body = f'{{"resourceType": "Observation", "id": "{name}", "status": "final", "code": {{"text": "w"}}, "valueQuantity": {quantity}}}'
        assert (await fhir.put(f"/fhir/Observation/{name}", content=body)).status_code == 201
    for value, expected in LEVELS.items():
        wanted = [each for each in expected.split() if each != "faint"]
        found = [each for each in await ids(fhir, f"Observation?value-quantity={value}") if each != "faint"]
        assert sorted(found) == wanted, value
    assert "faint" in await ids(fhir, f"Observation?value-quantity=eb7|{UCUM}|[pH]")
    assert "faint" in await ids(fhir, f"Observation?value-quantity=gt100|{UCUM}|nmol/L")
    assert "faint" not in await ids(fhir, f"Observation?value-quantity=gt7|{UCUM}|[pH]")


SORTS = {
    "Observation?_sort=date": "b2 b3 b1 b4 b5",
    "Observation?_sort=-date": "b1 b3 b2 b5 b4",
    "Observation?_sort=status,-date": "b3 b1 b2 b4 b5",
    "Observation?_sort=-value-quantity": "b1 b3 b2 b5 b4",
    "Patient?_sort=family": "p1 p2 p3",
    "Patient?_sort=-family": "p1 p2 p3",
    "Patient?_sort=gender,-birthdate": "p2 p3 p1",
    "Patient?_sort=organization": "p1 p2 p3",
    "Patient?_sort=-gender,-_id": "p1 p3 p2",
    "Observation?status=final&_sort=-date": "b1 b2 b5 b4",
    "?_type=Patient,Organization&_sort=-_id": "p3 p2 p1 o2 o1",
    "?_type=Patient,Organization&_sort=_id,-_lastUpdated": "o1 o2 p1 p2 p3",
    "Patient/p1/*?_sort=-_id,_lastUpdated": "e1 c1 b2 b1",
}  # fmt: skip


@pytest.mark.parametrize("few", [True, False])
async def test_sorting_in_pages(ward: httpx.AsyncClient, few: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether few matches are sorted as a whole or many walked by index, the order and the pages are the same."""
    if not few:
        monkeypatch.setattr("hub.find.ahead.narrow.WIDE_FROM", 0)
    for url, expected in SORTS.items():
        seen: list[str] = []
        next_url = f"/fhir/{url}&_count=2"
        while next_url:
            page = (await ward.get(next_url)).json()
            seen += [e["resource"]["id"] for e in page.get("entry", ())]
            next_url = next((link["url"] for link in page["link"] if link["relation"] == "next"), "")
        assert seen == expected.split(), url


async def test_codes_in_pages(ward: httpx.AsyncClient) -> None:
    """Several codes, several systems and no system: in the order of first storage, each record once."""
    for url in (
        "Patient?gender=female,male,other",
        "Observation?code=718-7,http://loinc.org|2345-7,http://loinc.org|718-7",
        "Observation?status=final,preliminary,amended",
        "Observation?code=http://loinc.org|,urn:none|",
    ):
        whole = await ids(ward, url)
        seen: list[str] = []
        next_url = f"/fhir/{url}&_count=1"
        while next_url:
            page = (await ward.get(next_url)).json()
            seen += [e["resource"]["id"] for e in page.get("entry", ())]
            next_url = next((link["url"] for link in page["link"] if link["relation"] == "next"), "")
        assert seen == whole and len(set(seen)) == len(seen) > 1, url


@pytest.mark.parametrize("wide_from", [5000, 0])
async def test_totals_and_includes_of_looks(
    ward: httpx.AsyncClient, wide_from: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether looks ahead find little or much, in one trip or two: the same number, and the same is included."""
    monkeypatch.setattr("hub.find.ahead.narrow.WIDE_FROM", wide_from)
    for url in ("Patient?_has:Observation:patient:status=final", "Patient?birthdate:missing=false&gender:not=unknown"):
        expected = await ids(ward, url)
        for mode in ("_summary=count", "_count=1&_total=accurate", "_count=1&_total=estimate"):
            assert (await ward.get(f"/fhir/{url}&{mode}")).json()["total"] == len(expected) > 1, (url, mode)
        page = (await ward.get(f"/fhir/{url}&_revinclude=Observation:patient")).json()
        found = [e["resource"]["id"] for e in page["entry"] if e["search"]["mode"] == "match"]
        assert found == expected and len(page["entry"]) > len(expected), url


async def test_wide_looks_find_the_same(ward: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.find.ahead.narrow.WIDE_FROM", 0)
    await test_searches(ward)


async def test_pages_over_several_types(ward: httpx.AsyncClient) -> None:
    seen: list[str] = []
    url = "/fhir?_type=Patient,Observation&_count=3"
    while url:
        page = (await ward.get(url)).json()
        seen += [e["resource"]["id"] for e in page["entry"]]
        url = next((link["url"] for link in page["link"] if link["relation"] == "next"), "")
    assert seen == ["p1", "p2", "p3", "b1", "b2", "b3", "b4", "b5"]
    assert (await ward.get("/fhir?_type=Patient,Observation&_summary=count")).json()["total"] == 8
    posted = await ward.post("/fhir/_search", data={"_type": "Patient", "gender": "male"})
    assert [e["resource"]["id"] for e in posted.json()["entry"]] == ["p1"]
    inside = await ward.post("/fhir/Patient/p1/Observation/_search", data={"code": "718-7"})
    assert [e["resource"]["id"] for e in inside.json()["entry"]] == ["b2"]


INCLUDES = {
    "Observation?_id=b1&_include=Observation:patient&_include:iterate=Patient:organization&_include:iterate=Organization:partof": "o1 o2 p1",
    "Observation?_id=b1&_include=*": "e1 p1",
    "Observation?_id=b1&_include=*&_include:iterate=*": "d1 e1 o1 o2 p1",
    "Organization?_id=o2&_revinclude=Organization:partof&_revinclude:iterate=Patient:organization&_revinclude:iterate=Observation:patient": "b1 b2 o1 p1",
    "Patient?_id=p1&_revinclude=Observation:*": "b1 b2",
    "?_type=Patient,Condition&_id=p1,c1&_include=Condition:asserter&_include=Patient:organization": "d1 o1",
}  # fmt: skip


@pytest.mark.parametrize("url", INCLUDES)
async def test_includes_in_turns(ward: httpx.AsyncClient, url: str) -> None:
    assert sorted(await ids(ward, url, "include")) == INCLUDES[url].split()


@pytest.mark.parametrize(
    ("status", "url"),
    [
        (400, "Observation?code:in=urn:vs:filter"), (400, "Observation?code:in=urn:vs:nowhere"), (400, "Condition?code:below=urn:nowhere|A"), (400, "Condition?code:below=A"),
        (400, "Observation?code-value-quantity=718-7"), (400, "Observation?code-value-quantity=718-7$x"), (400, "Observation?code-value-quantity=a$1$2"),
        (400, "Patient?identifier:of-type=MR|77"), (404, "Organization/o1/Patient"), (404, "Patient/p1/Practitioner"), (400, "?_type=Nothing"),
        (400, "?_type=Patient,Observation&gender=male"), (400, "Patient?_sort=near"), (400, "Patient?_has:Observation:patient:_has:Observation:patient:x=1"),
        (400, "Observation?subject" + ".organization.partof" * 12 + "=x"), (400, "Patient?_sort=family&_cursor=WyJbXSIsMV0"), (400, "Patient?_sort=birthdate&_cursor=WyJbW1wieFwiLFwieVwiXV0iLDFd"),
        (400, "Patient?_list="  "%00"), (400, "Patient?birthdate:not=1"), (400, "Patient?_include=Patient:birthdate"),
        (400, "Observation?patient:Practitioner=d1"), (400, "Location?near:missing=true"), (400, "Patient?_content:exact=x"), (400, "Patient?_tag:text=x"),
    ],
)  # fmt: skip
async def test_what_is_refused(ward: httpx.AsyncClient, status: int, url: str) -> None:
    answer = await ward.get(f"/fhir/{url}", headers={"prefer": "handling=strict"})
    assert answer.status_code == status, answer.text
    assert answer.json()["resourceType"] == "OperationOutcome"


async def test_counts_of_whole_types(ward: httpx.AsyncClient) -> None:
    """Records without any condition are counted by their shapes: changed ones once, deleted ones not at all."""
    before = (await ward.get("/fhir/Patient?_summary=count")).json()["total"]
    assert before == len(await ids(ward, "Patient")) == 3
    body = (await ward.get("/fhir/Patient/p1")).json()
    await ward.put("/fhir/Patient/p1", json={**body, "gender": "unknown"})
    assert (await ward.get("/fhir/Patient?_count=1&_total=accurate")).json()["total"] == before
    made = await ward.post("/fhir/Patient", json={"resourceType": "Patient"})
    assert (await ward.get("/fhir/Patient?_summary=count")).json()["total"] == before + 1
    await ward.delete(f"/fhir/Patient/{made.headers['location'].split('/Patient/')[1].split('/')[0]}")
    assert (await ward.get("/fhir?_type=Patient,Observation&_summary=count")).json()["total"] == before + 5
