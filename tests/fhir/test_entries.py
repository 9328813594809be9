"""The index entries that probes find are those that following each expression as FHIRPath finds."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from made_records import resource

from canonical.codes import MOTHER_EXTENSION
from fhir.definitions.table import resource_types
from fhir.search.composites import stored_as
from fhir.search.entries import entries
from fhir.search.parameters import BASE, IDENTIFIER, LEAD, OF_TYPE, SHAPE, TEXT, VERSION, parameters_of
from fhir.search.paths import compile_for, follow
from fhir.search.readings import READINGS, tokens

ZONE = ZoneInfo("America/Sao_Paulo")


@pytest.mark.parametrize("start", range(0, len(resource_types()), 37))
def test_probes_find_what_paths_find(start: int) -> None:
    random = Random(start)
    count = 0
    for name in resource_types()[start : start + 37]:
        for _ in range(6):
            document = resource(name, random, fill=0.8)
            found = [tuple(entry) for entry in entries(document, ZONE)]
            assert len(found) == len(set(found)), name
            assert _plain(found) == _followed(document), name
            count += len(found)
    assert count > 500


def test_filters_extensions_and_choices() -> None:
    """What the made resources do not hold: telecom by system, a named extension, patients among subjects."""
    patient = {
        "resourceType": "Patient",
        "telecom": [{"system": "email", "value": "a@b.invalid"}, {"system": "phone", "value": "1"}],
        "extension": [{"url": MOTHER_EXTENSION, "valueString": "Maria"}],
        "deceasedBoolean": False,
    }
    device = {"resourceType": "Observation", "subject": {"reference": "Device/1"}, "valueString": "a"}
    for document in (patient, device, {**device, "subject": {"reference": "Patient/1"}, "valueQuantity": {"value": 1}}):
        assert _plain(tuple(entry) for entry in entries(document, ZONE)) == _followed(document)
    codes = {(entry.code, entry.values) for entry in entries(patient, ZONE)}
    assert ("email", ("email", "a@b.invalid")) in codes
    assert ("phone", ("phone", "1")) in codes
    assert ("email", ("phone", "1")) not in codes
    assert ("deceased", ("", "false")) in codes


def test_a_canonical_is_found_with_and_without_its_version() -> None:
    answers = {"resourceType": "QuestionnaireResponse", "status": "completed", "questionnaire": "urn:x:q|2"}
    found = {entry.code: entry.values for entry in entries(answers, ZONE)}
    assert found["questionnaire"] == ("", "urn:x:q") and found["questionnaire" + VERSION] == ("", "urn:x:q|2")
    profiled = {"resourceType": "Patient", "meta": {"profile": ["urn:x:p|1", "urn:x:other"]}}
    found = {entry.code: entry.values for entry in entries(profiled, ZONE) if entry.code.endswith(VERSION)}
    assert found == {"_profile" + VERSION: ("urn:x:p|1",)}


def test_the_system_of_a_currency_is_implied() -> None:
    bill = {"resourceType": "Invoice", "totalNet": {"value": 10, "currency": "BRL"}}
    assert ("totalnet", (10.0, 10.0, "urn:iso:std:iso:4217", "BRL")) in [
        (e.code, e.values) for e in entries(bill, ZONE)
    ]


def _plain(found: Iterable[tuple[Any, ...]]) -> set[tuple[Any, ...]]:
    """The entries of parameters as such, without those of modifiers, composites and the shape."""
    beside = (TEXT, OF_TYPE, BASE, VERSION, SHAPE)
    return {entry for entry in found if not entry[0].endswith(beside) and LEAD not in entry[0]}


def _followed(document: dict[str, Any]) -> set[tuple[Any, ...]]:
    name = document["resourceType"]
    found: set[tuple[Any, ...]] = set()
    for code, parameter in parameters_of(name).items():
        if code in ("_id", "_lastUpdated") or stored_as(code) != (code,):
            continue
        for path in compile_for(parameter.expression, name):
            for kind, value in follow(path, name, document):
                found |= {(code, parameter.type, c) for c in READINGS[parameter.type](kind, value, ZONE)}
                if parameter.type == "reference" and isinstance(value, dict) and value.get("identifier"):
                    found |= {(code + IDENTIFIER, "token", c) for c in tokens("Identifier", value["identifier"], ZONE)}
    return found
