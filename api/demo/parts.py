"""The segments of the demonstration's messages, filled from people, visits and orders."""

from __future__ import annotations

import base64
import datetime
from dataclasses import dataclass

from api.demo.people import Doctor, Person
from api.demo.wire import FACILITY, parts, segment, stamp, text


@dataclass(frozen=True, slots=True, kw_only=True)
class Payer:
    """An operator as the hospital's system knows it: registro ANS and name."""

    ans: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A patient's coverage: the payer, the card's number and its validity."""

    payer: Payer
    number: str
    plan: str
    since: datetime.date
    until: datetime.date


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One visit; `kind` is the class of table 0004 (I, E, O), `card` None for a patient who pays."""

    number: str
    person: Person
    doctor: Doctor
    kind: str
    start: datetime.datetime
    end: datetime.datetime
    ward: tuple[str, str, str]
    diagnosis: tuple[str, str]
    card: Card | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """One billed item: TUSS table and code with its term, quantity, and the unit price in cents.

    `by` performed it (None: the visit's doctor), `modifiers` are TISS domains and codes (61 via, 48 técnica, 28 dente),
    `team` who else took part, by degree.
    """

    number: str
    table: str
    code: str
    term: str
    quantity: int
    cents: int
    on: datetime.datetime
    by: Doctor | None = None
    modifiers: tuple[tuple[str, str], ...] = ()
    team: tuple[tuple[str, Doctor], ...] = ()

    @property
    def total(self) -> int:
        """Quantity times price, in cents."""
        return self.quantity * self.cents


def evn(event: str, at: datetime.datetime) -> str:
    """EVN: when it was recorded and when it happened."""
    return segment("EVN", {1: event, 2: stamp(at), 6: stamp(at)})


def identifiers(person: Person, record: str = "") -> str:
    """PID-3: the hospital's number first, then CPF and CNS; a duplicate `record` carries no national number."""
    own = parts(record or person.record, "", "", FACILITY, "MR")
    if record:
        return own
    return "~".join((own, parts(person.cpf, "", "", "RFB", "CPF"), parts(person.cns, "", "", "MS", "CNS")))


def pid(person: Person, record: str = "") -> str:
    """PID with name, mother, birth, sex, address and telephone."""
    fields = {
        1: "1",
        3: identifiers(person, record),
        5: parts(person.family, person.given[0], " ".join(person.given[1:])),
        6: parts(person.mother.split(" ", 1)[1], person.mother.split(" ", 1)[0]),
        7: person.born.strftime("%Y%m%d"),
        8: person.gender,
        11: parts(person.street, "", person.city, person.state, person.postal, "BRA", "H"),
        13: parts("", "PRN", "CP", "", "55", person.phone[:2], person.phone[2:]),
    }
    return segment("PID", fields)


def xcn(doctor: Doctor) -> str:
    """A professional: council number, name, occupation, council, and the state in XCN-22."""
    head = (
        doctor.number,
        doctor.family,
        doctor.given,
        "",
        "",
        "Dr.",
        doctor.cbo,
        "",
        doctor.council,
        "L",
        "",
        "",
        "LN",
    )
    return parts(*head, "", "", "", "", "", "", "", "", doctor.state)


def pv1(visit: Visit, *, left: bool = False) -> str:
    """PV1; `left` adds the time and kind of discharge."""
    fields = {
        1: "1",
        2: visit.kind,
        3: parts(*visit.ward, FACILITY),
        7: xcn(visit.doctor),
        19: parts(visit.number, "", "", FACILITY, "VN"),
        36: "01" if left and visit.kind == "I" else "",
        44: stamp(visit.start),
        45: stamp(visit.end) if left else "",
    }
    return segment("PV1", fields)


def dg1(visit: Visit) -> str:
    """DG1: the diagnosis by CID-10."""
    code, words = visit.diagnosis
    return segment("DG1", {1: "1", 3: parts(code, words, "I10"), 5: stamp(visit.start), 6: "W"})


def in1(visit: Visit, card: Card) -> str:
    """IN1: plan, payer by registro ANS, card number and validity."""
    fields = {
        1: "1",
        2: parts(card.plan.upper()[:20], card.plan),
        3: parts(card.payer.ans, "", "", "ANS", "NIIP"),
        4: text(card.payer.name),
        12: card.since.strftime("%Y%m%d"),
        13: card.until.strftime("%Y%m%d"),
        16: parts(visit.person.family, visit.person.given[0]),
        17: "SEL",
        18: visit.person.born.strftime("%Y%m%d"),
        36: text(card.number),
        49: parts(card.number, "", "", card.payer.ans, "MB"),
    }
    return segment("IN1", fields)


