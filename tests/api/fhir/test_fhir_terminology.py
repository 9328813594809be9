"""Terminology operations over HTTP: R4's own terminology, a tenant's records, imported packages and the ANS tables."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import pytest_asyncio

from hub.world import Tenant
from tests.api.conftest import NewClient

GENDER = "http://hl7.org/fhir/administrative-gender"
GENDERS = "http://hl7.org/fhir/ValueSet/administrative-gender"
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
TUSS = "https://fhir.ans.gov.br/CodeSystem/tuss-"
COLOURS: dict[str, Any] = {
    "resourceType": "CodeSystem", "id": "colours", "url": "urn:cs:colours", "version": "2", "name": "Colours", "status": "active", "content": "complete",
    "caseSensitive": True, "property": [{"code": "warm", "type": "boolean"}, {"code": "parent", "type": "code"}],
    "concept": [
        {"code": "any", "display": "Any colour", "property": [{"code": "notSelectable", "valueBoolean": True}], "concept": [
            {"code": "red", "display": "Red", "definition": "As blood", "property": [{"code": "warm", "valueBoolean": True}],
             "designation": [{"language": "pt-BR", "value": "Vermelho"}], "concept": [{"code": "pink", "display": "Pink"}]},
            {"code": "blue", "display": "Blue", "property": [{"code": "status", "valueCode": "retired"}]}]},
        {"code": "violet", "display": "Violet", "property": [{"code": "parent", "valueCode": "red"}, {"code": "parent", "valueCode": "blue"}]},
    ],
}  # fmt: skip


def value_set(name: str, include: list[dict[str, Any]], exclude: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    compose = {"include": include, **({"exclude": exclude} if exclude else {})}
    return {"resourceType": "ValueSet", "id": name, "url": f"urn:vs:{name}", "status": "active", "compose": compose}


def kept(property_: str, operator: str, value: str) -> dict[str, Any]:
    return {"system": "urn:cs:colours", "filter": [{"property": property_, "op": operator, "value": value}]}


SETS = [
    value_set("all", [{"system": "urn:cs:colours"}]),
    value_set("under", [kept("concept", "is-a", "red")]),
    value_set("strictly", [kept("concept", "descendent-of", "red")]),
    value_set("outside", [kept("concept", "is-not-a", "red")]),
    value_set("over", [kept("concept", "generalizes", "violet")]),
    value_set("warm", [kept("warm", "=", "true")]),
    value_set("told", [kept("warm", "exists", "true")]),
    value_set("named", [kept("code", "regex", "r.*|b.*")]),
    value_set("two", [kept("code", "in", "red, pink")]),
    value_set("others", [kept("code", "not-in", "red,pink")]),
    value_set("reds", [{"valueSet": ["urn:vs:under"]}], [kept("code", "=", "pink")]),
    value_set("meet", [{"valueSet": ["urn:vs:under", "urn:vs:over"]}]),
    value_set("mixed", [{"system": "urn:cs:colours", "concept": [{"code": "red", "display": "Rouge"}]}, {"system": GENDER}]),
    value_set("loop", [{"valueSet": ["urn:vs:pool"]}]),
    value_set("pool", [{"valueSet": ["urn:vs:loop"]}]),
    value_set("greedy", [kept("code", "regex", "(a|aa)+$")]),
    value_set("looking-back", [kept("code", "regex", r"(.)\1")]),
    value_set("lost", [{"system": "urn:nowhere"}]),
]  # fmt: skip
MAP = {
    "resourceType": "ConceptMap", "id": "heat", "url": "urn:cm:heat", "status": "active", "group": [
        {"source": "urn:cs:colours", "target": "urn:cs:heat", "unmapped": {"mode": "fixed", "code": "cold"}, "element": [
            {"code": "red", "target": [{"code": "hot", "equivalence": "wider"}]},
            {"code": "any", "target": [{"equivalence": "unmatched"}]},
            {"code": "pink", "target": [{"code": "warm", "equivalence": "equal", "dependsOn": [{"property": "urn:light", "value": "sun"}]}]}]},
    ],
}  # fmt: skip


@pytest_asyncio.fixture
async def terms(fhir: httpx.AsyncClient) -> httpx.AsyncClient:
    entries = [
        {"resource": r, "request": {"method": "PUT", "url": f"{r['resourceType']}/{r['id']}"}}
        for r in (COLOURS, *SETS, MAP)
    ]
    answer = await fhir.post("/fhir", json={"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert answer.status_code == 200, answer.text
    return fhir


def named(answer: httpx.Response) -> dict[str, Any]:
    """The parameters of an answer by name; the last of those that repeat."""
    assert answer.status_code == 200, answer.text
    return {p["name"]: next((v for k, v in p.items() if k != "name"), None) for p in answer.json()["parameter"]}


def codes(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    return " ".join(item["code"] for item in answer.json()["expansion"].get("contains", ()))


EXPANSIONS = {
    "urn:vs:all": "any red pink blue violet", "urn:vs:under": "red pink violet", "urn:vs:strictly": "pink violet", "urn:vs:outside": "any blue",
    "urn:vs:over": "any red blue violet", "urn:vs:warm": "red", "urn:vs:told": "red", "urn:vs:named": "red blue", "urn:vs:two": "red pink",
    "urn:vs:others": "any blue violet", "urn:vs:reds": "red violet", "urn:vs:meet": "red violet", "urn:vs:mixed": "red male female other unknown",
    GENDERS: "male female other unknown", "urn:cs:colours?fhir_vs": "any red pink blue violet", "urn:vs:greedy": "",
    "urn:vs:all&activeOnly=true": "any red pink violet", "urn:vs:all&excludeNotForUI=true": "red pink blue violet", "urn:vs:all&filter=VERM": "red",
    "urn:vs:all&filter=any%20col": "any", "urn:vs:all&count=2&offset=1": "red pink", "urn:vs:all&count=0": "", "urn:vs:mixed&exclude-system=" + GENDER: "red",
    "urn:vs:all&system-version=urn:cs:colours|2": "any red pink blue violet", f"{GENDERS}|4.0.1": "male female other unknown",
}  # fmt: skip


async def test_expansions(terms: httpx.AsyncClient) -> None:
    """What is in a set, and that asking code by code says the same."""
    every = {"any", "red", "pink", "blue", "violet"}
    for url, wanted in EXPANSIONS.items():
        answer = await terms.get(f"/fhir/ValueSet/$expand?url={url}")
        assert codes(answer) == wanted, url
        assert answer.json()["expansion"]["total"] >= len(wanted.split()), url
        if "&" not in url and url.startswith("urn:vs"):
            for code in every:
                told = await terms.get(
                    "/fhir/ValueSet/$validate-code",
                    params={"url": url, "system": "urn:cs:colours", "code": code, "abstract": "true"},
                )
                assert named(told)["result"] is (code in wanted.split()), (url, code)


async def test_expansions_tell_what_they_rest_on(terms: httpx.AsyncClient) -> None:
    answer = await terms.get("/fhir/ValueSet/mixed/$expand?includeDesignations=true&displayLanguage=pt&count=1")
    body = answer.json()
    assert body["url"] == "urn:vs:mixed" and "compose" not in body and body["expansion"]["total"] == 5
    assert {"name": "count", "valueInteger": 1} in body["expansion"]["parameter"]
    (item,) = body["expansion"]["contains"]
    assert item["display"] == "Vermelho" and item["designation"][0] == {"value": "Rouge"} and item["version"] == "2"
    assert "Vermelho" not in [each["value"] for each in item["designation"]]
    plain = await terms.get("/fhir/ValueSet/mixed/$expand?includeDefinition=true")
    assert plain.json()["compose"]["include"] and plain.json()["expansion"]["contains"][0]["display"] == "Rouge"
    marks = {
        i["code"]: (i.get("abstract"), i.get("inactive"))
        for i in (await terms.get("/fhir/ValueSet/all/$expand")).json()["expansion"]["contains"]
    }
    assert marks["any"] == (True, None) and marks["blue"] == (None, True)
    given = {"resourceType": "Parameters", "parameter": [
        {"name": "valueSet", "resource": {"resourceType": "ValueSet", "status": "draft", "compose": {"include": [kept("concept", "is-a", "red")]}}},
        {"name": "count", "valueInteger": 2}]}  # fmt: skip
    assert codes(await terms.post("/fhir/ValueSet/$expand", json=given)) == "red pink"
    assert (await terms.get("/fhir/ValueSet/all/$expand?_format=xml")).text.startswith("<ValueSet xmlns")


REFUSED = {
    "ValueSet/$expand?url=urn:vs:loop": (422, "fhir.terminology.circle"), "ValueSet/$expand?url=urn:vs:lost": (404, "fhir.terminology.system"),
    "ValueSet/$expand?url=urn:none": (404, "fhir.terminology.value-set"), "ValueSet/none/$expand": (404, "failure.not-found"),
    "ValueSet/$expand": (400, "fhir.terminology.parameter-missing"), "ValueSet/$expand?url=urn:vs:all&count=x": (400, "fhir.search.value"),
    "ValueSet/$expand?url=urn:vs:all&context=x": (400, "fhir.terminology.parameter"), "ValueSet/$expand?url=urn:vs:looking-back": (400, "fhir.terminology.pattern"),
    "ValueSet/$expand?url=urn:vs:all&check-system-version=urn:cs:colours|9": (422, "fhir.terminology.version"), "ValueSet/$expand?url=urn:vs:all|7": (404, "fhir.terminology.value-set"),
    f"ValueSet/$expand?url={TUSS}19?fhir_vs": (422, "fhir.terminology.too-costly"), "ValueSet/$expand?url=http://hl7.org/fhir/ValueSet/body-site": (404, "fhir.terminology.system"),
    "CodeSystem/$lookup?system=urn:none&code=x": (404, "fhir.terminology.system"), f"CodeSystem/$lookup?system={GENDER}&code=x": (404, "fhir.terminology.code"),
    f"CodeSystem/$lookup?system={GENDER}": (400, "fhir.terminology.parameter-missing"), "CodeSystem/$lookup?code=x": (400, "fhir.terminology.parameter-missing"),
    f"CodeSystem/$lookup?system={GENDER}&code=male&code=male": (400, "fhir.search.value"), f"CodeSystem/$lookup?system={GENDER}&version=3&code=male": (404, "fhir.terminology.system"),
    f"CodeSystem/$subsumes?system={ACT}&codeA=IMP": (400, "fhir.terminology.parameter-missing"), f"CodeSystem/$subsumes?system={ACT}&codeA=IMP&codeB=x": (404, "fhir.terminology.code"),
    "ConceptMap/$translate?url=urn:none&code=x": (404, "fhir.terminology.concept-map"), "ConceptMap/$translate?code=x": (400, "fhir.terminology.parameter-missing"),
    "ValueSet/$validate-code?url=urn:vs:lost&system=urn:nowhere&code=x": (404, "fhir.terminology.system"), "CodeSystem/$validate-code?url=urn:cs:colours&code=red&date=x": (400, "fhir.search.value"),
    "ValueSet/%24lookup?system=x&code=y": (404, "fhir.not-supported"),
}  # fmt: skip


async def test_refusals(terms: httpx.AsyncClient) -> None:
    for path, (status, code) in REFUSED.items():
        answer = await terms.get(f"/fhir/{path}")
        assert answer.status_code == status, (path, answer.text)
        issue = answer.json()["issue"][0]
        assert issue["details"]["coding"][0]["code"] == code, (path, answer.text)
        assert issue["details"]["text"] and issue["diagnostics"] and "{" not in issue["diagnostics"]
    for body in (
        {"resourceType": "Patient"}, {"resourceType": "Parameters", "parameter": [{"name": "url", "valueBoolean": True}]},
        {"resourceType": "Parameters", "parameter": [{"name": "valueSet", "resource": {"resourceType": "Patient"}}]},
        {"resourceType": "Parameters", "parameter": [{"name": "url", "valueUri": "urn:vs:all"}, {"name": "offset", "valueString": "-1"}]}, {"resourceType": "Parameters", "parameter": [{}]},
    ):  # fmt: skip
        assert (await terms.post("/fhir/ValueSet/$expand", json=body)).status_code == 400, body


async def test_lookup(terms: httpx.AsyncClient) -> None:
    found = await terms.get("/fhir/CodeSystem/$lookup", params={"system": "urn:cs:colours", "code": "red"})
    told = named(found)
    assert (told["name"], told["version"], told["display"], told["definition"]) == ("Colours", "2", "Red", "As blood")
    parts = [
        {p["name"]: p.get("valueCode", p.get("valueBoolean")) for p in each["part"]}
        for each in found.json()["parameter"]
        if each["name"] == "property"
    ]
    assert {(p["code"], p["value"]) for p in parts} == {
        ("warm", True),
        ("inactive", False),
        ("parent", "any"),
        ("child", "pink"),
        ("child", "violet"),
    }
    coding = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "coding", "valueCoding": {"system": "urn:cs:colours", "code": "red"}},
            {"name": "property", "valueCode": "warm"},
        ],
    }
    every = await terms.get("/fhir/CodeSystem/$lookup?system=urn:cs:colours&code=red&property=*")
    assert every.json() == found.json()
    narrow = await terms.post("/fhir/CodeSystem/$lookup", json=coding)
    assert [p["name"] for p in narrow.json()["parameter"]] == [
        "name",
        "version",
        "display",
        "system",
        "code",
        "property",
    ]
    assert (
        named(
            await terms.get("/fhir/CodeSystem/colours/$lookup?code=red", headers={"accept-language": "pt-BR,en;q=0.5"})
        )["display"]
        == "Vermelho"
    )
    assert named(await terms.get(f"/fhir/CodeSystem/$lookup?system={ACT}&code=IMP"))["display"] == "inpatient encounter"


@pytest.mark.parametrize(("one", "other", "outcome"), [
    ("any", "pink", "subsumes"), ("violet", "blue", "subsumed-by"), ("violet", "red", "subsumed-by"), ("pink", "blue", "not-subsumed"), ("red", "red", "equivalent"),
])  # fmt: skip
async def test_subsumes(terms: httpx.AsyncClient, one: str, other: str, outcome: str) -> None:
    assert (
        named(await terms.get(f"/fhir/CodeSystem/$subsumes?system=urn:cs:colours&codeA={one}&codeB={other}"))["outcome"]
        == outcome
    )
    codings = [
        {"name": f"coding{x}", "valueCoding": {"system": "urn:cs:colours", "code": c}}
        for x, c in (("A", one), ("B", other))
    ]
    posted = await terms.post(
        "/fhir/CodeSystem/colours/$subsumes", json={"resourceType": "Parameters", "parameter": codings}
    )
    assert named(posted)["outcome"] == outcome


async def test_validate_code(terms: httpx.AsyncClient) -> None:
    for params, result, message in (
        ({"code": "red"}, True, False), ({"code": "red", "display": "RED"}, True, False), ({"code": "red", "display": "vermelho"}, True, False),
        ({"code": "red", "display": "Green"}, False, True), ({"code": "nope"}, False, True), ({"code": "any"}, False, True), ({"code": "blue"}, True, True),
    ):  # fmt: skip
        for path, more in (("CodeSystem/$validate-code", {"url": "urn:cs:colours"}), ("CodeSystem/colours/$validate-code", {}),
                           ("ValueSet/$validate-code", {"url": "urn:vs:all", "system": "urn:cs:colours"}), ("ValueSet/all/$validate-code", {"system": "urn:cs:colours"})):  # fmt: skip
            told = named(await terms.get(f"/fhir/{path}", params={**params, **more}))
            assert (told["result"], "message" in told) == (result, message), (path, params, told)
    concept = {"coding": [{"system": "urn:x", "code": "1"}, {"system": "urn:cs:colours", "code": "pink"}]}
    body = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "url", "valueUri": "urn:vs:under"},
            {"name": "codeableConcept", "valueCodeableConcept": concept},
        ],
    }
    told = named(await terms.post("/fhir/ValueSet/$validate-code", json=body))
    assert told["result"] is True and told["code"] == "pink" and told["display"] == "Pink"
    for version, result in (("2", True), ("3", False)):
        stated = {"url": "urn:vs:all", "system": "urn:cs:colours", "systemVersion": version, "code": "red"}
        told = named(await terms.get("/fhir/ValueSet/$validate-code", params=stated))
        assert told["result"] is result and ("urn:cs:colours|3" in told.get("message", "")) is not result


async def test_translate(terms: httpx.AsyncClient) -> None:
    def match(answer: httpx.Response) -> tuple[Any, ...]:
        told = named(answer)
        parts = {p["name"]: p for p in told.get("match", ())}
        return (
            told["result"],
            parts.get("concept", {}).get("valueCoding", {}).get("code"),
            parts.get("equivalence", {}).get("valueCode"),
        )

    for path in ("ConceptMap/$translate?url=urn:cm:heat&", "ConceptMap/heat/$translate?", "ConceptMap/$translate?"):
        call = f"/fhir/{path}system=urn:cs:colours&code="
        assert match(await terms.get(call + "red")) == (True, "hot", "wider")
        assert match(await terms.get(call + "blue")) == (True, "cold", "inexact")
        assert match(await terms.get(call + "any")) == (False, None, "unmatched")
        assert match(await terms.get(call + "pink")) == (False, None, None)
        assert match(await terms.get(call + "red&targetsystem=urn:other")) == (False, None, None)
    assert match(await terms.get("/fhir/ConceptMap/$translate?system=urn:cs:heat&code=hot&reverse=true")) == (
        True,
        "red",
        "narrower",
    )
    light = {
        "name": "dependency",
        "part": [
            {"name": "element", "valueUri": "urn:light"},
            {"name": "concept", "valueCodeableConcept": {"coding": [{"code": "sun"}]}},
        ],
    }
    body = {
        "resourceType": "Parameters",
        "parameter": [{"name": "coding", "valueCoding": {"system": "urn:cs:colours", "code": "pink"}}, light],
    }
    assert match(await terms.post("/fhir/ConceptMap/heat/$translate", json=body)) == (True, "warm", "equal")
    r4 = await terms.get(
        f"/fhir/ConceptMap/$translate?url=http://hl7.org/fhir/ConceptMap/cm-administrative-gender-v2&system={GENDER}&code=male"
    )
    assert match(r4) == (True, "M", "equal")


async def test_ans_tables_by_day(fhir: httpx.AsyncClient) -> None:
    """TUSS terms are in force on days; a date asks for one."""
    told = named(await fhir.get(f"/fhir/CodeSystem/$lookup?system={TUSS}22&code=10101012"))
    assert told["name"] == "TUSS22" and "onsulta" in told["display"]
    found = await fhir.get(f"/fhir/ValueSet/$expand?url={TUSS}22?fhir_vs&filter=hemograma&count=5")
    assert found.json()["expansion"]["total"] >= 1 and "emograma" in found.json()["expansion"]["contains"][0]["display"]
    call = f"/fhir/CodeSystem/$validate-code?url={TUSS}22&code=10101012"
    assert named(await fhir.get(call))["result"] is True
    assert named(await fhir.get(call + "&date=1990"))["result"] is False
    assert named(await fhir.get(f"/fhir/CodeSystem/$validate-code?url={TUSS}22&code=00000000"))["result"] is False


async def test_each_tenant_has_its_own(terms: httpx.AsyncClient, client_for: NewClient, other_tenant: Tenant) -> None:
    """Of two tenants with records of one address each meets only its own; a third kind of record is nobody's."""
    theirs = await client_for(other_tenant)
    calls = [
        "CodeSystem/$lookup?system=urn:cs:colours&code=red", "CodeSystem/colours/$lookup?code=red", "CodeSystem/$subsumes?system=urn:cs:colours&codeA=red&codeB=pink",
        "CodeSystem/$validate-code?url=urn:cs:colours&code=red", "CodeSystem/colours/$validate-code?code=red", "ValueSet/$expand?url=urn:vs:all", "ValueSet/all/$expand",
        "ValueSet/$validate-code?url=urn:vs:all&system=urn:cs:colours&code=red", "ValueSet/all/$validate-code?system=urn:cs:colours&code=red",
        "ConceptMap/$translate?url=urn:cm:heat&code=red&system=urn:cs:colours", "ConceptMap/heat/$translate?code=red&system=urn:cs:colours",
    ]  # fmt: skip
    for call in calls:
        assert (await terms.get(f"/fhir/{call}")).status_code == 200, call
        assert (await theirs.get(f"/fhir/{call}")).status_code == 404, call
    assert named(await theirs.get("/fhir/ConceptMap/$translate?code=red&system=urn:cs:colours"))["result"] is False
    other = {**COLOURS, "concept": [{"code": "green", "display": "Green"}]}
    assert (await theirs.put("/fhir/CodeSystem/colours", json=other)).status_code == 201
    assert codes(await theirs.get("/fhir/ValueSet/$expand?url=urn:cs:colours?fhir_vs")) == "green"
    assert codes(await terms.get("/fhir/ValueSet/$expand?url=urn:cs:colours?fhir_vs")) == "any red pink blue violet"
    changed = {**COLOURS, "concept": [{"code": "grey"}]}
    await terms.put("/fhir/CodeSystem/colours", json=changed)
    assert codes(await terms.get("/fhir/ValueSet/all/$expand")) == "grey"
    await terms.delete("/fhir/CodeSystem/colours")
    assert (await terms.get("/fhir/ValueSet/all/$expand")).status_code == 404


