"""What coding systems are called in HL7 v2 when a code goes out."""

from __future__ import annotations

import pytest

from canonical import codes

WRITTEN = "LN I10 SCT UCUM CVX I9C I10C NULLFL TUSS18 TUSS22 SIMPRO HL70487 HL70136 CBHPM L 99LAB"


@pytest.mark.parametrize("written", WRITTEN.split())
def test_a_coding_system_is_named_so_that_it_is_understood_again(written: str) -> None:
    system = codes.coding_system(written, "1")
    name = codes.coding_name(system)
    assert "/" not in name and name == name.upper()
    assert codes.coding_system(name, "1") == system


def test_a_coding_system_without_a_name_keeps_its_address() -> None:
    address = "https://exemplo.org/fhir/CodeSystem/x"
    assert codes.coding_system(codes.coding_name(address)) == codes.coding_name(address) == address
