"""What nobody stored, as resources: R4's terminology and definitions, and our own code tables as ConceptMaps."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from typing import Any

from fhir.definitions import resources
from fhir.terminology import maps, published
from fhir.terminology.maps import Map
from hub.terms import stored
from mappings.tables import table

KINDS = ("CodeSystem", "ValueSet", "ConceptMap", *resources.KINDS)
_HL7 = re.compile(r"hl7(\d{4})\Z")
_OWN = "ponte-"
Body = dict[str, Any]


@cache
def _tables() -> Mapping[str, str]:
    """Our code tables by the id of their ConceptMap."""
    return {_OWN + name: name for name in table.code_tables()}


def body(kind: str, identity: str) -> Body | None:
    """The resource of an id, or None."""
    if kind == "ConceptMap" and identity in _tables():
        return _table_map(identity)
    if kind in resources.KINDS:
        found = resources.body(kind, identity)
        return _with_meta(found) if found is not None else None
    return published.body(kind, identity) if kind in KINDS else None


def _with_meta(found: Body) -> Body:
    meta = {"versionId": "1", "lastUpdated": published.RELEASED}
    return {"resourceType": found["resourceType"], "id": found["id"], "meta": meta, **found}


def own_map(url: str) -> Map | None:
    """The map of a code table of ours by its address, or None."""
    identity = _OWN + url.removeprefix(_address(""))
    known = url.startswith(_address("")) and identity in _tables()
    return maps.of_body(_table_map(identity)) if known else None


def read(kind: str, identity: str) -> stored.Read | None:
    """The read form of the resource of an id, or None."""
    found = body(kind, identity)
    return stored.read_form(found) if found is not None else None


def _address(name: str) -> str:
    return f"urn:ponte:ConceptMap:{name}"


def _system(name: str) -> str:
    match = _HL7.match(name)
    return f"http://terminology.hl7.org/CodeSystem/v2-{match[1]}" if match else f"urn:ponte:CodeSystem:{name}"


@cache
def _table_map(identity: str) -> Body:
    """A code table as a ConceptMap, with a group for each system codes come from; an empty target is none."""
    groups: dict[str, list[Body]] = defaultdict(list)
    for row in table.code_rows(_tables()[identity]):
        system = _system(row["system"])
        comment = "; ".join(text for text in (row["note"], row["decided"]) if text)
        target = {"code": row["to"], "equivalence": "relatedto"} if row["to"] else {"equivalence": "unmatched"}
        if row["from"].strip():
            groups[system].append({"code": row["from"], "target": [{**target, "comment": comment}]})
    listed = [{"source": system, "element": elements} for system, elements in groups.items()]
    return {**headings("ConceptMap")[identity], "group": listed}


@cache
def headings(kind: str) -> Mapping[str, Body]:
    """What is looked for by of each resource of a type: by id, without what it holds."""
    if kind in resources.KINDS:
        return {identity: _with_meta(found) for identity, found in resources.headings(kind).items()}
    found = dict(published.headings(kind))
    if kind == "ConceptMap":
        meta = {"versionId": "1", "lastUpdated": published.RELEASED}
        for identity, name in _tables().items():
            named = {"url": _address(name), "name": "Ponte_" + re.sub(r"\W", "_", name), "status": "active"}
            found[identity] = {"resourceType": kind, "id": identity, "meta": meta, **named}
    return found
