"""Names and addresses of records as HL7 v2 fields, where a part of a list has an extension and no value."""

from __future__ import annotations

from mappings.outward import people

_NAME = {
    "given": [None, "Iara"],
    "_given": [{"extension": [{"url": "urn:t", "valueCode": "x"}]}, None],
    "family": "Lima",
}


def test_a_part_without_value_is_not_told() -> None:
    assert people.xpn(_NAME, "")[0][(2, 1)] == "Iara"
    person = people.xcn({"identifier": {"value": "1"}, "name": {**_NAME, "prefix": [None]}}, "")[0]
    assert person[(3, 1)] == "Iara"
    assert (6, 1) not in person
    assert people.xad({"line": [None, "Rua A"], "city": "Belém"}, "")[0][(1, 1)] == "Rua A"


def test_a_city_code_without_code_is_not_told() -> None:
    address = {"city": "Belém", "_city": {"extension": [{"url": "urn:t", "valueCoding": {"display": "Belém"}}]}}
    assert (9, 1) not in people.xad(address, "")[0]
