"""Every prefix on every precision, expected by the words of R4 §3.1.1.4.5 and §3.1.1.4.6 and nothing of ours."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Callable
from decimal import Decimal

import httpx

HERE = datetime.timezone(datetime.timedelta(hours=-3))  # the tenant's zone in 1981
PREFIXES = ("", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb")
STORED = (
    "1979-12-31",
    "1980",
    "1980-05",
    "1980-05-11",
    "1980-05-11T16:32:15-03:00",
    "1980-05-11T19:32:15.500Z",
    "1981-01-01",
)
ASKED = ("1980", "1980-04", "1980-05", "1980-05-10", "1980-05-11", "1980-05-11T16:32:15-03:00", "1980-05-11T16:32:15.500-03:00",
         "1980-05-11T18:32:15-01:00", "1981")  # fmt: skip
Span = tuple[datetime.datetime, datetime.datetime]


def span(text: str) -> Span:
    """The first moment of a date and the first after it."""
    if "T" in text:
        low = datetime.datetime.fromisoformat(text)
        return low, low + (datetime.timedelta(milliseconds=1) if "." in text else datetime.timedelta(seconds=1))
    year, month, day = (int(part) for part in (text + "-01-01")[:10].split("-"))
    low = datetime.datetime(year, month, day, tzinfo=HERE)
    if len(text) == 10:
        return low, low + datetime.timedelta(days=1)
    if len(text) == 7:
        return low, low.replace(year=year + month // 12, month=month % 12 + 1)
    return low, low.replace(year=year + 1)


def lies(prefix: str, stored: Span, asked: Span) -> bool:
    within = asked[0] <= stored[0] and stored[1] <= asked[1]
    above, below = stored[1] > asked[1], stored[0] < asked[0]
    return {
        "eq": within, "ne": not within, "gt": above, "lt": below, "ge": above or within, "le": below or within,
        "sa": stored[0] >= asked[1], "eb": stored[1] <= asked[0],
    }[prefix or "eq"]  # fmt: skip


async def found(fhir: httpx.AsyncClient, url: str) -> set[str]:
    answer = await fhir.get(f"/fhir/{url}")
    assert answer.status_code == 200, (url, answer.text)
    return {entry["resource"]["id"] for entry in answer.json().get("entry", ())}


async def test_dates(fhir: httpx.AsyncClient) -> None:
    spans: dict[str, Span] = {}
    for number, text in enumerate(STORED):
        spans[f"d{number}"] = span(text)
        body = {
            "resourceType": "Observation",
            "id": f"d{number}",
            "status": "final",
            "code": {"text": "x"},
            "effectiveDateTime": text,
        }
        await fhir.put(f"/fhir/Observation/d{number}", json=body)
    spans["d9"] = (span("1980-05-16")[0], span("1980-06")[1])
    period = {"effectivePeriod": {"start": "1980-05-16", "end": "1980-06"}}
    await fhir.put(
        "/fhir/Observation/d9",
        json={"resourceType": "Observation", "id": "d9", "status": "final", "code": {"text": "x"}, **period},
    )
    for text, prefix in itertools.product(ASKED, PREFIXES):
        wanted = {identity for identity, stored in spans.items() if lies(prefix, stored, span(text))}
        assert await found(fhir, f"Observation?date={prefix}{text}") == wanted, prefix + text


async def test_numbers_and_quantities(fhir: httpx.AsyncClient) -> None:
    stored = {
        f"q{number}": Decimal(text) for number, text in enumerate(("0.002", "1.0", "4", "5.0", "5.04", "6", "10.0"))
    }
    for identity, value in stored.items():
        amount = {"value": float(value), "unit": "mg", "system": "urn:x", "code": "mg"}
        body = {
            "resourceType": "Observation",
            "id": identity,
            "status": "final",
            "code": {"text": "x"},
            "valueQuantity": amount,
        }
        await fhir.put(f"/fhir/Observation/{identity}", json=body)
    for text, prefix in itertools.product(("0.002", "2e-3", "5", "5.00", "4.9", "10", "30"), PREFIXES):
        asked = Decimal(text)
        half = Decimal(5).scaleb(int(asked.as_tuple().exponent) - 1)
        tests: dict[str, Callable[[Decimal], bool]] = {
            "eq": lambda value: asked - half <= value <= asked + half,  # noqa: B023  # called at once
            "ne": lambda value: not asked - half <= value <= asked + half,  # noqa: B023
            "gt": lambda value: value > asked, "sa": lambda value: value > asked,  # noqa: B023
            "lt": lambda value: value < asked, "eb": lambda value: value < asked,  # noqa: B023
            "ge": lambda value: value >= asked, "le": lambda value: value <= asked,  # noqa: B023
        }  # fmt: skip
        wanted = {identity for identity, value in stored.items() if tests[prefix or "eq"](value)}
        for unit in ("", "|urn:x|mg"):
            assert await found(fhir, f"Observation?value-quantity={prefix}{text}{unit}") == wanted, prefix + text + unit
    for unit, count in (("||mg", 7), ("||g", 0), ("|urn:y|mg", 0), ("|urn:x|", 7)):
        assert len(await found(fhir, f"Observation?value-quantity=gt0{unit}")) == count, unit


async def test_dates_that_stand_for_never_and_unknown(fhir: httpx.AsyncClient) -> None:
    """9999-12-31 and 0001-01-01 are found and compared, whatever zone carries them over the edge of the calendar."""
    periods = {
        "open": ("2020", "9999-12-31"),
        "moment": ("2020", "9999-12-31T23:59:59-03:00"),
        "past": ("0001-01-01T00:00:00Z", "2020"),
    }
    for identity, (start, end) in periods.items():
        made = {"resourceType": "Encounter", "id": identity, "status": "finished", "class": {"code": "IMP"}}
        await fhir.put(f"/fhir/Encounter/{identity}", json={**made, "period": {"start": start, "end": end}})
    for identity, day in (("never", "9999-12-31"), ("first", "0001-01-01"), ("real", "1990-05-01")):
        await fhir.put(f"/fhir/Patient/{identity}", json={"resourceType": "Patient", "id": identity, "birthDate": day})
    wanted = {
        "Patient?birthdate=9999-12-31": {"never"},
        "Patient?birthdate=9999": {"never"},
        "Patient?birthdate=ge9999": {"never"},
        "Patient?birthdate=lt9999-12-31": {"first", "real"},
        "Patient?birthdate=ne9999-12-31": {"first", "real"},
        "Patient?birthdate=0001-01-01": {"first"},
        "Patient?birthdate=le0001": {"first"},
        "Patient?birthdate=gt0001-01-01T00:00:00Z": {"first", "never", "real"},  # the day goes on after its midnight
        "Patient?birthdate:missing=true": set(),
        "Encounter?date=gt9998": {"open", "moment"},
        "Encounter?date=le9999-12-31T23:59:59Z": {"open", "moment", "past"},
        "Encounter?date=lt0001-01-01T00:00:00%2B03:00": set(),
    }
    for url, expected in wanted.items():
        assert await found(fhir, url) == expected, url
