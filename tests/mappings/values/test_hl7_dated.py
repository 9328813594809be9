"""Dates with the day first are read where which number is the day is sure; the month is never taken to come first."""

from __future__ import annotations

from pathlib import Path

import pytest

from hl7 import er7
from hl7.er7 import Message
from mappings.reading.dated import dated
from mappings.reading.engine import Translation, translate
from mappings.tables.site import Site
from mappings.tables.table import TableError

STAMP = "20261120081500"


def message(birth: str, admitted: str = "", stamp: str = STAMP, more: str = "") -> Message:
    found = er7.read(
        (
            f"MSH|^~\\&|HIS|HOSP|HUB||{stamp}||ADT^A01|1|P|2.4\rEVN|A01|{stamp}\r"
            f"PID|1||77^^^H^MR||Lima^Rui||{birth}|M\rPV1|1|I|UTI^101^A||||||||||||||||V1{'|' * 25}{admitted}\r{more}"
        ).encode()
    )
    assert isinstance(found, Message)
    return found


def read(*parts: str, site: Site | None = None) -> Translation:
    return translate(message(*parts), zone="America/Sao_Paulo", site=site or Site())


def said(told: Translation, kind: str, element: str) -> object:
    return next(d.body.get(element) for d in told.drafts if d.type == kind)


@pytest.mark.parametrize(
    ("birth", "admitted", "expected"),
    [
        ("23/04/1961", "", "1961-04-23"),
        ("5/5/1961", "", "1961-05-05"),  # the same either way
        ("03/04/1980", "23/11/2026 08:10", "1980-04-03"),  # the other date shows it
        ("03-04-1980", "23-11-2026 08:10:00", "1980-04-03"),
        ("23041961", "", "1961-04-23"),
        ("05051961", "", "1961-05-05"),
        ("03041980", "231120260810", "1980-04-03"),
        ("03041980", "23112026081000", "1980-04-03"),
    ],
)
def test_the_day_comes_first_where_that_is_sure(birth: str, admitted: str, expected: str) -> None:
    told = read(birth, admitted)
    assert said(told, "Patient", "birthDate") == expected
    places = {p.where for p in told.problems if p.code == "field.date-day-first"}
    assert places == {"PID#3-7"} | ({"PV1#4-44"} if admitted else set())
    if admitted:
        assert said(told, "Encounter", "period") == {"start": "2026-11-23T08:10:00-03:00"}


def test_a_month_and_its_year_are_that_month() -> None:
    told = translate(message(STAMP, more="IN1|1|PL|326305|OP|||||||||12/2027|" + "|" * 22 + "77\r"), zone="UTC")
    assert said(told, "Coverage", "period") == {"end": "2027-12"}
    assert ("field.date-day-first", "IN1#5-13") in [(p.code, p.where) for p in told.problems]
    wrong = translate(message(STAMP, more="IN1|1|PL|326305|OP|||||||||13/2027|" + "|" * 22 + "77\r"), zone="UTC")
    assert said(wrong, "Coverage", "period") is None


def test_the_day_of_the_message_shows_which_number_is_the_day() -> None:
    told = read("03/04/1980", "05/11/2026 07:00:00.000-0300", "20261105070500")
    assert said(told, "Patient", "birthDate") == "1980-04-03"
    assert said(told, "Encounter", "period") == {"start": "2026-11-05T07:00:00-03:00"}


@pytest.mark.parametrize(
    ("birth", "admitted", "stamp"),
    [
        ("03/04/1980", "", STAMP),  # nothing shows it
        ("03041980", "", STAMP),
        ("03/04/1980", "11/23/2026 08:10", STAMP),  # another has the month first
        ("03/04/1980", "11/05/2026 07:00", "20261105070500"),  # so has the day of the message
    ],
)
def test_what_may_be_another_day_is_not_read_and_told(birth: str, admitted: str, stamp: str) -> None:
    told = read(birth, admitted, stamp)
    assert said(told, "Patient", "birthDate") is None
    assert ("field.date-ambiguous", "PID#3-7") in [(p.code, p.where) for p in told.problems]


def test_a_month_first_is_never_read() -> None:
    told = read("04/23/1961", "23/11/2026")
    assert said(told, "Patient", "birthDate") is None
    assert ("field.date", "PID#3-7") in [(p.code, p.where) for p in told.problems]


def test_texts_numbers_and_days_that_are_none_stay_as_they_are() -> None:
    for sent in (message("32/01/1980"), message("23/13/1980"), message("23131980")):
        assert [p.code for p in translate(sent, zone="UTC").problems if p.where == "PID#3-7"] == ["field.date"]
    kept = message(STAMP, more="OBX|1|ST|DUM||23/04/2026||||||F\rNTE|1||23/04/2026\rZAB|23042026\r")
    assert dated(kept)[0] is kept
    moment = message(STAMP, more="OBX|1|TS|DUM||23/04/2026||||||F\r")
    assert dated(moment)[0].segments[-1].raw_field(5) == "20260423"


def test_the_header_and_parts_of_fields_are_read_too() -> None:
    sent = message("19800102", stamp="23/11/2026 09:30", more="ORC|NW|1|||||1^^^24/11/2026 8h05^^R~1^^^25/11/2026\r")
    found, told = dated(sent)
    assert found.header.text(7) == "202611230930" and found.header.raw.startswith("MSH|^~\\&|HIS|")
    assert found.segments[-1].raw_field(7) == "1^^^202611240805^^R~1^^^20261125"
    assert [p.where for p in told] == ["MSH#1-7", "EVN#2-2", "ORC#5-7"]


def test_an_overlay_says_how_its_sender_writes_dates(tmp_path: Path) -> None:
    for name, order in (("first", "day-first"), ("second", "month-first")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "overlay.toml").write_text(f'title = "Dates"\ndates = "{order}"\n', encoding="utf-8")
    told = read("03/04/1980", site=Site(overlay=str(tmp_path / "first")))
    assert said(told, "Patient", "birthDate") == "1980-04-03"
    with pytest.raises(TableError, match=r'dates: must be "day-first"'):
        read("03/04/1980", site=Site(overlay=str(tmp_path / "second")))
