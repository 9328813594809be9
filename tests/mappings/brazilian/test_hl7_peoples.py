"""PID-22 is a people of Brazil where PID-10 says that the person is of one; else it is another classification."""

from __future__ import annotations

from typing import Any

import pytest

from canonical.codes import PEOPLES
from canonical.extensions import EXTENSIONS
from hl7 import er7
from hl7.er7 import Message
from mappings.reading.engine import translate


def people(race: str, group: str, country: str = "") -> list[dict[str, Any]]:
    """What is kept of the people of a person."""
    head = f"MSH|^~\\&|HIS|HOSP|PONTE|HUB|20261127090000||ADT^A28|T1|P|2.5|||||{country}|UNICODE UTF-8\r"
    pid = f"PID|1||5001^^^HOSP^PI||ROCHA^TXAI||19850503|M||{race}||||||||||||{group}\r"
    message = er7.read((head + pid).encode())
    assert isinstance(message, Message)
    found = next(d for d in translate(message, zone="America/Sao_Paulo").drafts if d.type == "Patient").body
    extensions = found.get("extension", [])
    return [e["valueCodeableConcept"] for e in extensions if e["url"] == EXTENSIONS["indigenous-people"]]


@pytest.mark.parametrize(
    ("race", "group", "coding"),
    [
        ("05", "0160^POTIGUARA", {"code": "0160", "system": PEOPLES, "display": "POTIGUARA"}),
        ("INDIGENA", "X401", {"code": "X401", "system": PEOPLES}),
        ("05^Indígena", "77^DA CASA^99HIS", {"code": "77", "system": "urn:ponte:codes:99his", "display": "DA CASA"}),
        ("5", "POTIGUARA", {"code": "POTIGUARA"}),
    ],
)
def test_the_people_of_an_indigenous_person_is_kept(race: str, group: str, coding: dict[str, str]) -> None:
    (found,) = people(race, group)
    assert found["coding"] == [coding]


@pytest.mark.parametrize(("race", "group", "country"), [("03", "0160", ""), ("", "N", ""), ("05", "H", "USA")])
def test_an_ethnic_group_of_another_is_no_people(race: str, group: str, country: str) -> None:
    assert people(race, group, country) == []
