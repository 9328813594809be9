"""The official R4 examples: accepted, stored, returned equal in meaning, and found by every parameter that applies.

What a search must find is computed by another FHIRPath engine over the published expressions (tests/oracles/fhir). The
run takes every twentieth example; PONTE_R4_ALL=1 takes all. Counts are printed (`-s`).
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
import r4_examples

from fhir import jsontext, xmltext
from fhir.search.matching import is_fixed, meets
from fhir.search.query import parse
from hub.find.search import search
from hub.find.sight import everything
from hub.find.statement import OneTrip
from hub.records.requests.acting import Actor
from hub.subscriptions.declared import withheld
from hub.world import Tenant, World
from tests.fhir.test_validator import KNOWN_WRONG

pytestmark = pytest.mark.slow
STEP = 1 if r4_examples.ALL else 20
VALUES = 30 if r4_examples.ALL else 6  # searches per parameter
LARGEST = 15_000_000  # bytes of an example with blanks; the door takes 20 MB
# Left out, with reason.
APART = {
    ("Library", "predecessor"): "the example's canonical is a bare word, which a search takes for an id",
    ("Subscription", "status"): "what asks to be told is activated",
}
Expected = dict[tuple[str, str, str], dict[str, set[str]]]


def examples(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every STEP-th example, each type and id once."""
    seen: set[tuple[str, str]] = set()
    for path in sorted(folder.glob("*.json"))[::STEP]:
        document = jsontext.parse(path.read_bytes())
        if not isinstance(document, dict) or "id" not in document or "resourceType" not in document:
            continue
        place = (document["resourceType"], document["id"])
        if place not in seen:
            seen.add(place)
            yield path, document


