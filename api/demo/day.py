"""A day of a hospital as HL7 v2 messages: people arrive, are examined, operated, billed, and leave.

Everything follows from the seed and the date, so the same call gives the same bytes.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence

from api.demo import acts, stories
from api.demo.parts import Payer
from api.demo.writer import Day, Writer

CONSULTATIONS, EXAMINATIONS, EMERGENCIES, ADMISSIONS, CANCELLED, DUPLICATES, BOOKED = 32, 22, 10, 8, 3, 3, 22
OPERATIONS, TREATMENTS, REFERRALS = 6, 8, 6


def make(seed: int, today: datetime.date, payers: Sequence[Payer]) -> Day:
    """The day of `today`; messages of one patient keep their order, patients are mixed as on a real line."""
    writer = Writer(seed, today, payers)
    plan: list[tuple[Callable[[Writer], None], int]] = [
        (stories.consultation, CONSULTATIONS),
        (stories.examination, EXAMINATIONS),
        (stories.emergency, EMERGENCIES),
        (stories.admission, ADMISSIONS),
        (stories.cancelled, CANCELLED),
        (stories.duplicate, DUPLICATES),
        (stories.booked, BOOKED),
        (acts.staff, 1),
        (acts.operation, OPERATIONS),
        (acts.treatment, TREATMENTS),
        (stories.referral, REFERRALS),
    ]
    for story, times in plan:
        for _ in range(times):
            story(writer)
    return writer.day
