"""Who writes an invented day: visits with their people and cards, charges, and messages with numbers of their own."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from api.demo.parts import Card, Charge, Payer, Visit
from api.demo.people import Person, doctors, people, rows
from api.demo.prices import Price, price_list
from api.demo.wire import Expected, Message, body, header

PATIENTS, SELF_PAYING = 54, 8
CONTROL_PREFIX = "HD"
MARGIN = datetime.timedelta(minutes=7)


@dataclass(slots=True, kw_only=True)
class Day:
    """The day's messages in the order of sending, and the facts the hub must show afterwards."""

    people: list[Person]
    visits: list[Visit] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    charges: dict[str, list[Charge]] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)
    merged: dict[str, str] = field(default_factory=dict)
    orders: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)
    documents: int = 0
    booked: int = 0
    operated: list[str] = field(default_factory=list)
    referred: list[str] = field(default_factory=list)

    def billed(self, payer: str) -> int:
        """What the day's charges for one payer (registro ANS) add up to, in cents."""
        cards = {v.number: v.card.payer.ans for v in self.visits if v.card}
        return sum(c.total for number, found in self.charges.items() for c in found if cards.get(number) == payer)


class Writer:
    """Writes the messages of visits; holds the counters that make numbers unique."""

    def __init__(self, seed: int, today: datetime.date, payers: Sequence[Payer]) -> None:
        self.chance = Random(seed)  # noqa: S311  (invents data, guards nothing)
        self.today = today
        self.payers = payers
        self.prices = price_list(today)
        self.doctors = doctors()
        self.day = Day(people=people(self.chance, PATIENTS, today))
        self._counts: dict[str, int] = {}

    def number(self, kind: str, start: int) -> str:
        """The next number of a kind."""
        self._counts[kind] = self._counts.get(kind, start) + 1
        return str(self._counts[kind])

    def send(self, lane: str, kind: str, at: datetime.datetime, segments: Sequence[str], **more: str) -> Message:
        """Append one message; `more` may name sender and codec."""
        sender, codec = more.get("sender", "HIS"), more.get("codec", "utf-8")
        control = f"{CONTROL_PREFIX}{self.number('control', 100_000)}"
        payload = body([header(kind, control, at, sender=sender, codec=codec), *segments], codec)
        event = "^".join(kind.split("^")[:2])
        message = Message(lane=lane, control_id=control, type=event, payload=payload, expected=Expected())
        self.day.messages.append(message)
        return message

    def visit(self, kind: str, *, insured: bool = True, days_ago: int = 0) -> Visit:
        """A new visit of the next insured patient, or of one who pays; patients come again when all have come."""
        person = self.next_person(insured=insured)
        start = self.at(days_ago=days_ago)
        ward = self.chance.choice([r for r in rows("wards") if r["class"] == kind])
        illness = self.chance.choice(rows("diagnoses"))
        visit = Visit(
            number=self.number("visit", 2_600_000),
            person=person,
            doctor=self.chance.choice(self.doctors),
            kind=kind,
            start=start,
            end=start + datetime.timedelta(days=days_ago, minutes=self.chance.randrange(60, 240)),
            ward=(ward["ward"], ward["room"], ward["bed"]),
            diagnosis=(illness["code"], illness["text"]),
            card=self.card(person) if insured else None,
        )
        self.day.visits.append(visit)
        return visit

    def next_person(self, *, insured: bool) -> Person:
        """The last SELF_PAYING people have no card, the others come round and round."""
        if insured:
            return self.day.people[int(self.number("insured", -1)) % (PATIENTS - SELF_PAYING)]
        return self.day.people[PATIENTS - SELF_PAYING + int(self.number("paying", -1)) % SELF_PAYING]

    def at(self, *, days_ago: int = 0) -> datetime.datetime:
        """Some minute of the working day."""
        morning = datetime.datetime.combine(self.today - datetime.timedelta(days=days_ago), datetime.time(7))
        return morning + datetime.timedelta(minutes=self.chance.randrange(0, 600))

    def card(self, person: Person) -> Card:
        """The patient's one card: it stays the same over all visits."""
        own = int(person.record)
        payer = self.payers[own % len(self.payers)]
        return Card(
            payer=payer,
            number=f"{own * 7_919:012d}",
            plan=("Enfermaria Nacional", "Apartamento Pleno")[own % 2],
            since=datetime.date(self.today.year - 2, 1, 1),
            until=datetime.date(self.today.year + 1, 12, 31),
        )

    def charge(self, visit: Visit, price: Price, quantity: int = 1, **more: Any) -> None:
        """One more item on the visit's bill; `more` may name by, modifiers and team."""
        item = Charge(
            number=self.number("charge", 8_800_000),
            table=price.table,
            code=price.code,
            term=price.term,
            quantity=quantity,
            cents=price.cents,
            on=visit.start + MARGIN,
            **more,
        )
        self.day.charges.setdefault(visit.number, []).append(item)
