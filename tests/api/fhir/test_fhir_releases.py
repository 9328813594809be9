"""The terminology operations, searches and bindings over releases that were brought in, of invented concepts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import pytest_asyncio
import release_packages as made

from fhir.validation.validator import validate
from hub.world import Tenant, World
from tests.api.fhir.test_fhir_terminology import codes, named, value_set
from tests.hub.test_releases import bring

SCT = "http://snomed.info/sct"
EDITION = f"{SCT}/{made.CORE}/version/20260301"


@pytest_asyncio.fixture
async def moon(
    fhir: httpx.AsyncClient, world: World, cluster: Any, tenant: Tenant, tmp_path: Path
) -> AsyncIterator[httpx.AsyncClient]:
    await bring(world, cluster, tenant, made.zipped(tmp_path / "s.zip", made.snomed()))
    await bring(world, cluster, tenant, made.zipped(tmp_path / "l.zip", made.loinc()))
    await bring(world, cluster, tenant, made.zipped(tmp_path / "c.zip", made.cid10(), "latin-1"))
    yield fhir


def url_of(text: str) -> str:
    return quote(text, safe="")


EXPANSIONS: dict[str, list[str]] = {
    f"{SCT}?fhir_vs=isa/400000992": ["400000992", "400000993", "400000995"],
    f"{SCT}/{made.CORE}?fhir_vs=isa/400000994": ["400000994", "400000995"],
    f"{EDITION}?fhir_vs=refset/{made.LIST}": ["400000993", "400000994"],
    f"{SCT}?fhir_vs=ecl/<400000992": ["400000993", "400000995"],
    f"{SCT}?fhir_vs=ecl/<< 400000992 |Lua| AND << 400000994": ["400000995"],
    f"{SCT}?fhir_vs=ecl/<400000991 MINUS (<<400000992 OR ^ {made.LIST})": [],
    f"{SCT}?fhir_vs=ecl/^{made.LIST} MINUS <<400000992": ["400000994"],
    f"{SCT}?fhir_vs=ecl/<!400000991": ["400000992", "400000994"],
    f"{SCT}?fhir_vs=ecl/>400000995": [made.ROOT, "400000991", "400000992", "400000994"],
    f"{SCT}?fhir_vs=ecl/>!400000993": ["400000992"],
    f"{SCT}?fhir_vs=ecl/*:400000998=<<400000997": ["400000992"],
    f"{SCT}?fhir_vs=ecl/<400000991:400000998=400000996": [],
    f"{SCT}?fhir_vs=ecl/*:*=400000997": ["400000992"],
    f'{SCT}?fhir_vs=ecl/<400000991 {{{{ term = "MUITO lua", language = pt }}}}': ["400000993"],
    "http://loinc.org/vs/LP99999-1": ["99001-1", "99002-9"],
    "http://loinc.org/vs/LL9999-1": ["LA99991-1", "LA99992-9"],
    "urn:vs:blood": ["99001-1"],
    "urn:vs:pattern": ["99002-9"],
    "urn:vs:both": ["400000993", "99001-1"],
    "urn:vs:within": ["400000994", "400000995"],
    "urn:vs:tide": ["A00.0", "A00.1"],
    "urn:vs:listed": ["400000993", "400000992"],
}
SETS = [
    value_set("blood", [{"system": "http://loinc.org", "filter": [
        {"property": "SYSTEM", "op": "=", "value": "Bld"}, {"property": "STATUS", "op": "=", "value": "ACTIVE"}]}]),
    value_set("pattern", [{"system": "http://loinc.org", "filter": [{"property": "SYSTEM", "op": "regex", "value": "Ur.*"}]}]),
    value_set("both", [
        {"system": SCT, "filter": [{"property": "concept", "op": "in", "value": made.LIST}]},
        {"system": "http://loinc.org", "concept": [{"code": "99001-1"}]},
    ], [{"system": SCT, "concept": [{"code": "400000994"}]}]),
    value_set("within", [{"valueSet": [f"{SCT}?fhir_vs=isa/400000994"]}]),
    value_set("tide", [{"system": "http://hl7.org/fhir/sid/icd-10", "filter": [{"property": "concept", "op": "descendent-of", "value": "A00"}]}]),
    value_set("listed", [{"system": SCT, "concept": [{"code": "400000993"}, {"code": "400000992", "display": "Nossa lua"}]}]),
]  # fmt: skip


async def test_expansions(moon: httpx.AsyncClient) -> None:
    for body in SETS:
        assert (await moon.put(f"/fhir/ValueSet/{body['id']}", json=body)).status_code == 201
    for url, wanted in EXPANSIONS.items():
        answer = await moon.get(f"/fhir/ValueSet/$expand?url={url_of(url)}")
        assert answer.status_code == 200, (url, answer.text)
        assert codes(answer).split() == wanted, url


async def test_pages_words_and_refusals(moon: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    call = f"/fhir/ValueSet/$expand?url={url_of(SCT + '?fhir_vs')}"
    whole = (await moon.get(call)).json()["expansion"]
    assert whole["total"] == 10 and whole["contains"][0]["display"] == "Raiz inventada"
    assert {"name": "version", "valueUri": f"{SCT}|{EDITION}"} in whole["parameter"]
    page = (await moon.get(f"{call}&offset=8&count=5&activeOnly=true")).json()["expansion"]
    assert page["total"] == 9 and [each["code"] for each in page["contains"]] == ["400000998"]
    assert codes(await moon.get(f"{call}&filter=LUA%20CLÁ")).split() == ["400000992", "400000993"]
    assert codes(await moon.get(f"{call}&filter=observacao")).split() == ["400000996"]
    assert codes(await moon.get(f"{call}&filter=very")).split() == ["400000993"]
    assert (await moon.get(f"{call}&filter=nothing")).json()["expansion"]["total"] == 0
    english = (await moon.get(f"{call}&filter=crater&displayLanguage=en")).json()["expansion"]["contains"]
    assert english == [{"system": SCT, "version": EDITION, "code": "400000997", "display": "Crater"}]
    nested = (
        await moon.get(f"/fhir/ValueSet/$expand?url={url_of(SCT + '?fhir_vs=isa/400000991')}&excludeNested=false")
    ).json()
    (top,) = nested["expansion"]["contains"]
    assert [each["code"] for each in top["contains"]] == ["400000992", "400000994"]
    for query, status in REFUSALS.items():
        answer = await moon.get(f"/fhir/ValueSet/$expand?url={url_of(f'{SCT}?fhir_vs={query}')}")
        assert answer.status_code == status, (query, answer.text)
    monkeypatch.setattr("fhir.terminology.expansion.MOST_CODES", 3)
    assert (await moon.get(call)).status_code == 422 and (await moon.get(f"{call}&count=3")).status_code == 200


async def test_one_code(moon: httpx.AsyncClient) -> None:
    answer = (await moon.get(f"/fhir/CodeSystem/$lookup?system={SCT}&code=400000992")).json()["parameter"]
    simple = {
        part["name"]: part.get("valueString") for part in answer if part["name"] in ("display", "version", "name")
    }
    assert simple == {"name": "SNOMED CT", "version": EDITION, "display": "Lua clara"}
    properties = {
        (p["part"][0]["valueCode"], str(next(iter({k: v for k, v in p["part"][1].items() if k != "name"}.values()))))
        for p in answer
        if p["name"] == "property"
    }
    assert {
        ("parent", "400000991"),
        ("child", "400000993"),
        ("child", "400000995"),
        ("inactive", "False"),
        ("400000998", "400000997"),
        ("sufficientlyDefined", "False"),
    } <= properties
    names = {
        p["part"][-1]["valueString"]: p["part"][1]["valueCoding"]["code"] for p in answer if p["name"] == "designation"
    }
    assert names == {"Bright moon (invented)": made.FSN, "Bright moon": "preferredForLanguage"}
    english = await moon.get(f"/fhir/CodeSystem/$lookup?system={SCT}&code=400000992&displayLanguage=en-GB")
    assert named(english)["display"] == "Bright moon"
    cid = await moon.get("/fhir/CodeSystem/$lookup?system=http://hl7.org/fhir/sid/icd-10&code=A001")
    assert named(cid)["display"] == "Maré de abril" and named(cid)["code"] == "A00.1"
    assert (await moon.get(f"/fhir/CodeSystem/$lookup?system={SCT}&code=4711")).status_code == 404
    assert (await moon.get(f"/fhir/CodeSystem/$lookup?system={SCT}&version={SCT}/1&code=400000992")).status_code == 404
    await _lineages(moon)
    await _verdicts(moon)
    await _translations(moon)


async def _lineages(moon: httpx.AsyncClient) -> None:
    pairs = {("400000991", "400000995"): "subsumes", ("400000995", "400000994"): "subsumed-by",
             ("400000992", "400000994"): "not-subsumed", ("400000992", "400000992"): "equivalent"}  # fmt: skip
    for (one, other), outcome in pairs.items():
        answer = await moon.get(f"/fhir/CodeSystem/$subsumes?system={SCT}&codeA={one}&codeB={other}")
        assert named(answer)["outcome"] == outcome
    name = {"name": "name", "valueString": "moons"}
    assert (
        await moon.post("/fhir/$closure", json={"resourceType": "Parameters", "parameter": [name]})
    ).status_code == 200
    added = [{"name": "concept", "valueCoding": {"system": SCT, "code": code}} for code in ("400000991", "400000995")]
    told = await moon.post("/fhir/$closure", json={"resourceType": "Parameters", "parameter": [name, *added]})
    assert told.json()["group"][0]["element"][0]["target"] == [{"code": "400000991", "equivalence": "subsumes"}]


VERDICTS = (
    ("CodeSystem", f"url={SCT}&code=400000992&display=Bright%20moon", True, ""),
    ("CodeSystem", f"url={SCT}&code=400000992&display=Sun", False, "Lua clara"),
    ("CodeSystem", f"url={SCT}&code={made.GONE}", True, "inativo"),
    ("CodeSystem", f"url={SCT}&code={made.GONE}&activeOnly=true", False, "inativo"),
    ("CodeSystem", f"url={SCT}&code=4711", False, "não existe"),
    ("ValueSet", f"url={url_of(SCT + '?fhir_vs=isa/400000991')}&system={SCT}&code=400000995", True, ""),
    ("ValueSet", f"url={url_of(SCT + '?fhir_vs=isa/400000994')}&system={SCT}&code=400000992", False, "não pertence"),
    ("ValueSet", f"url={url_of(SCT + '?fhir_vs=ecl/^' + made.LIST)}&code=400000993", True, ""),
    ("CodeSystem", "url=http://hl7.org/fhir/sid/icd-10&code=A00-A09", False, "agrupar"),
)


async def _verdicts(moon: httpx.AsyncClient) -> None:
    for kind, query, result, words in VERDICTS:
        answer = named(await moon.get(f"/fhir/{kind}/$validate-code?{query}"))
        assert answer["result"] is result and words in answer.get("message", ""), (query, answer)


ICD, R68 = "http://hl7.org/fhir/sid/icd-10", f"{EDITION}?fhir_cm={made.MAP}"
TRANSLATIONS: dict[str, list[tuple[str, str, str]]] = {
    f"system={SCT}&code=400000992": [
        ("inexact", "R68.1", ""), ("inexact", "R68.8", ""), ("relatedto", "A00.1", "Maré de abril"),
    ],
    f"url={url_of(R68)}&system={SCT}&code=400000994": [("unmatched", "", "")],
    f"url={url_of(f'{SCT}?fhir_cm={made.MAP}')}&system={ICD}&code=A001&reverse=true": [("relatedto", "400000992", "Lua clara")],
    f"system={SCT}&code=400000992&targetsystem=urn:other": [],
    f"system={SCT}&code=400000997": [],
}  # fmt: skip


async def _translations(moon: httpx.AsyncClient) -> None:
    for query, wanted in TRANSLATIONS.items():
        answer = (await moon.get(f"/fhir/ConceptMap/$translate?{query}")).json()["parameter"]
        matches = [{part["name"]: part for part in each["part"]} for each in answer if each["name"] == "match"]
        codings = [each.get("concept", {}).get("valueCoding", {}) for each in matches]
        told = [
            (m["equivalence"]["valueCode"], c.get("code", ""), c.get("display", ""))
            for m, c in zip(matches, codings, strict=True)
        ]
        assert told == wanted, (query, answer)
        assert all(each["source"]["valueUri"] == R68 for each in matches)
    told = named(await moon.get(f"/fhir/ConceptMap/$translate?system={SCT}&code=400000992"))
    assert told["result"] is True and "R68.1: IF FEMALE" in told["message"]
    assert (
        await moon.get(f"/fhir/ConceptMap/$translate?url={url_of('urn:x?fhir_cm=1')}&system={SCT}&code=1")
    ).status_code == 404


REFUSALS = {
    f"ecl/400000991 AND 400000992 OR {made.ROOT}": 422, "ecl/<<": 422, "ecl/<400000991 {{ term = \"x }}": 422,
    "ecl/" + "(" * 60 + "400000991" + ")" * 60: 422, "ecl/LOINC#1-2": 422, "other/1": 404,
}  # fmt: skip


async def test_searches_bindings_and_walls(moon: httpx.AsyncClient, client_for: Any, other_tenant: Tenant) -> None:
    for number, code in enumerate(("400000993", "400000994", "400000996")):
        body = {
            "resourceType": "Condition",
            "id": f"c{number}",
            "subject": {"reference": "Patient/x"},
            "code": {"coding": [{"system": SCT, "code": code}]},
        }
        assert (await moon.put(f"/fhir/Condition/c{number}", json=body)).status_code == 201
    searches = {
        f"code:in={url_of(SCT + '?fhir_vs=isa/400000991')}": {"c0", "c1"},
        f"code:not-in={url_of(SCT + '?fhir_vs=refset/' + made.LIST)}": {"c2"},
        f"code:below={SCT}|400000992": {"c0"},
        f"code:above={SCT}|400000995": {"c1"},
    }
    for query, wanted in searches.items():
        answer = await moon.get(f"/fhir/Condition?{query}")
        assert answer.status_code == 200, answer.text
        assert {
            e["resource"]["id"] for e in answer.json().get("entry", []) if e["search"]["mode"] == "match"
        } == wanted, query
    profile = {
        "resourceType": "StructureDefinition", "id": "moon", "url": "urn:sd:moon", "name": "Moon", "status": "active", "kind": "resource",
        "abstract": False, "type": "Condition", "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Condition", "derivation": "constraint",
        "differential": {"element": [{"id": "Condition.code", "path": "Condition.code", "binding": {"strength": "required", "valueSet": f"{SCT}?fhir_vs=isa/400000992"}}]},
    }  # fmt: skip
    assert (await moon.put("/fhir/StructureDefinition/moon", json=profile)).status_code == 201
    for record, holds in (("c0", True), ("c1", False)):
        told = (await moon.get(f"/fhir/Condition/{record}/$validate?profile=urn:sd:moon")).json()
        assert any(issue["severity"] == "error" for issue in told["issue"]) is not holds, told
    other = await client_for(other_tenant)
    for call in (
        f"CodeSystem/$lookup?system={SCT}&code=400000992",
        f"ValueSet/$expand?url={url_of(SCT + '?fhir_vs=isa/400000992')}",
    ):
        assert (await other.get(f"/fhir/{call}")).status_code == 404


OWN = [
    {"id": "a", "url": "urn:cs:own", "version": "1", "content": "complete", "concept": [{"code": "x"}]},
    {"id": "b", "url": "urn:cs:own", "version": "2", "content": "complete", "concept": [{"code": "x"}]},
    {"id": "old", "url": "urn:cs:own", "version": "3", "content": "complete", "status": "retired"},
    {"id": "plain", "url": "urn:cs:plain", "content": "fragment", "concept": [{"code": "x"}]},
    {"id": "promised", "url": "urn:cs:promised", "content": "not-present"},
    {"id": "more", "url": "urn:cs:more", "content": "supplement", "supplements": "urn:cs:own"},
    {"id": "moons", "url": SCT, "version": "mine", "content": "example", "concept": [{"code": "400000992"}]},
]
CODES = {SCT: "400000992"}  # what holds some of its concepts only is not asked about others


async def terms_of(client: httpx.AsyncClient) -> dict[str, list[str]]:
    """The versions of each code system that the TerminologyCapabilities claim, what counts by itself first."""
    document = (await client.get("/fhir/metadata?mode=terminology")).json()
    assert validate(document) == []
    found = {each["uri"]: [v["code"] for v in each.get("version", ())] for each in document["codeSystem"]}
    assert len(found) == len(document["codeSystem"])
    assert all(
        v["isDefault"] is (not place) for e in document["codeSystem"] for place, v in enumerate(e.get("version", ()))
    )
    return found


async def status_of(client: httpx.AsyncClient, url: str, version: str = "") -> int:
    asked = f"/fhir/CodeSystem/$validate-code?url={url_of(url)}&code={CODES.get(url, 'x')}" + (
        f"&version={url_of(version)}" if version else ""
    )
    return (await client.get(asked)).status_code


async def test_what_is_claimed_of_code_systems_holds_both_ways(
    moon: httpx.AsyncClient, client_for: Any, other_tenant: Tenant
) -> None:
    for body in OWN:
        stored = {"resourceType": "CodeSystem", "status": "active", **body}
        assert (await moon.put(f"/fhir/CodeSystem/{body['id']}", json=stored)).status_code == 201
    found, other = await terms_of(moon), await client_for(other_tenant)
    assert found["urn:cs:own"] == ["2", "1", "3"] and found["urn:cs:plain"] == []
    assert found[SCT] == [EDITION, "mine"] and len(found["http://loinc.org"]) == 1
    assert "https://fhir.ans.gov.br/CodeSystem/tuss-22" in found
    theirs = await terms_of(other)
    own = {url: versions for url, versions in found.items() if theirs.get(url) != versions}
    assert {"urn:cs:own", "urn:cs:plain", SCT, "http://loinc.org"} <= set(own) and set(theirs) < set(found)
    for url, versions in (own | dict(list(theirs.items())[::40])).items():
        for version in ("", *versions):
            assert await status_of(moon, url, version) == 200, (url, version)
        assert await status_of(moon, url, "no-such") == 404, url
    for url in ("urn:cs:own", "urn:cs:plain", SCT):
        assert url not in theirs and await status_of(other, url) == 404
    for url in ("urn:cs:more", "urn:cs:promised", "urn:cs:none"):
        assert url not in found, url
    for url, version in ((SCT, EDITION), ("urn:cs:own", "2")):
        answer = await moon.get(
            f"/fhir/CodeSystem/$lookup?system={url_of(url)}&code={'400000992' if url == SCT else 'x'}"
        )
        assert {p["name"]: p.get("valueString") for p in answer.json()["parameter"]}["version"] == version
    for identity in ("a", "plain"):
        await moon.delete(f"/fhir/CodeSystem/{identity}")
    found = await terms_of(moon)
    assert found["urn:cs:own"] == ["2", "3"] and "urn:cs:plain" not in found
    assert await status_of(moon, "urn:cs:own", "1") == 404 == await status_of(moon, "urn:cs:plain")
    stranger = (await moon.get("/fhir/metadata?mode=terminology", headers={"authorization": ""})).json()["codeSystem"]
    named = {each["uri"] for each in stranger}
    assert len(named) > 1000 and named <= set(theirs) and not named & {"urn:cs:own", SCT}
