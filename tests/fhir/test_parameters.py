"""Search parameters: all that R4 publishes with an expression are indexed, and their entries are what they should be."""

from __future__ import annotations

import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from fhir.definitions.table import parameters, resource_types
from fhir.jsontext import parse
from fhir.search.entries import entries
from fhir.search.parameters import INDEXED, has_bare_codes, implied_systems, parameters_of, reference_types
from fhir.search.ranges import date_range, number_range

ZONE = ZoneInfo("America/Sao_Paulo")


def found(resource: dict[str, Any], code: str) -> list[tuple[Any, ...]]:
    return [entry.values for entry in entries(resource, ZONE) if entry.code == code]


def test_every_published_parameter_is_indexed() -> None:
    missing = [
        (base, p.code)
        for p in parameters()
        for base in (resource_types() if set(p.bases) & {"Resource", "DomainResource"} else p.bases)
        if p.type in INDEXED and p.expression and p.code not in parameters_of(base)
    ]
    assert missing == []
    assert sum(len(parameters_of(name)) for name in resource_types()) > 2500


def test_only_primitives_have_bare_codes() -> None:
    for name in resource_types():
        for code, parameter in parameters_of(name).items():
            own = [part for part in parameter.expression.split("|") if part.strip(" (").startswith(name + ".")]
            if parameter.type == "token" and has_bare_codes(name, code):
                assert own and not any(" as " in part or "ofType" in part or "where" in part for part in own), (
                    name,
                    code,
                )
    for name, code in (
        ("Observation", "value-concept"),
        ("MedicationRequest", "code"),
        ("Group", "value"),
        ("Patient", "_tag"),
    ):
        assert not has_bare_codes(name, code)
    assert implied_systems("Patient", "gender") == {"http://hl7.org/fhir/administrative-gender"}
    assert implied_systems("Observation", "code") == implied_systems("Patient", "mine") == frozenset()


def test_tokens() -> None:
    body = {
        "resourceType": "Patient", "active": False, "identifier": [{"system": "urn:a", "value": "1"}, {"value": "2"}, {"system": "urn:b"}],
        "maritalStatus": {"text": "x"}, "telecom": [{"system": "phone", "value": "9"}, {"system": "email", "value": "a@b"}],
    }  # fmt: skip
    assert found(body, "active") == [("", "false")]
    assert found(body, "identifier") == [("urn:a", "1"), ("", "2"), ("urn:b", "")]
    assert found(body, "phone") == [("phone", "9")] and found(body, "email") == [("email", "a@b")]
    assert found(body, "deceased") == [("", "false")]
    assert found({**body, "deceasedDateTime": "2020"}, "deceased") == [("", "true")]
    assert found({**body, "deceasedBoolean": False}, "deceased") == [("", "false")]


def test_references() -> None:
    body = {
        "resourceType": "Observation", "status": "final", "code": {"text": "x"},
        "subject": {"reference": "Patient/1/_history/2", "identifier": {"system": "urn:a", "value": "7"}},
        "performer": [{"reference": "http://elsewhere/Practitioner/1"}, {"reference": "#c"}, {"type": "Practitioner", "identifier": {"value": "8"}}],
    }  # fmt: skip
    assert found(body, "subject") == found(body, "patient") == [("Patient", "1")]
    assert found(body, "subject:identifier") == [("urn:a", "7")]
    assert found(body, "performer") == [("", "http://elsewhere/Practitioner/1")]
    assert found(body, "performer:identifier") == [("", "8")]
    group = {**body, "subject": {"reference": "Group/1"}}
    assert found(group, "patient") == [] and found(group, "subject") == [("Group", "1")]


def test_values_beyond_an_index_entry_are_cut_and_stay_apart() -> None:
    long = ["ç" * 5000 + end for end in "ab"]
    body = {"resourceType": "Patient", "identifier": [{"value": text} for text in long], "name": [{"family": long[0]}]}
    codes = [code for _, code in found(body, "identifier")]
    assert len(set(codes)) == 2 and all(len(code.encode()) < 1000 for code in codes)
    assert all(len(value.encode()) < 1000 for value in found(body, "family")[0])


def test_quantities_and_numbers() -> None:
    body: Any = parse(
        b'{"resourceType":"Observation","status":"final","code":{"text":"x"},'
        b'"valueQuantity":{"value":1.50,"unit":"miligrama","system":"u","code":"mg"},'
        b'"component":[{"code":{"text":"x"},"valueQuantity":{"value":3,"comparator":">"}}]}'
    )
    assert found(body, "value-quantity") == [(1.5, 1.5, "u", "mg"), (1.5, 1.5, "", "miligrama")]
    assert found(body, "component-value-quantity") == [(3.0, float("inf"), "", "")]
    assert number_range("1.50") == (1.495, 1.505) and number_range("1e2") == (50.0, 150.0)
    low, high = number_range("100000000000000001") or (0.0, 0.0)
    assert low <= 1e17 < high  # more digits than a double holds
    for text in ("x", "1e999", "1" * 5000, "NaN", "Infinity", ""):
        assert number_range(text) is None


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("2024", "2024-01-01T03:00:00", "2025-01-01T03:00:00"),
        ("2024-02", "2024-02-01T03:00:00", "2024-03-01T03:00:00"),
        ("2018-11-04", "2018-11-04T03:00:00", "2018-11-05T02:00:00"),  # the night summer time began at midnight
        ("2024-01-01T23:30-03:00", "2024-01-02T02:30:00", "2024-01-02T02:31:00"),
        ("2024-01-01T00:00:00.5Z", "2024-01-01T00:00:00.500000", "2024-01-01T00:00:00.600000"),
        # what is written for "never ends" and "unknown" is a date as well
        ("9999", "9999-01-01T03:00:00", "9999-12-30T00:00:00"),
        ("9999-12-31", "9999-12-29T23:59:59.999999", "9999-12-30T00:00:00"),
        ("9999-12-31T23:59:59Z", "9999-12-29T23:59:59.999999", "9999-12-30T00:00:00"),
        ("9999-12-31T23:59:59.999-03:00", "9999-12-29T23:59:59.999999", "9999-12-30T00:00:00"),
        ("0001-01-01T00:00:00Z", "0001-01-02T00:00:00", "0001-01-02T00:00:00.000001"),
        ("0001-01-01T00:00:00+03:00", "0001-01-02T00:00:00", "0001-01-02T00:00:00.000001"),
    ],
)
def test_dates_lie_in_the_tenants_zone(text: str, low: str, high: str) -> None:
    span = date_range(text, ZONE)
    assert span == tuple(datetime.datetime.fromisoformat(end).replace(tzinfo=datetime.UTC) for end in (low, high))


@pytest.mark.parametrize(
    "text", ["10000", "0000", "2024-13", "2023-02-29", "2024-01-01T00:00:00+99:99", "9999-12-32", "x"]
)
def test_what_is_no_date(text: str) -> None:
    assert date_range(text, ZONE) is None


def test_what_parameters_point_to() -> None:
    assert reference_types("Observation", "patient") == ("Patient",)
    assert set(reference_types("Observation", "subject")) == {"Patient", "Group", "Device", "Location"}
    assert len(reference_types("Provenance", "target")) > 140
    assert has_bare_codes("Patient", "gender") and has_bare_codes("Observation", "status")
    assert not has_bare_codes("Patient", "identifier") and not has_bare_codes("Observation", "code")
    assert not has_bare_codes("Patient", "_tag")
