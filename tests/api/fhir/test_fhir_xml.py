"""FHIR XML in and out (R4 §2.6.1): every door speaks it; digits, order, extensions and narrative survive."""

from __future__ import annotations

import httpx
import pytest
from lxml import etree

XML = {"content-type": "application/fhir+xml", "accept": "application/fhir+xml"}
NS = 'xmlns="http://hl7.org/fhir"'
OBSERVATION = f"""<?xml version="1.0" encoding="UTF-8"?>
<Observation {NS}>
  <!-- a comment -->
  <text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml"><p>5 &lt; 6 &amp; ção</p></div></text>
  <contained><Patient><id value="c"/><birthDate value="1980"><extension url="urn:e"><valueBoolean value="true"/></extension></birthDate></Patient></contained>
  <status value="final"/>
  <code id="k"><text value="glicose"/></code>
  <subject><reference value="#c"/></subject>
  <valueQuantity><value value="1.50"/><unit value="mg"/></valueQuantity>
  <component><code><text value="a"/></code><valueInteger value="0"/></component>
</Observation>"""


async def test_there_and_back(fhir: httpx.AsyncClient) -> None:
    made = await fhir.post("/fhir/Observation", content=OBSERVATION, headers=XML)
    assert made.status_code == 201, made.text
    assert made.headers["content-type"].startswith("application/fhir+xml")
    identity = etree.fromstring(made.content).find("{*}id").get("value")
    stored = await fhir.get(f"/fhir/Observation/{identity}")
    assert '"value":1.50' in stored.text
    body = stored.json()
    assert body["contained"][0]["_birthDate"]["extension"][0]["valueBoolean"] is True
    assert body["code"]["id"] == "k" and body["component"][0]["valueInteger"] == 0
    again = await fhir.get(f"/fhir/Observation/{identity}?_format=xml&_pretty=true")
    assert '<value value="1.50"/>' in again.text and "<p>5 &lt; 6 &amp; ção</p>" in again.text
    names = [etree.QName(child).localname for child in etree.fromstring(again.content)]
    assert names == ["id", "meta", "text", "contained", "status", "code", "subject", "valueQuantity", "component"]
    posted = await fhir.put(f"/fhir/Observation/{identity}", content=again.content, headers=XML)
    assert posted.status_code == 200
    after = (await fhir.get(f"/fhir/Observation/{identity}")).json()
    assert {**after, "meta": 0} == {**body, "meta": 0}


async def test_bundles_and_errors(fhir: httpx.AsyncClient) -> None:
    entry = f'<entry><resource>{OBSERVATION.partition("?>")[2]}</resource><request><method value="POST"/><url value="Observation"/></request></entry>'
    done = await fhir.post("/fhir", content=f'<Bundle {NS}><type value="transaction"/>{entry}</Bundle>', headers=XML)
    assert done.status_code == 200 and "201 Created" in done.text
    found = await fhir.get("/fhir/Observation?status=final", headers={"accept": "application/fhir+xml"})
    assert etree.fromstring(found.content).find("{*}entry/{*}resource/{*}Observation") is not None
    missing = await fhir.get("/fhir/Observation/none?_format=xml")
    assert missing.status_code == 404 and etree.QName(etree.fromstring(missing.content)).localname == "OperationOutcome"
    statement = await fhir.get("/fhir/metadata?_format=xml")
    assert etree.QName(etree.fromstring(statement.content)).localname == "CapabilityStatement"
    checked = await fhir.post("/fhir/$validate", content=OBSERVATION, headers=XML)
    assert checked.status_code == 200 and etree.QName(etree.fromstring(checked.content)).localname == "OperationOutcome"


WRONG = {
    "no xml": "{",
    "empty": "",
    "doctype": f'<!DOCTYPE p [<!ENTITY e SYSTEM "file:///etc/passwd">]><Patient {NS}><gender value="&e;"/></Patient>',
    "bomb": '<!DOCTYPE p [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;">]>' + f'<Patient {NS}><gender value="&b;"/></Patient>',
    "no namespace": '<Patient><gender value="male"/></Patient>',
    "repeated": f'<Patient {NS}><gender value="male"/><gender value="male"/></Patient>',
    "nothing": f"<Patient {NS}><gender/></Patient>",
    "text": f"<Patient {NS}>loose</Patient>",
    "two contained": f'<Patient {NS}><contained><Patient/><Patient/></contained></Patient>',
    "deep": f"<Patient {NS}>" + "<contact>" * 200 + "</contact>" * 200 + "</Patient>",
    "very deep": f"<Patient {NS}>" + "<contact>" * 20_000,
    "other type": f'<Group {NS}><type value="person"/></Group>',
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
async def test_what_cannot_be_read(fhir: httpx.AsyncClient, name: str) -> None:
    answer = await fhir.post("/fhir/Patient", content=WRONG[name], headers=XML)
    assert answer.status_code == 400, answer.text
    assert etree.QName(etree.fromstring(answer.content)).localname == "OperationOutcome"


@pytest.mark.parametrize(
    "inner", ['<gender value="banana"/>', '<colour value="red"/>', '<birthDate value="2020-02-30"/>', '<active value="yes"/>', '<active color="x" value="true"/>'],
)  # fmt: skip
async def test_what_does_not_validate(fhir: httpx.AsyncClient, inner: str) -> None:
    answer = await fhir.post("/fhir/Patient", content=f"<Patient {NS}>{inner}</Patient>", headers=XML)
    assert answer.status_code == 422, answer.text
