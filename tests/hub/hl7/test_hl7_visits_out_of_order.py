"""Events of a visit that come late, again or before what they undo end as if they had come in order (HL7 v2 §3.3)."""

from __future__ import annotations

from typing import Any

import pytest
from hl7_feed import feed, msh, records

from hub.world import Tenant, World

DAY = "2026112210{:02d}00"


def told(event: str, at: int, bed: str = "", *, left: str = "", since: str = "") -> str:
    """An ADT of visit V1 at minute `at`; `left` is the minute of PV1-45, `since` that of PV1-44."""
    when = DAY.format(at) + "-0300"
    ward = f"UTI^{bed}^^HOSP" if bed else ""
    times = "|".join(DAY.format(int(text)) if text else "" for text in (since, left))
    pv1 = f"PV1|1|I|{ward}" + "|" * 16 + "V1^^^HOSP" + "|" * 25 + times
    return (
        "\r".join([msh(f"ADT^{event}", DAY.format(at)), f"EVN|{event}|{when}", "PID|1||A^^^HOSP^MR||S^A", pv1]) + "\r"
    )


def summary(visit: dict[str, Any]) -> str:
    """Status, end of the visit, and `room first-last` of each stay, `*` behind the one in use."""
    found = []
    for entry in visit.get("location", ()):
        start, end = (entry.get("period", {}).get(name, "")[14:16] for name in ("start", "end"))
        found.append(f"{entry['location']['display'][-1]} {start}-{end}{'*' if entry['status'] == 'active' else ''}")
    return " ".join([visit["status"], visit.get("period", {}).get("end", "")[14:16], ",".join(found)])


A01, A02 = told("A01", 1, "1", since="01"), told("A02", 3, "2")
STORIES = {
    "cancelled and admitted anew, into the same bed": (
        (A01, told("A11", 4, "1"), told("A01", 6, "1", since="06")),
        "in-progress  1 01-04,1 06-*",
    ),
    "cancelled by mistake, admitted as before": (
        (A01, told("A11", 4, "1"), told("A01", 6, "1", since="01")),
        "in-progress  1 01-*",
    ),
    "back in a bed of before its cancellation was ended by nobody": (
        (A01, A02, told("A02", 5, "1")),
        "in-progress  1 01-03,2 03-05,1 05-*",
    ),
    "the discharge comes after its own cancellation": (
        (A01, told("A13", 8, "1"), told("A03", 6, "1", left="06")),
        "in-progress  1 01-*",
    ),
    "everything comes after the discharge": (
        (told("A03", 9, "2", left="09"), A01, A02),
        "finished 09 1 01-03,2 03-09",
    ),
    "the end of the visit is corrected": (
        (A01, told("A03", 9, "1", left="09"), told("A08", 12, "1", left="07")),
        "finished 07 1 01-07",
    ),
    "a transfer comes after its cancellation": (
        (A01, told("A12", 5, "1"), A02),
        "in-progress  1 01-*",
    ),
    "a transfer comes again after its cancellation": (
        (A01, A02, told("A12", 5, "1"), told("A02", 3, "2")),
        "in-progress  1 01-*",
    ),
    "the bed comes behind an update without one": (
        (told("A08", 5), A01, A02),
        "in-progress  1 01-03,2 03-*",
    ),
    "a transfer comes behind a discharge without a bed": (
        (A01, told("A03", 9, left="09"), A02),
        "finished 09 1 01-03,2 03-09",
    ),
    "a cancelled transfer comes behind an update without a bed": (
        (A01, A02, told("A08", 7), told("A12", 5, "1")),
        "in-progress  1 01-*",
    ),
    "of two transfers one is cancelled, the other is late": (
        (A01, told("A02", 5, "3"), told("A12", 6, "2"), told("A02", 3, "2")),
        "in-progress  1 01-03,2 03-*",
    ),
}


@pytest.mark.parametrize("story", STORIES)
async def test_late_events_end_as_in_order(world: World, tenant: Tenant, story: str) -> None:
    messages, expected = STORIES[story]
    await feed(world, tenant, *messages)
    (visit,) = await records(world, tenant, "Encounter")
    assert summary(visit) == expected
