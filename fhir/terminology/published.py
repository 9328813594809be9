"""The code systems, value sets and concept maps of R4 as resources, under R4's own ids; without prose definitions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from fhir.terminology import known

RELEASED = "2019-11-01T09:29:23+11:00"
_SECTIONS = {"CodeSystem": "systems", "ValueSet": "sets", "ConceptMap": "maps"}
_LAST = re.compile(r"[^/:]+\Z")
_UNFIT = re.compile(r"[^A-Za-z0-9\-.]")
_FACTS = (("s", "status", "code"), ("a", "notSelectable", "boolean"), ("p", "parent", "code"), ("c", "child", "code"))
_PROPERTIES = [
    {"code": code, "uri": f"http://hl7.org/fhir/concept-properties#{code}", "type": kind} for _, code, kind in _FACTS
]
Body = dict[str, Any]


def id_of(url: str) -> str:
    """The id of what has this address: its last part."""
    match = _LAST.search(url)
    return _UNFIT.sub("-", match[0] if match else url)[:64]


@cache
def addresses(kind: str) -> Mapping[str, str]:
    """The addresses of a type of terminology by id; empty for other types."""
    return {id_of(url): url for url in known.addresses(_SECTIONS[kind])} if kind in _SECTIONS else {}


@cache
def headings(kind: str) -> Mapping[str, Body]:
    """What is looked for by of each resource of a type: by id, without what it holds."""
    section = known.rows(_SECTIONS[kind]) if kind in _SECTIONS else {}
    return {identity: _heading(kind, identity, url, section[url]) for identity, url in addresses(kind).items()}


def _heading(kind: str, identity: str, url: str, row: Mapping[str, Any]) -> Body:
    version, name = row["v"], row["n"]
    named = {"url": url, **({"version": version} if version else {}), **({"name": name} if name else {})}
    meta = {"versionId": "1", "lastUpdated": RELEASED}
    return {"resourceType": kind, "id": identity, "meta": meta, **named, "status": "active"}


def body(kind: str, identity: str) -> Body | None:
    """The resource of an id, or None."""
    heading = headings(kind).get(identity)
    if heading is None:
        return None
    row = known.rows(_SECTIONS[kind])[heading["url"]]
    return {**heading, **_WHOLE[kind](row)}


def _system(row: Mapping[str, Any]) -> Body:
    found: Body = {"caseSensitive": "i" not in row}
    if row.get("s"):
        found["valueSet"] = row["s"]
    concepts = [_concept(concept) for concept in row["c"]]
    facts = {"property": _PROPERTIES} if _any_facts(row["c"]) else {}
    return {**found, "content": row["k"], **facts, **({"concept": concepts} if concepts else {})}


def _any_facts(concepts: Iterable[Any]) -> bool:
    return any((len(each) > 2 and each[2]) or (len(each) > 3 and _any_facts(each[3])) for each in concepts)


def _concept(row: list[Any]) -> Body:
    whole: list[Any] = [*row, *("", {}, [])[len(row) - 1 :]]
    code, display, facts, inner = whole
    found: Body = {"code": code, **({"display": display} if display else {})}
    properties = [
        {"code": name, f"value{kind.capitalize()}": True if kind == "boolean" else value}
        for key, name, kind in _FACTS
        if key in facts
        for value in (facts[key] if isinstance(facts[key], list) else [facts[key]])
    ]
    if properties:
        found["property"] = properties
    if inner:
        found["concept"] = [_concept(each) for each in inner]
    return found


def _set(row: Mapping[str, Any]) -> Body:
    parts = {name: row[key] for name, key in (("include", "i"), ("exclude", "e")) if row.get(key)}
    return {"compose": {name: [known.part(each) for each in listed] for name, listed in parts.items()}}


def _map(row: Mapping[str, Any]) -> Body:
    ends = {name: row[key] for name, key in (("sourceUri", "s"), ("targetUri", "t")) if row[key]}
    return {**ends, **({"group": [_group(group) for group in row["g"]]} if row["g"] else {})}


def _group(group: Mapping[str, Any]) -> Body:
    ends = {name: group[name] for name in ("source", "target") if group[name]}
    elements = [{"code": code, "target": [_target(*each) for each in found]} for code, found in group["element"]]
    return {**ends, "element": elements}


def _target(code: str, equivalence: str) -> Body:
    return {**({"code": code} if code else {}), "equivalence": equivalence}


_WHOLE = {"CodeSystem": _system, "ValueSet": _set, "ConceptMap": _map}