async def test_scopes(client_for: NewClient, tenant: Tenant) -> None:
    narrow = await client_for(tenant, ["system/Patient.rs"])
    for path in (
        f"CodeSystem/$lookup?system={GENDER}&code=male",
        f"ValueSet/$expand?url={GENDERS}",
        "ConceptMap/$translate?code=x",
    ):
        assert (await narrow.get(f"/fhir/{path}")).status_code == 403


async def test_offered_where_claimed(fhir: httpx.AsyncClient) -> None:
    """The statement names each operation on its types, and no other type answers it."""
    rest = (await fhir.get("/fhir/metadata")).json()["rest"][0]
    claimed = {r["type"]: {o["name"]: o["definition"] for o in r["operation"]} for r in rest["resource"]}
    for name, kinds in (("lookup", {"CodeSystem"}), ("subsumes", {"CodeSystem"}), ("expand", {"ValueSet"}),
                        ("validate-code", {"CodeSystem", "ValueSet"}), ("translate", {"ConceptMap"})):  # fmt: skip
        assert {kind for kind, names in claimed.items() if name in names} == kinds
        assert all(claimed[kind][name] == f"http://hl7.org/fhir/OperationDefinition/{kind}-{name}" for kind in kinds)
        for kind in ("CodeSystem", "ValueSet", "ConceptMap", "Patient"):
            for place in (kind, f"{kind}/none"):
                for method in ("GET", "POST"):
                    body = {"resourceType": "Parameters"} if method == "POST" else None
                    answer = await fhir.request(method, f"/fhir/{place}/${name}", json=body)
                    code = answer.json()["issue"][0]["details"]["coding"][0]["code"]
                    assert (code == "fhir.not-supported") is (kind not in kinds), (place, name, method)
