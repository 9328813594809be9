"""The schema of FHIR GraphQL (R4 §3.2), as introspection (GraphQL §4) tells it."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import get_introspection_query

from fhir.definitions.table import resource_types
from fhir.graph import BadGraph
from fhir.graph_schema import introspected

FIELDS = "{fields{name args{name} type{kind name ofType{kind name}}}}"


def told(query: str, root: str = "") -> dict[str, Any]:
    found = introspected(query, {}, "", root)
    assert found is not None and "errors" not in found, found
    return dict(found["data"])


def fields(name: str, root: str = "") -> dict[str, Any]:
    found = told(f'{{__type(name: "{name}"){FIELDS}}}', root)["__type"]["fields"]
    return {each["name"]: each for each in found}


def test_the_base_has_reads_lists_and_connections_of_each_type() -> None:
    query = fields("Query")
    assert set(query) == {f"{kind}{form}" for kind in resource_types() for form in ("", "List", "Connection")}
    assert query["PatientList"]["type"] == {
        "kind": "LIST",
        "name": None,
        "ofType": {"kind": "OBJECT", "name": "Patient"},
    }
    assert {"name": "address_city"} in query["PatientList"]["args"]
    connection = fields("PatientConnection")
    assert {"count", "pagesize", "first", "next", "edges"} <= set(connection)


def test_types_have_what_records_have() -> None:
    patient = fields("Patient")
    assert patient["birthDate"]["type"]["name"] == "String" and patient["_birthDate"]["type"]["name"] == "Element"
    assert patient["active"]["type"]["name"] == "Boolean" and patient["name"]["type"]["ofType"]["name"] == "HumanName"
    assert patient["contact"]["type"]["ofType"]["name"] == "Patient_contact" and "deceasedBoolean" in patient
    assert [each["name"] for each in patient["ConditionList"]["args"]] == ["_reference"]
    assert fields("Reference")["resource"]["type"] == {"kind": "UNION", "name": "Resource", "ofType": None}
    assert fields("Patient_contact")["name"]["type"]["name"] == "HumanName"


def test_of_a_record_it_begins_with_its_type() -> None:
    assert told("{__schema{queryType{name} directives{name}}}", "Patient")["__schema"]["queryType"]["name"] == "Patient"


@pytest.mark.slow
def test_the_whole_question_of_clients() -> None:
    schema = told(get_introspection_query())["__schema"]
    names = {each["name"] for each in schema["types"]}
    assert {*resource_types()} <= names and all(name.replace("_", "a").isalnum() for name in names)


def test_what_asks_of_records_too_is_not_for_the_schema() -> None:
    for query in (
        "{Patient(id: 1){id}}",
        "{__schema{queryType{name}} Patient(id: 1){id}}",
        "{__schema",
        "{__typename}",
    ):
        assert introspected(query, {}, "") is None


def test_what_would_grow_without_end_is_refused() -> None:
    deep = "{__schema{types{fields{type{fields{type{fields{type{fields{name}}}}}}}}}}"
    found = introspected(deep, {}, "")
    assert found is not None and found["data"] is None and "depth" in found["errors"][0]["message"]
    with pytest.raises(BadGraph):
        introspected("{__schema{queryType{name}}}" + " " * 100_000, {}, "")
