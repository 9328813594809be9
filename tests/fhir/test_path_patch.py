"""FHIRPath Patch on a parsed resource: what JSON keeps beside a primitive belongs to it (R4 §2.6.2.3, §3.1.0.7.1)."""

from __future__ import annotations

from typing import Any

import pytest

from fhir import pathpatch
from fhir.patch import Unpatched

BORN = "http://hl7.org/fhir/StructureDefinition/patient-birthTime"
NOTE = {"extension": [{"url": "urn:note", "valueString": "B"}]}
AT = {"extension": [{"url": BORN, "valueDateTime": "2000-01-01T10:00:00Z"}]}


def _operation(kind: str, path: str, *parts: dict[str, Any], **whole: int) -> dict[str, Any]:
    named = [{"name": name, "valueInteger": number} for name, number in whole.items()]
    stated = [{"name": "type", "valueCode": kind}, {"name": "path", "valueString": path}]
    return {"name": "operation", "part": [*stated, *named, *parts]}


def _patched(record: dict[str, Any], *operations: dict[str, Any]) -> dict[str, Any]:
    found = pathpatch.apply(
        {"resourceType": "Patient", **record}, {"resourceType": "Parameters", "parameter": list(operations)}
    )
    del found["resourceType"]
    return found


def _named(*given: str | None, beside: list[Any] | None = None) -> dict[str, Any]:
    return {"name": [{"given": list(given)} | ({"_given": beside} if beside else {})]}


GIVEN = _named("A", "B", beside=[None, NOTE])


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (_operation("move", "Patient.name[0].given", source=1, destination=0), _named("B", "A", beside=[NOTE, None])),
        (
            _operation("insert", "Patient.name[0].given", {"name": "value", "valueString": "Z"}, index=0),
            _named("Z", "A", "B", beside=[None, None, NOTE]),
        ),
        (_operation("delete", "Patient.name[0].given[0]"), _named("B", beside=[NOTE])),
        (_operation("delete", "Patient.name[0].given[1]"), _named("A")),
        (_operation("delete", "Patient.name[0].given[1].extension"), _named("A", "B")),
        (
            _operation("replace", "Patient.name[0].given[1]", {"name": "value", "valueString": "C"}),
            _named("A", "C"),
        ),
        (
            _operation(
                "add",
                "Patient.name[0]",
                {"name": "name", "valueString": "given"},
                {"name": "value", "valueString": "C"},
            ),
            _named("A", "B", "C", beside=[None, NOTE, None]),
        ),
    ],
)
def test_items_of_a_list_keep_what_stands_beside_them(operation: dict[str, Any], expected: dict[str, Any]) -> None:
    assert _patched(GIVEN, operation) == expected


def test_an_item_that_is_an_extension_alone_goes_with_it() -> None:
    record = _named(None, "B", beside=[NOTE, None])
    assert _patched(record, _operation("delete", "Patient.name[0].given[0].extension[0]")) == _named("B")


ADDED = [
    {"name": "name", "valueString": "extension"},
    {
        "name": "value",
        "part": [{"name": "url", "valueUri": BORN}, {"name": "value", "valueDateTime": "2000-01-01T10:00:00Z"}],
    },
]


def test_an_extension_of_a_primitive_is_added_changed_and_deleted() -> None:
    with_time = _patched({"birthDate": "2000-01-01"}, _operation("add", "Patient.birthDate", *ADDED))
    assert with_time == {"birthDate": "2000-01-01", "_birthDate": AT}
    later = _operation(
        "replace",
        f"Patient.birthDate.extension('{BORN}').value",
        {"name": "value", "valueDateTime": "2000-01-01T11:00:00Z"},
    )
    changed = _patched(with_time, later)
    assert changed["_birthDate"]["extension"] == [{"url": BORN, "valueDateTime": "2000-01-01T11:00:00Z"}]
    assert _patched(with_time, _operation("delete", f"Patient.birthDate.extension.where(url = '{BORN}')")) == {
        "birthDate": "2000-01-01"
    }


def test_a_primitive_without_a_value_is_there() -> None:
    absent = {"_birthDate": AT}
    assert _patched(absent, _operation("delete", "Patient.birthDate")) == {}
    value = {"name": "value", "valueDate": "2000-01-01"}
    assert _patched(absent, _operation("replace", "Patient.birthDate", value)) == {"birthDate": "2000-01-01"}
    with pytest.raises(Unpatched):
        _patched(absent, _operation("add", "Patient", {"name": "name", "valueString": "birthDate"}, value))


def test_a_value_brings_what_stands_beside_it() -> None:
    name = {"name": "name", "valueString": "birthDate"}
    both = {"name": "value", "valueDate": "2000-01-01", "_valueDate": AT}
    assert _patched({}, _operation("add", "Patient", name, both)) == {"birthDate": "2000-01-01", "_birthDate": AT}
    assert _patched({}, _operation("add", "Patient", name, {"name": "value", "_valueDate": AT})) == {"_birthDate": AT}


def test_a_contained_resource_is_added() -> None:
    house = {"resourceType": "Organization", "id": "o", "name": "Casa"}
    name = {"name": "name", "valueString": "contained"}
    assert _patched({}, _operation("add", "Patient", name, {"name": "value", "resource": house})) == {
        "contained": [house]
    }


@pytest.mark.parametrize(
    "value",
    [
        {"name": "value"},
        {"name": "value", "valueDate": "2000", "valueString": "2000"},
        {"name": "value", "resource": {}},
    ],
)
def test_a_value_that_is_none_or_several_is_refused(value: dict[str, Any]) -> None:
    with pytest.raises(Unpatched):
        _patched({}, _operation("add", "Patient", {"name": "name", "valueString": "birthDate"}, value))
