"""The invented day: valid identifiers, real TUSS codes, right counts, the same bytes for the same seed."""

from __future__ import annotations

import datetime
from collections import Counter
from random import Random

import pytest

from api.demo import day, faults, pdf
from api.demo.parts import Payer
from api.demo.people import hospital, people, professionals, rows
from api.demo.prices import price_list
from api.demo.writer import Day
from canonical import identifiers
from hl7 import er7
from hl7.er7 import Message
from schemas_xsd.catalogue import tables

TODAY = datetime.date(2026, 11, 21)
PAYERS = (Payer(ans="999806", name="Operadora Um"), Payer(ans="999814", name="Operadora Dois"))


@pytest.fixture(scope="module")
def written() -> Day:
    if not tables()["tuss"].path.is_file():
        pytest.skip("the TUSS table is not installed")
    return day.make(1, TODAY, PAYERS)


def test_people_have_valid_numbers_and_accents() -> None:
    made = people(Random(3), 300, TODAY)
    assert all(identifiers.is_cpf(p.cpf) and identifiers.is_cns(p.cns) for p in made)
    assert all(identifiers.is_ibge_city(p.ibge) for p in made)
    assert {p.cns[0] for p in made} >= {"1", "2", "7", "8", "9"}
    assert len({p.cpf for p in made}) == len({p.record for p in made}) == 300
    assert sum(not p.family.isascii() for p in made) > 100


def test_hospital_has_a_cnpj_with_letters() -> None:
    found = hospital()
    assert identifiers.is_cnpj(found.cnpj) and not found.cnpj.isdigit()
    assert identifiers.is_cnes(found.cnes)
    assert all(identifiers.is_cbo(one.cbo) and identifiers.is_cpf(one.cpf) for one in professionals())


def test_diagnoses_have_the_shape_of_cid10() -> None:
    assert all(identifiers.is_cid10(row["code"]) for row in rows("diagnoses"))


def test_prices_carry_the_terms_of_the_official_table(written: Day) -> None:
    prices = price_list(TODAY)
    assert all(identifiers.is_tuss(price.code) and price.term and price.cents > 0 for price in prices)
    assert {price.table for price in prices} == {"18", "20", "22"}


def test_the_day_is_large_enough_and_every_type_is_in_it(written: Day) -> None:
    types = Counter(message.type for message in written.messages)
    assert len(written.people) >= 40 and len(written.visits) >= 60 and len(written.messages) >= 400
    wanted = {"A01", "A03", "A04", "A08", "A11", "A13", "A40"}
    assert {f"ADT^{event}" for event in wanted} <= set(types)
    assert {"ORM^O01", "OML^O21", "ORU^R01", "SIU^S12", "DFT^P03", "MFN^M02"} <= set(types)
    assert len(written.operated) == day.OPERATIONS
    modified = {table for found in written.charges.values() for one in found for table, _ in one.modifiers}
    assert modified == {"28", "32", "48", "61"}
    assert all(written.billed(payer.ans) > 0 for payer in PAYERS)


def test_the_same_seed_gives_the_same_bytes(written: Day) -> None:
    again = day.make(1, TODAY, PAYERS)
    other = day.make(2, TODAY, PAYERS)
    assert [m.payload for m in again.messages] == [m.payload for m in written.messages]
    assert [m.payload for m in other.messages] != [m.payload for m in written.messages]


def test_every_message_is_sound(written: Day) -> None:
    assert len({m.control_id for m in written.messages}) == len(written.messages)
    for message in written.messages:
        read = er7.read(message.payload)
        assert isinstance(read, Message), message.control_id
        assert not read.problems and read.type == message.type and read.control_id == message.control_id


def test_charges_of_a_visit_are_all_in_its_dft(written: Day) -> None:
    billed = Counter(segment.name for m in written.messages if m.type == "DFT^P03" for segment in _read(m).segments)
    assert billed["FT1"] == sum(len(found) for found in written.charges.values())


def test_faults_are_twenty_and_of_different_kinds(written: Day) -> None:
    found = faults.make(faults.renumber(people(Random(9), 12, TODAY)), datetime.datetime(2026, 11, 22, 9, 0))
    shown = [message.shows for message in found if message.shows]
    assert len(shown) >= 20 and len(set(shown)) == len(shown)
    assert {message.expected.ack for message in found} == {"AA", "AE", "AR", ""}
    assert {m.expected.problem for m in found} >= {
        "charset.lies",
        "identifier.cpf",
        "er7.cut",
        "semantic.unknown-record",
    }


def test_pdf_is_a_pdf() -> None:
    document = pdf.page(["Laudo (início)", "Coração"])
    assert document.startswith(b"%PDF-1.4") and document.rstrip().endswith(b"%%EOF")
    start = int(document.rsplit(b"startxref\n", 1)[1].split(b"\n", 1)[0])
    assert document[start : start + 4] == b"xref"
    for number in range(1, 6):
        line = document[start:].splitlines()[2 + number]
        offset = int(line.split()[0])
        assert document[offset:].startswith(b"%d 0 obj" % number)


def _read(message: object) -> Message:
    read = er7.read(message.payload)  # type: ignore[attr-defined]
    assert isinstance(read, Message)
    return read
