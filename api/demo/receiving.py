"""The first steps: the day comes in over MLLP, and what became of every message is held against what must."""

from __future__ import annotations

import asyncio
import json
import time

from api.demo import feed
from api.demo.step import Step
from api.demo.trial import Trial
from api.demo.wire import Message
from canonical.identity import bytes_number
from hub.operate.books import figures

CONNECTIONS = 8
WORK_SECONDS = 60
CHANNEL = "his-mllp"


async def receive(trial: Trial, step: Step) -> None:
    """Send everything; each answer must be the right one for its message."""
    messages = trial.day.messages
    total = len(messages) + sum(bool(m.expected.ack) for m in trial.faults)
    advance, count = trial.screen.bar("MLLP", total), 0

    def told(_sent: feed.Sent) -> None:
        nonlocal count
        count += 1
        advance(count)

    start = time.perf_counter()
    day, faulty = await asyncio.gather(
        feed.send(trial.mllp, messages, CONNECTIONS, told), feed.send(trial.mllp, trial.faults, 1, told)
    )
    seconds = time.perf_counter() - start
    step.same("messages", len(messages), sum(_right(sent) for sent in day))
    step.at_least("sound and faulty messages", 400, len(day) + len(faulty))
    step.at_least("faulty messages", 20, sum(bool(m.shows) for m in trial.faults))
    step.same("answers to faulty messages", len(faulty), sum(_right(sent) for sent in faulty))
    for sent in faulty:
        step.true(f"answer to: {sent.message.shows or 'its sound companion'}", _right(sent))
    waits = [sent.seconds * 1000 for sent in day]
    step.figures["connections"] = CONNECTIONS
    step.figures["messages per second"] = round(total / seconds)
    step.figures["answer ms, median"] = round(feed.percentile(waits, 0.5), 1)
    step.figures["answer ms, 99 %"] = round(feed.percentile(waits, 0.99), 1)


def _right(sent: feed.Sent) -> bool:
    """The expected code, and the control id of the message where it could be read."""
    expected = sent.message.expected.ack
    return sent.code == expected and (expected != "AA" or sent.control_id == sent.message.control_id)


async def translate(trial: Trial, step: Step) -> None:
    """Wait for the lanes to empty, then hold every message and record against the day."""
    await _worked(trial)
    async with trial.world.transaction(trial.tenant) as tx:
        messages = trial.day.messages
        ids = [message.control_id for message in messages]
        copies = await figures.received_copies(tx, CHANNEL, ids)
        step.same("kept exactly once", len(ids), sum(copies.get(control) == 1 for control in ids))
        step.same("patients whose messages kept their order", *_orders(messages, await figures.arrivals(tx, CHANNEL)))
        keys = [bytes_number(message.payload) for message in [*trial.day.messages, *trial.faults]]
        outcomes = await figures.outcomes(tx, keys)
        done = [outcomes.get(bytes_number(m.payload)) for m in trial.day.messages]
        step.same("translated", len(ids), sum(found is not None and found[0] == "TRANSFORMED" for found in done))
        _faults(trial.faults, outcomes, step)
    await _records(trial, step)


def _orders(messages: list[Message], arrived: list[str]) -> tuple[int, int]:
    """How many lanes were sent, and how many of them were stored in the order of sending."""
    place = {control: number for number, control in enumerate(arrived)}
    lanes: dict[str, list[int]] = {}
    for message in messages:
        lanes.setdefault(message.lane, []).append(place.get(message.control_id, -1))
    return len(lanes), sum(found == sorted(found) and found[0] >= 0 for found in lanes.values())


async def _worked(trial: Trial) -> None:
    """Until nothing waits in an inbound lane."""
    deadline = time.monotonic() + WORK_SECONDS
    total = len(trial.day.messages)
    advance = trial.screen.bar("lanes", total)
    while time.monotonic() < deadline:
        async with trial.world.transaction(trial.tenant) as tx:
            left = (await figures.waiting(tx)).get("inbound", 0)
        advance(max(0, total - left))
        if not left:
            return
        await asyncio.sleep(0.1)


def _faults(faults: list[Message], outcomes: dict[int, tuple[str, str, int, bool]], step: Step) -> None:
    """Each faulty message has the status and the finding it must have."""
    right = 0
    for message in faults:
        status, problems, receipts, conflict = outcomes.get(bytes_number(message.payload), ("missing", "[]", 0, False))
        codes = {problem["code"] for problem in json.loads(problems)}
        expected = message.expected
        held = status == expected.status and (not expected.problem or expected.problem in codes)
        held = held and (not message.twin or receipts == 2) and (not message.shows.startswith("conflict") or conflict)
        right += held
        step.true(f"{message.shows or 'a sound one'}: {expected.status} {expected.problem}", held)
    step.same("faulty messages with the outcome they must have", len(faults), right)


async def _records(trial: Trial, step: Step) -> None:
    day = trial.day
    visits = [visit.number for visit in day.visits]
    charges = [charge for found in day.charges.values() for charge in found]
    async with trial.world.transaction(trial.tenant) as tx:
        encounters = await figures.encounters_of(tx, visits)
        step.same("visits finished", len(visits) - len(day.cancelled), encounters.get("finished", 0))
        step.same("visits cancelled", len(day.cancelled), encounters.get("cancelled", 0))
        count, cents = await figures.charged(tx)
        step.same("charges", len(charges), count)
        step.same("charged, cents", sum(charge.total for charge in charges), cents)
        step.same("merged patients", len(day.merged) + 1, await figures.links(tx))  # one more among the faults
        counts = await figures.record_counts(tx)
        unmapped = await figures.segments(tx)
    step.at_least("patients", 40, counts.get("Patient", 0))
    step.at_least("encounters", 60, counts.get("Encounter", 0))
    step.same("appointments", day.booked, counts.get("Appointment", 0))
    step.same("segments accounted for", unmapped["total"], sum(unmapped[n] for n in ("mapped", "ignored", "unmapped")))
    step.figures["segments unmapped"] = unmapped["unmapped"]
    step.figures["records"] = dict(sorted(counts.items()))
