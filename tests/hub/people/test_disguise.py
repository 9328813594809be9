"""Disguise, value by value: shapes and check digits stay, people go, and what nobody knows to be harmless goes with them."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonical.identifiers import is_cnpj, is_cns, is_cpf
from fhir.validation.validator import validate
from hub.disguise.canaries import Canaries
from hub.disguise.people import Invented
from hub.disguise.records import WITHDRAWN, Disguise, shifted

KEY = b"k" * 32


def disguised(body: dict[str, Any], *inside: tuple[str, str]) -> dict[str, Any]:
    return Disguise(Invented(key=KEY), "Patient/p", lambda *place: place in inside).record(body)


@pytest.mark.parametrize(
    ("value", "holds"),
    [("52998224725", is_cpf), ("529.982.247-25", is_cpf), ("204567890120002", is_cns), ("11222333000181", is_cnpj)],
)
def test_national_numbers_become_others_that_are_right(value: str, holds: Any) -> None:
    made = Invented(key=KEY).number(value)
    assert holds(made) and made not in value and made == Invented(key=KEY).number(value)
    assert made != Invented().number(value), "under another key it is another one"


@given(st.lists(st.text("0123456789AbZ-./", min_size=1, max_size=14), unique=True, min_size=2, max_size=30))
def test_no_two_numbers_become_one_and_none_stays(values: list[str]) -> None:
    invented = Invented(values, KEY)
    made = {value: invented.number(value) for value in values}
    written = [value for value in values if any(c.isalnum() for c in value)]
    assert len({made[value] for value in written}) == len(written)
    assert not {made[value] for value in written} & set(values)


@given(st.dates(datetime.date(1900, 1, 1), datetime.date(2100, 1, 1)), st.text(min_size=1, max_size=9))
def test_dates_keep_weekday_and_precision(day: datetime.date, patient: str) -> None:
    by = Invented(key=KEY).shift(patient)
    moved = shifted(f"{day.isoformat()}T10:11:12.5-03:00", by)
    assert moved is not None and moved.endswith("T10:11:12.5-03:00") and by.days % 7 == 0 and -365 < by.days <= -28
    assert datetime.date.fromisoformat(moved[:10]) == day + by
    assert len(shifted(f"{day.year:04d}", by) or "") == 4 and len(shifted(day.isoformat()[:7], by) or "") == 7
    assert shifted("no date", by) is None


def test_a_patient_keeps_facts_and_loses_who_it_is() -> None:
    body = {
        "resourceType": "Patient", "id": "p", "meta": {"source": "urn:x", "profile": ["http://x/p"]}, "gender": "female",
        "text": {"status": "generated", "div": "<div xmlns='http://www.w3.org/1999/xhtml'>CANARIO</div>"},
        "name": [{"use": "official", "text": "Ana CANARIO", "family": "CANARIO", "given": ["Ana"], "prefix": ["CANARIO"]}, {"text": "CANARIO"}],
        "identifier": [{"system": "urn:mrn", "value": "CANARIO9", "assigner": {"display": "CANARIO"}}],
        "telecom": [{"system": "phone", "value": "CANARIO"}], "birthDate": "1980-02-29", "_birthDate": {"extension": [{"url": "u", "valueString": "CANARIO"}]},
        "address": [{"line": ["CANARIO"], "district": "CANARIO", "postalCode": "CANARIO", "city": "Recife", "state": "PE",
                     "extension": [{"url": "geo", "valueDecimal": 1.5}]}],
        "contact": [{"name": {"text": "CANARIO"}, "gender": "male", "telecom": [{"value": "CANARIO"}]}],
        "photo": [{"contentType": "image/png", "data": "Q0FOQVJJTw=="}], "maritalStatus": {"text": "CANARIO"},
        "extension": [{"url": "urn:mother", "valueString": "CANARIO"}, {"url": "urn:colour", "valueCode": "04"},
                      {"url": "urn:uri", "valueUri": "http://CANARIO"}],
        "managingOrganization": {"reference": "Organization/o", "display": "CANARIO"}, "unknown": "CANARIO",
        "link": [{"other": {"reference": "Patient/elsewhere"}, "type": "seealso"}],
    }  # fmt: skip
    made = disguised(body, ("Organization", "o"))
    assert "CANARIO" not in str(made).upper() and validate(made) == []
    assert made["gender"] == "female" and made["id"] != "p" and made["meta"] == {"profile": ["http://x/p"]}
    assert made["address"] == [{"city": "Recife", "state": "PE"}] and made["name"][0]["use"] == "official"
    assert made["name"][0]["family"] == made["name"][1]["family"] != made["contact"][0]["name"]["family"]
    assert {"url": "urn:colour", "valueCode": "04"} in made["extension"] and len(made["extension"]) == 2
    assert made["managingOrganization"]["reference"].startswith("Organization/")
    assert made["link"][0]["other"] == {"display": WITHDRAWN} and made["identifier"][0]["system"] == "urn:mrn"
    assert not {"text", "telecom", "photo", "_birthDate", "unknown"} & set(made)


def test_clinical_facts_stay_and_free_text_goes() -> None:
    body = {
        "resourceType": "Observation", "id": "o", "status": "final", "subject": {"reference": "Patient/p", "display": "CANARIO"},
        "code": {"coding": [{"system": "http://loinc.org", "code": "718-7", "display": "Hemoglobina"}, {"display": "CANARIO"}], "text": "CANARIO"},
        "valueQuantity": {"value": 13.5, "unit": "g/dL", "system": "http://unitsofmeasure.org", "code": "g/dL"},
        "effectiveDateTime": "2026-03-01T08:00:00-03:00", "note": [{"text": "CANARIO"}], "performer": [{"reference": "#pr"}],
        "component": [{"code": {"text": "CANARIO"}, "valueString": "CANARIO"}],
        "contained": [{"resourceType": "Practitioner", "id": "pr", "name": [{"family": "CANARIO"}]}],
    }  # fmt: skip
    made = disguised(body, ("Patient", "p"))
    assert "CANARIO" not in str(made) and validate(made) == []
    assert made["code"] == {"coding": [{"system": "http://loinc.org", "code": "718-7", "display": "Hemoglobina"}]}
    assert made["valueQuantity"] == body["valueQuantity"] and made["component"][0]["valueString"] == WITHDRAWN
    assert made["performer"][0]["reference"] == "#" + made["contained"][0]["id"]


@pytest.mark.parametrize(
    ("line", "held"),
    [
        ('{"display":"Laudo de ANA  Conceição"}', True),
        ('{"display":"conceicao, ana"}', True),
        ('{"value":"52998224725"}', True),
        ('{"value":"529.982.247-25"}', True),
        ('{"note":"rua das flores 10"}', True),
        ('{"value":"(11) 98765-4321"}', True),
        ('{"display":"Ana"}', False),
        ('{"city":"Recife","code":"718-7"}', False),
    ],
)
def test_canaries_sing(line: str, held: bool) -> None:
    canaries = Canaries()
    canaries.watch(
        {
            "resourceType": "Patient", "id": "p1", "name": [{"family": "Conceição", "given": ["Ana"]}],
            "identifier": [{"value": "529.982.247-25"}], "telecom": [{"value": "11 98765 4321"}],
            "address": [{"line": ["Rua das Flores, 10"], "city": "Recife"}],
        }
    )  # fmt: skip
    assert canaries.found(line) is held
