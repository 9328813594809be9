"""Searches by value sets and hierarchies of thousands of codes (R4 §3.1.1.4.10): found as by any smaller set."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import pytest_asyncio

from hub.find.ahead import used

CODES = [f"k{number:05}" for number in range(6_000)]
RECORDED = CODES[::20]  # 300, more than are looked for one by one
SYSTEM = "urn:large"


def is_odd(identity: str) -> bool:
    """Whether a record is of the second patient."""
    return identity[-3] in "13579"


def of_set(name: str, codes: list[str]) -> dict[str, Any]:
    listed = [{"code": code} for code in codes]
    compose = {"include": [{"system": SYSTEM, "concept": listed}]}
    return {"resourceType": "ValueSet", "id": name, "status": "active", "url": f"urn:vs:{name}", "compose": compose}


def condition(identity: str, *codings: tuple[str, str]) -> dict[str, Any]:
    coded = {"coding": [{"system": system, "code": code} for system, code in codings]}
    body = {"resourceType": "Condition", "id": identity, "subject": {"reference": f"Patient/p{int(is_odd(identity))}"}}
    return {**body, "code": coded} if codings else body


RECORDS: list[dict[str, Any]] = [
    *({"resourceType": "Patient", "id": f"p{number}", "active": number == 1} for number in range(2)),
    *(condition(code, (SYSTEM, code)) for code in RECORDED),
    condition("elsewhere", ("urn:before", CODES[0]), ("urn:zzz", CODES[20])),
    condition("both", (SYSTEM, CODES[1]), ("urn:zzz", CODES[2])),
    condition("outside", (SYSTEM, "j")),
    condition("between", (SYSTEM, "k00020x")),
    condition("none"),
    of_set("whole", CODES),
    of_set("late", CODES[3_000:]),
    of_set("unused", CODES[4::20]),
    {
        "resourceType": "CodeSystem", "id": "large", "status": "active", "content": "complete", "url": SYSTEM,
        "concept": [{"code": "top", "concept": [{"code": code} for code in CODES]}, {"code": "j"}],
    },
]  # fmt: skip
OTHERS = {"elsewhere", "outside", "between", "none"}
ODD = {code for code in RECORDED if is_odd(code)}
LATE = {code for code in RECORDED if code >= CODES[3_000]}
SEARCHES: dict[str, set[str]] = {
    "Condition?code:in=urn:vs:whole": {*RECORDED, "both"},
    "Condition?code:in=urn:vs:late": LATE,
    "Condition?code:in=urn:vs:unused": set(),
    f"Condition?code:below={SYSTEM}|top": {*RECORDED, "both"},
    "Condition?code:not-in=urn:vs:whole": OTHERS,
    "Condition?code:not-in=urn:vs:late": {*RECORDED, "both", *OTHERS} - LATE,
    "Condition?code:not-in=urn:vs:unused": {*RECORDED, "both", *OTHERS},
    "Condition?code:in=urn:vs:whole&code:not-in=urn:vs:late": {*RECORDED, "both"} - LATE,
    "Condition?code:in=urn:vs:whole&_id=both,none,k00020": {"both", "k00020"},
    "Condition?code:not-in=urn:vs:whole&_id=both,none,k00020": {"none"},
    "Condition?patient:Patient.active=true&code:in=urn:vs:whole": ODD,
    "Patient?_has:Condition:patient:code:in=urn:vs:whole": {"p0", "p1"},
    "Condition?_filter=code in urn:vs:late": LATE,
}


@pytest_asyncio.fixture
async def register(fhir: httpx.AsyncClient) -> httpx.AsyncClient:
    entries = [{"resource": r, "request": {"method": "PUT", "url": f"{r['resourceType']}/{r['id']}"}} for r in RECORDS]
    done = await fhir.post("/fhir", json={"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert done.status_code == 200, done.text
    return fhir


async def ids(client: httpx.AsyncClient, url: str) -> list[str]:
    answer = await client.get(f"/fhir/{url}&_count=1000", headers={"prefer": "handling=strict"})
    assert answer.status_code == 200, (url, answer.text)
    return [e["resource"]["id"] for e in answer.json().get("entry", ())]


@pytest.mark.parametrize("wide_from", [5000, 0])
async def test_searches(register: httpx.AsyncClient, wide_from: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether looks ahead find little or much, and for totals and pages too."""
    monkeypatch.setattr("hub.find.ahead.narrow.WIDE_FROM", wide_from)
    for url, wanted in SEARCHES.items():
        found = await ids(register, url)
        assert set(found) == wanted and len(found) == len(wanted), url
        total = (await register.get(f"/fhir/{url}&_summary=count")).json()["total"]
        assert total == len(wanted), url


async def test_pages(register: httpx.AsyncClient) -> None:
    seen: list[str] = []
    url = "/fhir/Condition?code:in=urn:vs:whole&_count=70"
    while url:
        page = (await register.get(url)).json()
        seen += [e["resource"]["id"] for e in page["entry"]]
        url = next((link["url"] for link in page["link"] if link["relation"] == "next"), "")
    assert len(seen) == len(set(seen)) and set(seen) == {*RECORDED, "both"}


async def test_a_long_not(register: httpx.AsyncClient) -> None:
    """Many alternatives that are no value set: each code in any system."""
    codes = RECORDED[:150]
    found = await ids(register, f"Condition?code:not={','.join(codes)}")
    assert set(found) == {*RECORDED[150:], "both", *OTHERS} - {"elsewhere"}


async def test_a_set_beyond_the_limit_is_refused(register: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.terms.tokens.MOST_CODES", 5_000)
    assert used.MANY < 5_000
    for modifier in ("in=urn:vs:whole", f"below={SYSTEM}|top"):
        answer = await register.get(f"/fhir/Condition?code:{modifier}")
        assert answer.status_code == 422 and "5000" in answer.text, answer.text
        assert answer.json()["issue"][0]["code"] == "too-costly"
    assert set(await ids(register, "Condition?code:in=urn:vs:late")) == LATE
