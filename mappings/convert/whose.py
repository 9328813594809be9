"""Whether a message says whose it is: by a number of the patient, or at least by a name (2.5.1 §3.4.2)."""

from __future__ import annotations

from hl7.er7 import Segment
from mappings.convert.misplaced.plausible import says_no_number


def named(patient: Segment) -> bool:
    """Whether a PID names somebody: by a number in PID-3 (or PID-2 or PID-4, as up to 2.3), or by a name."""
    return identified(patient) or bool(patient.text(5) or patient.text(5, 2))


def identified(patient: Segment) -> bool:
    """Whether PID has a number in PID-3, or in PID-2 or PID-4 as senders up to 2.3 do; "desconhecido" is none."""
    first = patient.text(3)  # as a rule: a door asks this of every message
    if first and not says_no_number(first):
        return True
    numbers = (patient.text(n, repetition=r) for n in (3, 2, 4) for r in range(len(patient.repetitions(n))))
    return any(not says_no_number(number) for number in numbers)
