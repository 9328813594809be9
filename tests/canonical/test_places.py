"""Places as labels: what a label is made of is read again, or is told beside it, or is not said."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonical import places
from canonical.codes import local_system

TEXT = st.text(alphabet="AB1 /", min_size=1, max_size=6).filter(lambda text: text.strip() == text)
KINDS = ((3, "bd"), (2, "ro"), (1, "wa"), (8, "lvl"), (7, "bu"), (4, "si"))


def location(parts: dict[int, str], owner: str) -> dict[str, Any]:
    """The Location that a PL makes: identifier, kind, and what its label alone does not say."""
    system = local_system(owner, "PL")
    kind = next(code for number, code in KINDS if parts.get(number))
    body: dict[str, Any] = {
        "identifier": [{"system": system, "value": places.label(parts)}],
        "physicalType": {"coding": [{"code": kind}]},
    }
    told = places.unusual(parts, kind, system)
    return {**body, **({"extension": [told]} if told else {})}


@given(st.dictionaries(st.sampled_from(places.ORDER), TEXT, min_size=1), st.sampled_from(("HOSP", "A", "B")))
def test_a_place_is_read_as_it_was_sent_or_not_at_all(parts: dict[int, str], owner: str) -> None:
    found = places.parts_of(location(parts, parts.get(4, owner)))
    assert found in (parts, {})
    if all("/" not in text for text in parts.values()):
        assert found == parts


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({1: "UTI", 2: "203", 3: "A"}, ""),
        ({4: "HOSP", 1: "UTI", 2: "203", 3: "A"}, ""),
        ({1: "UTI"}, ""),
        ({1: "UTI", 3: "A"}, "1 3"),
        ({7: "B", 1: "UTI", 3: "A"}, "7 1 3"),
    ],
)
def test_only_what_its_label_does_not_say_is_told(parts: dict[int, str], told: str) -> None:
    extension = location(parts, parts.get(4, "HOSP")).get("extension", [{}])
    assert extension[0].get("valueString", "") == told


def test_a_place_of_others_has_no_parts() -> None:
    assert places.parts_of({}) == {} == places.parts_of({"identifier": [{"system": "urn:oid:1.2", "value": "UTI / 1"}]})
    assert places.parts_of({"identifier": [{"value": "UTI / 203 / A"}]}) == {}
