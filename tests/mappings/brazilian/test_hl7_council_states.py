"""A council number without state gets the one that the sender's overlay gives it, in every place that has such numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from canonical.records import Draft
from hl7 import er7
from hl7.er7 import Message
from mappings.reading.engine import translate
from mappings.tables.site import Site

HEAD = "MSH|^~\\&|HIS|HOSP|PONTE|HUB|20261122090000||{kind}|c1|P|2.5.1||||||UNICODE UTF-8\r"
VISIT = HEAD.format(kind="ADT^A01") + "PID|1||31^^^HOSP^MR\rPV1|1|I|A^1^1||||{}||||||||||{}||V1^^^HOSP\r"
STAFF = (
    HEAD.format(kind="MFN^M02")
    + "MFI|PRA^Practitioner^HL70175||UPD|||AL\rMFE|MAD|1|20261122|P1|CWE\rSTF|P1|{}|Lima^Rui|P|M\rPRA|P1|||||{}\r"
)
ROWS = "system,from,to,note,decided\ncouncil-state,*,SP,,contrato\ncouncil-state,COREN,MG,,contrato\n"


def people(text: str, overlay: str = "") -> list[Draft]:
    message = er7.read(text.encode())
    assert isinstance(message, Message)
    drafts = translate(message, zone="America/Sao_Paulo", site=Site(overlay=overlay)).drafts
    return [draft for draft in drafts if draft.type == "Practitioner"]


@pytest.mark.parametrize(
    ("text", "system"),
    [
        (VISIT.format("7^Lima^Rui^^^^^^CRM", ""), "crm-sp"),
        (VISIT.format("7^Lima^Rui^^^^^^COREN", ""), "coren-mg"),
        (VISIT.format("7^Lima^Rui^^^^^^CRM-RJ", ""), "crm-rj"),
        (VISIT.format("7^Lima^Rui^^^^^^CRM^^^^CRM^^^^^^^^^BA", ""), "crm-ba"),
        (VISIT.format("7^Lima^Rui^^^^^^CREMESP", ""), "crm-sp"),
        (STAFF.format("7^^^CRM^CRM", ""), "crm-sp"),
        (STAFF.format("", "7^CRM"), "crm-sp"),
        (STAFF.format("", "7^CRM^PE"), "crm-pe"),
    ],
)
def test_the_state_of_the_sender_stands_in(tmp_path: Path, text: str, system: str) -> None:
    (tmp_path / "codes").mkdir()
    (tmp_path / "codes" / "council-state.csv").write_text(ROWS)
    (person,) = people(text, str(tmp_path))
    assert person.keys[0].system.rpartition("/")[2] == system


@pytest.mark.parametrize(
    ("other", "number"),
    [
        ("77^Lima^Rui^^^^^^CRM", 1),
        ("77^LIMA^RUI ALVES^^^^^^CRM", 1),
        ("77^Lima^Nora^^^^^^CRM", 2),
        ("77^Lima^Rui^^^^^^COREN", 2),
        ("78^Lima^Rui^^^^^^CRM", 2),
    ],
)
def test_a_mention_without_state_beside_one_with_it(other: str, number: int) -> None:
    stated = "77^Lima^Rui^^^^^^CRM-SP"
    for first, second in ((other, stated), (stated, other)):
        found = people(VISIT.format(first, second))
        assert len(found) == number
        assert any(one.keys[0].system.endswith("crm-sp") for one in found)