async def store(fhir: httpx.AsyncClient, folder: Path) -> tuple[dict[tuple[str, str], dict[str, Any]], set[str]]:
    """Stores the examples; those accepted by type and id, and the files refused."""
    stored: dict[tuple[str, str], dict[str, Any]] = {}
    refused: set[str] = set()
    chunk: list[tuple[Path, dict[str, Any]]] = []
    for item in [*examples(folder), None]:
        if item is not None and item[0].stat().st_size > LARGEST:
            refused.add(item[0].name)
        elif item is not None:
            chunk.append(item)
        if chunk and (item is None or len(chunk) == 100 or sum(p.stat().st_size for p, _ in chunk) > LARGEST // 2):
            entries = [
                {"resource": d, "request": {"method": "PUT", "url": f"{d['resourceType']}/{d['id']}"}} for _, d in chunk
            ]
            text = jsontext.text({"resourceType": "Bundle", "type": "batch", "entry": entries})
            answer = await fhir.post("/fhir", content=text, headers={"content-type": "application/fhir+json"})
            assert answer.status_code == 200, answer.text[:300]
            for (path, document), entry in zip(chunk, answer.json()["entry"], strict=True):
                if entry["response"]["status"].startswith("201"):
                    stored[document["resourceType"], document["id"]] = document
                else:
                    refused.add(path.name)
            chunk = []
    return stored, refused


def kept(document: dict[str, Any]) -> dict[str, Any]:
    """What must come back: a Subscription that asks to be told is activated, and its header values are secrets."""
    if document["resourceType"] != "Subscription":
        return document
    status = "active" if document["status"] == "requested" else document["status"]
    return withheld({**document, "status": status})


def meaning(document: dict[str, Any]) -> Any:
    """The document with every number as written, without what the server sets."""
    meta = {k: v for k, v in document.get("meta", {}).items() if k not in ("versionId", "lastUpdated")}
    rest = {k: v for k, v in document.items() if k != "meta"}
    return json.loads(jsontext.text({**rest, **({"meta": meta} if meta else {})}), parse_float=str, parse_int=str)


def without_narrative(node: Any) -> Any:
    """XHTML is written anew in XML: compared elsewhere."""
    if isinstance(node, dict):
        return {k: without_narrative(v) for k, v in node.items() if k != "div"}
    return [without_narrative(v) for v in node] if isinstance(node, list) else node


def escaped(text: str) -> str:
    return "".join("\\" + char if char in "\\,$|" else char for char in text)


def queries(kind: str, value: Any) -> Iterator[tuple[str, bool]]:
    """Search values that must find the element, and whether they find only equals."""
    if kind == "token":
        yield from ((text, True) for text in _tokens(value))
    elif kind in ("reference", "uri"):
        literal = value.get("reference") if isinstance(value, dict) else value
        if isinstance(literal, str) and literal.strip() == literal and literal and not literal.startswith("#"):
            bare = literal if kind == "reference" and isinstance(value, dict) else literal.partition("|")[0]
            yield escaped(bare.partition("/_history/")[0]), True
    elif kind == "string":
        yield from ((escaped(text[:60]), False) for text in _texts(value) if text.strip() and text[:60].strip())
    elif kind == "date":
        if isinstance(value, str) and value[:4].isdigit():  # a choice may also be a text such as "daily"
            yield value, False
        elif isinstance(value, dict) and isinstance(value.get("start"), str):
            yield "ge" + value["start"], False
    elif kind == "number" and not isinstance(value, dict):
        yield str(value), False
    elif kind == "quantity" and isinstance(value, dict) and "value" in value and "comparator" not in value:
        unit = f"|{escaped(value['system'])}|{escaped(value['code'])}" if "system" in value and "code" in value else ""
        yield f"{value['value']}{unit}", False


def _tokens(value: Any) -> Iterator[str]:
    if isinstance(value, bool):
        yield "true" if value else "false"
    elif isinstance(value, str):
        yield escaped(value)
    elif isinstance(value, dict):
        for coding in value.get("coding", [value]):
            code = coding.get("code") or (coding.get("value") if "coding" not in value else None)
            if isinstance(code, str):
                system = coding.get("system")
                named = (system and coding.get("code")) or str(system).startswith(("http", "urn:"))
                bare = "|" if system is None and coding.get("code") else ""
                yield f"{escaped(system)}|{escaped(code)}" if named and system else bare + escaped(code)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        for key in (
            "text",
            "family",
            "given",
            "prefix",
            "suffix",
            "line",
            "city",
            "district",
            "state",
            "postalCode",
            "country",
        ):
            yield from _texts(value.get(key))


def expected(lines: list[str], stored: dict[tuple[str, str], dict[str, Any]]) -> Expected:
    """By type, kind and parameter: the search values with the ids they must find."""
    found: Expected = defaultdict(lambda: defaultdict(set))
    for line in lines:
        item = json.loads(line)
        if (item["type"], item["id"]) in stored:
            for name, values in item["values"].items():
                kind, code = name.split(" ", 1)
                for value in values:
                    for text, _ in queries(kind, value):
                        found[item["type"], kind, code][text].add(item["id"])
    return found


async def test_examples(fhir: httpx.AsyncClient, world: World, tenant: Tenant) -> None:
    folder = r4_examples.folder()
    stored, refused = await store(fhir, folder)
    large = {path.name for path in folder.glob("*.json") if path.stat().st_size > LARGEST}
    assert refused <= {*KNOWN_WRONG, *r4_examples.BREAKING} | large, refused
    print(f"accepted and stored: {len(stored)}, refused: {sorted(refused)}")
    await returned(fhir, stored)
    wanted = expected(r4_examples.evaluated(folder, STEP), stored)
    setting = Actor(tenant=tenant, subject="test", permits=lambda *_: True).setting(world)
    chance, count, wrong, zone = random.Random(1), 0, {}, ZoneInfo(tenant.zone)
    for (kind_of, kind, code), values in wanted.items():
        if code in ("_id", "_lastUpdated") or (kind_of, code) in APART:
            continue
        for text in chance.sample(sorted(values), min(VALUES, len(values))):
            query = parse(kind_of, [(code, text), ("_count", "1000")], setting)
            assert query.conditions, (kind_of, code)
            rows = (await search(OneTrip(world, tenant), query, everything)).rows
            ids = {row["id"] for row in rows}
            exact = kind in ("token", "reference", "uri")
            good = ids == values[text] if exact and len(rows) < 1000 else values[text] <= ids or len(rows) >= 1000
            count += 1
            if len(rows) < 1000 and all(is_fixed(condition) for condition in query.conditions):
                good = good and judged_alike(stored, kind_of, query.conditions, ids, zone)
            if not good:
                wrong[kind_of, code, text] = (len(values[text] - ids), len(ids - values[text]))
    print(f"searches compared: {count}, parameters: {len(wanted)}, different: {len(wrong)}")
    assert not wrong, list(wrong.items())[:20]


def judged_alike(
    stored: dict[tuple[str, str], dict[str, Any]], kind: str, conditions: Any, ids: set[str], zone: ZoneInfo
) -> bool:
    """Whether records judged by their content give what the index gives: all found, and as many not found."""
    others = [identity for kind_of, identity in stored if kind_of == kind and identity not in ids]
    sample = [*sorted(ids)[:8], *others[:8]]
    return all(meets(stored[kind, i], [conditions], zone) is (i in ids) for i in sample if (kind, i) in stored)


async def returned(fhir: httpx.AsyncClient, stored: dict[tuple[str, str], dict[str, Any]]) -> None:
    """Each is read back equal, as JSON and (some) as XML."""
    for number, ((kind, identity), document) in enumerate(stored.items()):
        answer = await fhir.get(f"/fhir/{kind}/{identity}", headers={"accept": "application/fhir+json"})
        body = jsontext.parse(answer.content)
        assert isinstance(body, dict) and meaning(body) == meaning(kept(document)), (kind, identity)
        if number % 10 == 0:
            again = xmltext.parse((await fhir.get(f"/fhir/{kind}/{identity}?_format=xml")).content)
            assert isinstance(again, dict), (kind, identity)
            assert without_narrative(meaning(again)) == without_narrative(meaning(kept(document))), (kind, identity)