def ft1(position: int, charge: Charge, visit: Visit) -> str:
    """FT1: one charge with TUSS code, quantity, extended and unit amount in reais."""
    fields = {
        1: str(position),
        2: charge.number,
        4: stamp(charge.on),
        5: stamp(charge.on),
        6: "CG",
        7: parts(charge.code, charge.term, f"TUSS{charge.table}"),
        10: str(charge.quantity),
        11: f"{reais(charge.total)}&BRL",
        12: f"{reais(charge.cents)}&BRL",
        20: xcn(charge.by or visit.doctor),
        21: xcn(charge.by or visit.doctor),
        26: modifiers(charge),
    }
    return segment("FT1", fields)


def modifiers(charge: Charge) -> str:
    """FT1-26: what qualifies the item, each by its TISS table."""
    return "~".join(parts(code, "", f"TUSS{table}") for table, code in charge.modifiers)


def act(charge: Charge, visit: Visit) -> list[str]:
    """PR1 and ROL below the FT1 of an act with a team: who operated, and each member with the degree (table 35)."""
    if not charge.team:
        return []
    fields = {
        1: "1",
        3: parts(charge.code, charge.term, "TUSS22"),
        5: stamp(charge.on),
        11: "" if charge.by in [member for _, member in charge.team] else xcn(charge.by or visit.doctor),
        19: parts(charge.number, FACILITY),
    }
    roles = [
        segment("ROL", {1: str(n), 2: "AD", 3: parts(degree, "", "TUSS35"), 4: xcn(member)})
        for n, (degree, member) in enumerate(charge.team, start=1)
    ]
    return [segment("PR1", fields), *roles]


def staff(position: int, one: Doctor, at: datetime.datetime) -> list[str]:
    """MFE, STF and PRA of a professional: council number, CPF and name."""
    key = parts(one.number, "", one.council)
    entry = segment("MFE", {1: "MAD", 2: str(position), 3: stamp(at), 4: key, 5: "CWE"})
    person = {1: key, 2: parts(one.cpf, "", "", "RFB", "CPF"), 3: parts(one.family, one.given), 7: "A"}
    licence = {1: key, 6: parts(one.number, one.council, one.state)}
    return [entry, segment("STF", person), segment("PRA", licence)]


def reais(cents: int) -> str:
    """Cents as the decimal text of a price."""
    return f"{cents // 100}.{cents % 100:02d}"


def orc(control: str, placer: str, filler: str, visit: Visit, at: datetime.datetime) -> str:
    """ORC: order control, numbers, time and who ordered."""
    fields = {
        1: control,
        2: parts(placer, FACILITY) if placer else "",
        3: parts(filler, "LIS") if filler else "",
        9: stamp(at),
        12: xcn(visit.doctor),
    }
    return segment("ORC", fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One ordered examination: numbers of the order, TUSS code and name, and the diagnostic service (OBR-24)."""

    placer: str
    filler: str
    code: str
    name: str
    service: str


def obr(
    position: int,
    asked: Asked,
    visit: Visit,
    at: datetime.datetime,
    status: str = "",
    *,
    reason: tuple[str, str] | None = None,
) -> str:
    """OBR of an order, or of a report when `status` (OBR-25) is given; `reason` is the CID-10 it is ordered for."""
    fields = {
        1: str(position),
        2: parts(asked.placer, FACILITY) if asked.placer else "",
        3: parts(asked.filler, "LIS") if asked.filler else "",
        4: parts(asked.code, asked.name, "TUSS22"),
        7: stamp(at) if status else "",
        16: xcn(visit.doctor),
        22: stamp(at) if status else "",
        24: asked.service,
        25: status,
        31: parts(*reason, "I10") if reason else "",
    }
    return segment("OBR", fields)


def spm(position: int, words: tuple[str, str]) -> str:
    """SPM: what was collected (code and words of table 0487)."""
    return segment("SPM", {1: str(position), 4: parts(words[0], words[1], "HL70487")})


def obx(position: int, kind: str, code: str, value: str, **more: str) -> str:
    """OBX; `value` is ready for the wire; `more` may hold unit, range, flag and at."""
    fields = {
        1: str(position),
        2: kind,
        3: code,
        5: value,
        6: text(more.get("unit", "")),
        7: text(more.get("range", "")),
        8: more.get("flag", ""),
        11: more.get("status", "F"),
        14: more.get("at", ""),
    }
    return segment("OBX", fields)


def embedded(document: bytes) -> str:
    """OBX-5 of type ED: the document in base64."""
    return parts("", "Application", "PDF", "Base64", base64.b64encode(document).decode("ascii"))


def mrg(record: str) -> str:
    """MRG: the number that is given up."""
    return segment("MRG", {1: parts(record, "", "", FACILITY, "MR")})
