"""R4's own definitions as resources: StructureDefinition, SearchParameter, OperationDefinition, CompartmentDefinition.

They say what R4 says as data: elements, types, bindings, constraints, expressions, parameters. R4's sentences are not
here: where a resource must have one, it says where R4's stand. The only reader of `_conformance.json`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from fhir.definitions import table

Body = dict[str, Any]
BASE = "http://hl7.org/fhir"
DATE = "2019-11-01T09:29:23+11:00"
_PAGES = f"{BASE}/R4"
_FHIR_TYPE = f"{BASE}/StructureDefinition/structuredefinition-fhir-type"
_HEAD = {"version": table.VERSION, "date": DATE, "publisher": "HL7", "experimental": False}


@cache
def _raw() -> dict[str, dict[str, Any]]:
    return orjson.loads(Path(__file__).with_name("_conformance.json").read_bytes())  # type: ignore[no-any-return]


@cache
def _constraints() -> dict[str, list[list[str]]]:
    return orjson.loads(Path(__file__).with_name("_constraints.json").read_bytes())  # type: ignore[no-any-return]


@cache
def headings(kind: str) -> Mapping[str, Body]:
    """What is looked for by of each resource of a type, by id; empty for types R4 defines none of here."""
    found = _HEADINGS.get(kind)
    return {body["id"]: body for body in found()} if found is not None else {}


def body(kind: str, identity: str) -> Body | None:
    """The resource of an id, or None."""
    heading = headings(kind).get(identity)
    if heading is None or kind != "StructureDefinition":
        return heading
    rows = _raw()["types"][identity]["elements"]
    page = f"{_PAGES}/{identity.lower()}-definitions.html" if heading["kind"] == "resource" else heading["url"]
    return {**heading, "snapshot": {"element": [_element(row, page) for row in rows]}}


def _structures() -> Iterator[Body]:
    for name, row in _raw()["types"].items():
        found = {**_named("StructureDefinition", name, name), "status": "active", "fhirVersion": table.VERSION}
        found |= {"kind": row["kind"], "abstract": "abstract" in row, "type": name}
        if "base" in row:
            found |= {
                "baseDefinition": f"{BASE}/StructureDefinition/{row['base']}",
                "derivation": "specialization",
            }
        yield found


def _named(kind: str, identity: str, name: str) -> Body:
    return {"resourceType": kind, "id": identity[:64], "url": f"{BASE}/{kind}/{identity}", "name": name, **_HEAD}


def _element(row: Mapping[str, Any], page: str) -> Body:
    path = row["p"]
    low, _, high = row["o"].partition("..")
    words = f"{page}#{path}"
    found: Body = {"id": path, "path": path, "definition": words, "min": int(low), "max": high}
    least, _, most = row.get("w", row["o"]).partition("..")
    found["base"] = {"path": row.get("b", path), "min": int(least), "max": most}
    if "c" in row:
        found["contentReference"] = row["c"]
    if "t" in row:
        found["type"] = [_type_of(each) for each in row["t"]]
    if rules := [_constraint(rule, path) for rule in _constraints().get(path.removesuffix("[x]"), ())]:
        found["constraint"] = rules
    flags = row.get("f", "")
    if "m" in flags:
        found |= {"isModifier": True, "isModifierReason": words}
    if "s" in flags:
        found["isSummary"] = True
    if "v" in row:
        found["binding"] = {"strength": row["v"][0], "valueSet": row["v"][1]}
    return found


def _type_of(stated: Any) -> Body:
    if isinstance(stated, str):
        return {"code": stated}
    found: Body = {"code": stated["code"]}
    if "u" in stated:
        found = {"extension": [{"url": _FHIR_TYPE, "valueUrl": stated["u"]}], **found}
    for key in ("profile", "targetProfile"):
        if key in stated:
            urls = stated[key]
            found[key] = [url if "://" in url else f"{BASE}/StructureDefinition/{url}" for url in urls]
    return found


def _constraint(rule: list[str], path: str) -> Body:
    key, severity, expression = rule
    source = f"{BASE}/StructureDefinition/{path.partition('.')[0]}"
    return {"key": key, "severity": severity, "human": key, "expression": expression, "source": source}


def _parameters() -> Iterator[Body]:
    for row in table.parameters():
        found = {**_named("SearchParameter", row.url, row.code), "status": "active"}
        found["description"] = f"{_PAGES}/searchparameter-registry.html#{row.url}"
        found |= {"code": row.code, "base": list(row.bases), "type": row.type}
        if row.expression:
            found |= {"expression": row.expression, "xpathUsage": "normal"}
        if row.targets:
            found["target"] = list(row.targets)
        if row.components:
            found["component"] = [
                {"definition": url if "://" in url else f"{BASE}/SearchParameter/{url}", "expression": expression}
                for url, expression in row.components
            ]
        yield found


def _operations() -> Iterator[Body]:
    for identity, row in _raw()["operations"].items():
        name = identity.replace("-", "_")
        yield {**_named("OperationDefinition", identity, name), "status": "active", **row}


def _compartments() -> Iterator[Body]:
    for code, rows in table.compartments().items():
        found = {
            **_named("CompartmentDefinition", code.lower(), code),
            "status": "active",
            "code": code,
            "search": True,
        }
        yield {**found, "resource": [{"code": kind, "param": list(params)} for kind, params in rows.items()]}


_HEADINGS: Mapping[str, Callable[[], Iterator[Body]]] = {
    "StructureDefinition": _structures,
    "SearchParameter": _parameters,
    "OperationDefinition": _operations,
    "CompartmentDefinition": _compartments,
}
KINDS = tuple(_HEADINGS)
