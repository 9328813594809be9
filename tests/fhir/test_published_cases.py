"""The published cases of FHIRPath (tests-fhir-r4.xml of fhir-test-cases) and of SQL on FHIR v2, which are not committed.

`PONTE_FHIRPATH_CASES` names the folder of that file, with its inputs in `examples`; `PONTE_VIEW_CASES` the folder of the
JSON files. Cases that ask for something else than N1 and R4 say are known by name.
"""

from __future__ import annotations

import datetime
import json
import os
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from fhir import jsontext, xmltext
from fhir.fhirpath.engine import evaluate
from fhir.fhirpath.evaluation import Items, PathError, boolean
from fhir.fhirpath.items import Item, number, resource
from fhir.fhirpath.syntax import BadExpression
from fhir.views import BadView, view

STRICT = "an error is wanted for a path that leads nowhere, or for what N1 §4.5 takes as a truth"
APART = {
    **dict.fromkeys(
        (
            "testSimpleFail", "testSimpleWithWrongContext", "testPolymorphismB", "testPolymorphismAsB", "testIif6",
            "testDollarOrderNotAllowed", "from-zulip-2", "testPolymorphicsB", "testFHIRPathAsFunction21",
        ),
        STRICT,
    ),
    **dict.fromkeys(("testFHIRPathAsFunction11", "testFHIRPathAsFunction16"), "R4 makes code a string"),
    **dict.fromkeys(("LowBoundaryDecimal15", "HighBoundaryDecimal15", "HighBoundaryDecimal16"), "not the bound"),
    **dict.fromkeys(("HighBoundaryDateTimeMillisecond1", "HighBoundaryDateTimeMillisecond3"), "an hour has 60 minutes"),
    "testPlusDate19": "a tenth of a second is dropped",
}  # fmt: skip
# of releases up to 1.7.14: there `is` binds less than `>` and `|`, and nothing joined is a text
FORMER = {"testPrecedence3", "testPrecedence4"}
FORMER_VIEWS = {"fhirpath.json: string join", "fhirpath.json: string join: default separator"}


def folder(name: str) -> Path:
    stated = os.environ.get(name)
    if not stated:
        pytest.skip(f"{name} does not name the folder of the published cases")
    return Path(stated)


def loaded(path: Path) -> Item:
    """An input: JSON where there is one, since some XML files are cut short."""
    other = path.with_suffix(".json")
    raw = (other if other.exists() else path).read_bytes()
    body: Any = xmltext.parse(raw) if raw.lstrip().startswith(b"<") else jsontext.parse(raw)
    return resource(body)


def shown(item: Item) -> str:
    found = number(item)
    if found is not None:
        return str(found)
    if item.type == "System.Quantity":
        return f"{item.value[0]} '{item.value[1]}'"
    return str(item.value).lower() if isinstance(item.value, bool) else str(item.value)


def plain(text: str) -> str:
    bare = text.removeprefix("@").removeprefix("T")
    try:
        return str(Decimal(bare).normalize())
    except InvalidOperation:
        return bare


def holds(case: Any, item: Item) -> bool:
    """Whether a case gives what it states, or fails where it says so."""
    expression = case.find("expression")
    try:
        found: Items = evaluate(expression.text or "", item, now=datetime.datetime.now(datetime.UTC))
    except (PathError, BadExpression):
        return expression.get("invalid") is not None
    wanted = [plain(each.text or "") for each in case.findall("output")]
    if expression.get("invalid"):
        return False
    if case.get("predicate") == "true":
        return wanted == [str(bool(found) and boolean(found) is not False).lower()]
    told = [plain(shown(each)) for each in found]
    return told == wanted or (case.get("ordered") == "false" and sorted(told) == sorted(wanted))


def test_fhirpath() -> None:
    place, count = folder("PONTE_FHIRPATH_CASES"), 0
    inputs: dict[str, Item] = {}
    wrong: set[str] = set()
    for case in etree.parse(str(place / "tests-fhir-r4.xml")).iter("test"):
        name = str(case.get("inputfile") or "patient-example.xml")
        inputs[name] = inputs.get(name) or loaded(place / "examples" / name)
        count += 1
        if not holds(case, inputs[name]):
            wrong.add(str(case.get("name")))
    assert count > 900 and wrong - FORMER == set(APART), sorted(wrong ^ set(APART))


def rows(stated: dict[str, Any], bodies: list[Any]) -> list[dict[str, Any]]:
    found = view(stated)
    lines = (
        zip(found.columns, row, strict=True)
        for body in bodies
        if body["resourceType"] == found.type_name
        for row in found.rows(body)
    )
    return [json.loads(jsontext.text(dict(line))) for line in lines]  # fmt: skip


def test_views() -> None:
    count, wrong = 0, []
    for path in sorted(folder("PONTE_VIEW_CASES").glob("*.json")):
        written, read = json.loads(path.read_text(encoding="utf-8")), jsontext.parse(path.read_bytes())
        assert isinstance(read, dict)
        for case, exact in zip(written["tests"], read["tests"], strict=True):
            count += 1
            try:
                found: list[dict[str, Any]] | None = rows(exact["view"], read["resources"])
            except BadView:
                found = None
            good = found is None if case.get("expectError") else found is not None and same(found, case)
            wrong += [] if good else [f"{path.name}: {case['title']}"]
    assert count > 100 and not set(wrong) - FORMER_VIEWS, wrong


def same(found: list[dict[str, Any]], case: dict[str, Any]) -> bool:
    """The rows in any order, as the guide leaves it open."""
    if "expectCount" in case:
        return len(found) == int(case["expectCount"])
    return sorted(json.dumps(each, sort_keys=True) for each in found) == sorted(
        json.dumps(each, sort_keys=True) for each in case["expect"]
    )
