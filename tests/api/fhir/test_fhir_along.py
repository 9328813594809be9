"""Code systems and value sets that come with a question, in several versions; what an expansion tells of itself."""

from __future__ import annotations

from typing import Any

import httpx

from tests.api.fhir.test_fhir_terminology import codes, named, value_set

SYSTEM = "urn:cs:phases"


def phases(version: str, *names: str) -> dict[str, Any]:
    concepts = [{"code": f"p{n}", "display": name} for n, name in enumerate(names)]
    return {
        "resourceType": "CodeSystem", "url": SYSTEM, "status": "active", "content": "complete", "concept": concepts,
        **({"version": version} if version else {}),
    }  # fmt: skip


def asked(url: str, along: list[dict[str, Any]], **stated: Any) -> dict[str, Any]:
    parts = [{"name": "url", "valueUri": url}, *({"name": "tx-resource", "resource": each} for each in along)]
    parts += [{"name": name.rpartition("_")[0], f"value{name.rpartition('_')[2]}": v} for name, v in stated.items()]
    return {"resourceType": "Parameters", "parameter": parts}


OLD = value_set("old", [{"system": SYSTEM, "version": "1.9.0"}])
NEW = {**value_set("new", [{"system": SYSTEM}]), "title": "Phases", "experimental": True}
ALONG = [phases("1.9.0", "New"), phases("1.10.0", "New moon", "Full moon"), OLD, NEW]


async def test_several_versions_of_one_system_come_along(fhir: httpx.AsyncClient) -> None:
    for url, wanted in ((OLD["url"], "p0"), (NEW["url"], "p0 p1")):
        assert codes(await fhir.post("/fhir/ValueSet/$expand", json=asked(url, ALONG))) == wanted
    call = "/fhir/ValueSet/$validate-code"
    for url, version, display in ((OLD["url"], "1.9.0", "New"), (NEW["url"], "1.10.0", "New moon")):
        told = named(await fhir.post(call, json=asked(url, ALONG, code_Code="p0", system_Uri=SYSTEM)))
        assert (told["result"], told["version"], told["display"]) == (True, version, display)
    none = named(await fhir.post(call, json=asked(OLD["url"], ALONG, code_Code="p7", system_Uri=SYSTEM)))
    assert none["result"] is False and "version" not in none
    some = [*ALONG[:2], value_set("some", [{"system": SYSTEM, "concept": [{"code": "p1"}]}])]
    out = named(await fhir.post(call, json=asked("urn:vs:some", some, code_Code="p0", system_Uri=SYSTEM)))
    assert out["result"] is False and out["version"] == "1.10.0"


async def test_a_set_that_is_not_asked_about_asks_for_no_supplement(fhir: httpx.AsyncClient) -> None:
    supplement = "http://hl7.org/fhir/StructureDefinition/valueset-supplement"
    wants = {**value_set("wants", [{"system": SYSTEM}]),
             "extension": [{"url": supplement, "valueCanonical": "urn:cs:nowhere"}]}  # fmt: skip
    answer = await fhir.post("/fhir/ValueSet/$expand", json=asked(NEW["url"], [*ALONG, wants]))
    assert answer.status_code == 200 and codes(answer) == "p0 p1"
    assert (await fhir.post("/fhir/ValueSet/$expand", json=asked("urn:vs:wants", [*ALONG, wants]))).status_code == 404
    over = value_set("over", [{"valueSet": ["urn:vs:wants"]}])
    whole = asked("urn:vs:over", [*ALONG, wants, over])
    assert (await fhir.post("/fhir/ValueSet/$expand", json=whole)).status_code == 404


async def test_what_an_expansion_tells_of_itself(fhir: httpx.AsyncClient) -> None:
    found = (await fhir.post("/fhir/ValueSet/$expand", json=asked(NEW["url"], ALONG, displayLanguage_Code="en"))).json()
    assert (found["title"], found["experimental"]) == ("Phases", True)
    assert "offset" not in found["expansion"]
    told = {(p["name"], *(v for k, v in p.items() if k.startswith("value"))) for p in found["expansion"]["parameter"]}
    assert {("version", f"{SYSTEM}|1.10.0"), ("used-codesystem", f"{SYSTEM}|1.10.0")} <= told
    assert {"name": "displayLanguage", "valueCode": "en"} in found["expansion"]["parameter"]
    page = (await fhir.post("/fhir/ValueSet/$expand", json=asked(NEW["url"], ALONG, count_Integer=1))).json()
    assert page["expansion"]["offset"] == 0 and page["expansion"]["total"] == 2
    bare = (await fhir.post("/fhir/ValueSet/$expand", json=asked(NEW["url"], [phases("", "New"), NEW]))).json()
    assert bare["expansion"]["parameter"] == [{"name": "used-codesystem", "valueUri": SYSTEM}]


async def test_the_name_shown_is_not_told_twice_and_the_display_is_not_lost(fhir: httpx.AsyncClient) -> None:
    names = [{"language": "pt", "value": "Lua nova"}, {"language": "de", "value": "Neumond"}]
    system = {**phases("1", "New moon"), "language": "en"}
    system["concept"][0]["designation"] = names
    along = [system, NEW]
    for language, shown, beside in (
        ("pt-BR", "Lua nova", [("en", "New moon"), ("de", "Neumond")]),
        ("en", "New moon", [("pt", "Lua nova"), ("de", "Neumond")]),
        ("fr", "New moon", [("pt", "Lua nova"), ("de", "Neumond")]),
    ):
        body = asked(NEW["url"], along, includeDesignations_Boolean=True)
        answer = await fhir.post("/fhir/ValueSet/$expand", json=body, headers={"accept-language": language})
        (found,) = answer.json()["expansion"]["contains"]
        assert (found["display"], [(d["language"], d["value"]) for d in found["designation"]]) == (shown, beside)
        assert {"name": "displayLanguage", "valueCode": language} in answer.json()["expansion"]["parameter"]
    stored = {**system, "id": "phases"}
    assert (await fhir.put("/fhir/CodeSystem/phases", json=stored)).status_code == 201
    told = (await fhir.get(f"/fhir/CodeSystem/$lookup?system={SYSTEM}&code=p0&displayLanguage=pt")).json()["parameter"]
    assert [p["valueString"] for p in told if p["name"] == "display"] == ["Lua nova"]
    assert [p["part"][-1]["valueString"] for p in told if p["name"] == "designation"] == ["New moon", "Neumond"]
