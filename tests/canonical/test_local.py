"""Days and hours of FHIR dates and moments where a tenant is."""

from __future__ import annotations

import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonical import local

SAO_PAULO, MANAUS, ACRE, NORONHA = (
    "America/Sao_Paulo", "America/Manaus", "America/Rio_Branco", "America/Noronha",
)  # fmt: skip


@pytest.mark.parametrize(
    ("told", "zone", "day", "hour"),
    [
        ("2026-11-21T01:30:00Z", SAO_PAULO, "2026-11-20", "22:30:00"),
        ("2026-11-21T01:30:00Z", NORONHA, "2026-11-20", "23:30:00"),
        ("2026-11-21T02:00:00Z", NORONHA, "2026-11-21", "00:00:00"),
        ("2026-11-21T03:59:59.999Z", MANAUS, "2026-11-20", "23:59:59"),
        ("2026-11-21T04:45:00Z", ACRE, "2026-11-20", "23:45:00"),
        ("2026-11-21T00:30:00-03:00", MANAUS, "2026-11-20", "23:30:00"),
        ("2026-11-20T23:30:00-05:00", SAO_PAULO, "2026-11-21", "01:30:00"),
        ("2018-12-01T01:30:00Z", SAO_PAULO, "2018-11-30", "23:30:00"),  # summer time, which ended for good in 2019
        ("2026-12-31T23:59:60-03:00", SAO_PAULO, "2026-12-31", "23:59:59"),
        ("2026-11-20T22:30:00", SAO_PAULO, "2026-11-20", "22:30:00"),
        ("2026-11-20", ACRE, "2026-11-20", ""),
        ("2026-11", SAO_PAULO, "", ""),
        ("2026-W48-5", SAO_PAULO, "", ""),
        ("2026-02-30", SAO_PAULO, "", ""),
        ("0001-01-01T00:00:00Z", SAO_PAULO, "", ""),
        ("", SAO_PAULO, "", ""),
        (None, SAO_PAULO, "", ""),
        (20261120, SAO_PAULO, "", ""),
    ],
)
def test_the_day_is_the_tenants(told: Any, zone: str, day: str, hour: str) -> None:
    assert local.moment(told, zone) == (day, hour)
    assert local.day(told, zone) == (datetime.date.fromisoformat(day) if day else None)


@given(
    st.datetimes(min_value=datetime.datetime(1990, 1, 1), max_value=datetime.datetime(2100, 1, 1)),
    st.sampled_from([SAO_PAULO, MANAUS, ACRE, NORONHA]),
    st.integers(-12 * 60, 14 * 60),
)
def test_how_a_moment_is_written_changes_nothing(at: datetime.datetime, zone: str, minutes: int) -> None:
    here = at.replace(microsecond=0, tzinfo=ZoneInfo(zone))
    there = here.astimezone(datetime.timezone(datetime.timedelta(minutes=minutes)))
    told = there.astimezone(ZoneInfo(zone))  # an hour that a clock change repeats or skips is what it is there
    assert local.moment(there.isoformat(), zone) == (f"{told:%Y-%m-%d}", f"{told:%H:%M:%S}")


def test_a_date_alone_is_no_moment() -> None:
    assert local.date("2026-11-20") == datetime.date(2026, 11, 20)
    assert local.date("2026-11-20T22:30:00Z") is None and local.date(None) is None


def test_instants() -> None:
    whole = datetime.datetime(2016, 12, 31, 23, 59, 59, tzinfo=datetime.UTC)
    assert local.instant("2016-12-31T23:59:60Z") == local.instant("2016-12-31T23:59:59Z") == whole
    assert local.instant("2016-12-31T20:59:59.123-03:00") == whole.replace(microsecond=123000)
    for told in (None, 5, {}, "", "x", "2016-12-31", "2016-12-31T23:59:59", "2016-13-01T00:00:00Z"):
        assert local.instant(told) is None
