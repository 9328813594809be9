"""Messages with faults real lines show, each with the outcome it must have: the answer, the status, the finding."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable

from api.demo import parts as p
from api.demo.people import Person
from api.demo.wire import FACILITY, Expected, Message, body, header, parts, segment, stamp
from hl7.mllp import frame

OLD_NAME = "Sobrenome Antigo"
Fault = Callable[["Bench"], list[Message]]


@dataclasses.dataclass(slots=True)
class Bench:
    """Where faulty messages are made: people of their own, so that their faults touch nobody else."""

    people: list[Person]
    now: datetime.datetime
    made: int = 0

    def person(self) -> Person:
        """The next person of the faults."""
        return self.people[self.made % len(self.people)]

    def control(self) -> str:
        """The next control id."""
        self.made += 1
        return f"FX{self.made:05d}"

    def lines(self, control: str, kind: str = "ADT^A04^ADT_A01", **changes: str) -> list[str]:
        """A sound registration; `changes` replace whole segments by name."""
        person = self.people[(self.made - 1) % len(self.people)]
        event = kind.split("^")[1] if "^" in kind else ""
        visit = {1: "1", 2: "O", 19: parts(f"9{self.made:06d}", "", "", FACILITY, "VN"), 44: stamp(self.now)}
        found = {
            "MSH": header(kind, control, self.now),
            "EVN": p.evn(event, self.now),
            "PID": p.pid(person),
            "PV1": segment("PV1", visit),
        }
        found.update(changes)
        return list(found.values())


def renumber(people: list[Person]) -> list[Person]:
    """The same people under record numbers of their own."""
    return [dataclasses.replace(person, record=f"{780_001 + n}") for n, person in enumerate(people)]


def make(people: list[Person], now: datetime.datetime) -> list[Message]:
    """All faulty messages, in the order they are sent, over one connection."""
    bench = Bench(people, now)
    return [message for fault in FAULTS for message in fault(bench)]


def _message(control: str, payload: bytes, expected: Expected, shows: str, **more: object) -> Message:
    made = Message(lane="faults", control_id=control, type="ADT^A04", payload=payload, expected=expected, shows=shows)
    return dataclasses.replace(made, **more)  # type: ignore[arg-type]  # fields of Message


def _header_fault(number: int, value: str, expected: Expected, shows: str) -> Fault:
    """A field of MSH replaced: MSH-1 is the separator itself, so field n is item n - 1 of the split line."""

    def fault(b: Bench) -> list[Message]:
        control = b.control()
        lines = b.lines(control)
        fields = lines[0].split("|")
        fields[number - 1] = value
        known = "" if number == 10 else control
        return [_message(known, body(["|".join(fields), *lines[1:]]), expected, shows)]

    return fault


def _segment_fault(name: str, change: Callable[[str], str], expected: Expected, shows: str) -> Fault:
    def fault(b: Bench) -> list[Message]:
        control = b.control()
        lines = [change(line) if line.startswith(name) else line for line in b.lines(control)]
        return [_message(control, body(lines), expected, shows)]

    return fault


def _raw_fault(change: Callable[[bytes], bytes], expected: Expected, shows: str, *, known: bool = True) -> Fault:
    def fault(b: Bench) -> list[Message]:
        control = b.control()
        return [_message(control if known else "", change(body(b.lines(control))), expected, shows)]

    return fault


def _field(number: int, value: str) -> Callable[[str], str]:
    def change(line: str) -> str:
        fields = line.split("|")
        fields += [""] * (number + 1 - len(fields))
        fields[number] = value
        return "|".join(fields)

    return change


def _resent(b: Bench) -> list[Message]:
    """The answer was lost: the same bytes come again and change nothing."""
    control = b.control()
    payload = body(b.lines(control))
    first = _message(control, payload, Expected(), "")
    return [first, dataclasses.replace(first, twin=True, shows="duplicate: the same bytes again")]


def _reused(b: Bench) -> list[Message]:
    """A control id used twice for different messages: both are kept, the second is marked."""
    control = b.control()
    first = _message(control, body(b.lines(control)), Expected(), "")
    other = _field(13, parts("", "PRN", "CP", "", "55", "11", "912345678"))
    lines = [other(line) if line.startswith("PID") else line for line in b.lines(control)]
    return [first, dataclasses.replace(first, payload=body(lines), shows="conflict: control id used again")]


def _late(b: Bench) -> list[Message]:
    """An update from yesterday arrives after today's: it may not undo what is newer."""
    control = b.control()
    person = b.people[(b.made - 1) % len(b.people)]
    first = _message(control, body(b.lines(control)), Expected(), "")
    old = b.now - datetime.timedelta(days=1)
    second = f"{control}L"
    aged = dataclasses.replace(person, family=OLD_NAME)
    lines = [header("ADT^A08^ADT_A01", second, b.now), p.evn("A08", old), p.pid(aged)]
    return [
        first,
        _message(second, body(lines), Expected(), "out of order: an older event after a newer", type="ADT^A08"),
    ]


def _unknown_visit(b: Bench) -> list[Message]:
    """A cancellation of a visit nobody announced creates nothing and is reported."""
    control = b.control()
    lines = b.lines(
        control, "ADT^A11^ADT_A09", PV1=segment("PV1", {1: "1", 2: "O", 19: parts("404404", "", "", FACILITY)})
    )
    expected = Expected(problem="semantic.unknown-record")
    return [_message(control, body(lines), expected, "cancellation of an unknown visit", type="ADT^A11")]


def _merge_first(b: Bench) -> list[Message]:
    """The merge arrives before the record it gives up; the late registration must land on the survivor."""
    control = b.control()
    person = b.people[(b.made - 1) % len(b.people)]
    loser = "799999"
    merge = [header("ADT^A40^ADT_A39", control, b.now), p.evn("A40", b.now), p.pid(person), p.mrg(loser)]
    late = f"{control}L"
    lines = b.lines(late, PID=p.pid(person, loser))
    return [
        _message(control, body(merge), Expected(), "merge before the record it ends", type="ADT^A40"),
        _message(late, body(lines), Expected(), "late registration of a merged number"),
    ]


def _cut(b: Bench) -> list[Message]:
    """A new frame begins before the first has ended: the first gets no answer and is kept, the second is sound."""
    control = b.control()
    payload = body(b.lines(control))
    half = payload[: len(payload) // 2]
    whole = _message(control, payload, Expected(), "", framed=b"\x0b" + half + frame(payload))
    return [whole, _message("", half, Expected(ack="", status="ERROR", problem="er7.cut"), "frame cut in the middle")]


_WRONG_CPF = "~".join((parts("799001", "", "", FACILITY, "MR"), parts("12345678900", "", "", "RFB", "CPF")))
_LATIN = "declares UTF-8, sends Latin-1"
_HTTP = b"GET / HTTP/1.1\r\nHost: hub\r\n"


def _noted(problem: str) -> Expected:
    """Taken and worked, with a finding."""
    return Expected(problem=problem)


def _bad(problem: str) -> Expected:
    """Kept, not taken: the sender must repair it."""
    return Expected(ack="AE", status="ERROR", problem=problem)


def _rejected(problem: str) -> Expected:
    """Kept, ruled out by its header."""
    return Expected(ack="AR", status="ERROR", problem=problem)


FAULTS: tuple[Fault, ...] = (
    _raw_fault(lambda raw: raw.decode().encode("latin-1"), _noted("charset.lies"), _LATIN),
    _raw_fault(lambda raw: raw.replace(b"BRA^H", b"\x81\x8d^H"), _bad("charset.undecodable"), "bytes of no charset"),
    _raw_fault(lambda raw: raw.replace(b"|O|", b"|O\x00|"), _bad("charset.nul"), "a NUL byte"),
    _header_fault(18, "UNICODE UTF-16", _bad("charset.unsupported"), "UTF-16 declared"),
    _segment_fault("PID", _field(3, _WRONG_CPF), _noted("identifier.cpf"), "wrong CPF"),
    _segment_fault("PID", _field(8, "9"), _noted("code.unmapped"), "unknown code of sex"),
    _segment_fault("PID", _field(7, "31022001"), _noted("field.date"), "impossible birth date"),
    _segment_fault(
        "PV1", lambda s: s + "\rZHD|1|uso interno", _noted("structure.segment-unmapped"), "a segment nobody knows"
    ),
    _segment_fault("PID", _field(3, ""), _bad("structure.required"), "no patient number"),
    _header_fault(9, "CRM^C01^CRM_C01", _rejected("type.unmapped"), "a type without mapping"),
    _header_fault(10, "", _bad("structure.required"), "no control id"),
    _header_fault(12, "3.0", _rejected("version.unsupported"), "version 3.0"),
    _header_fault(11, "X", _rejected("processing.unknown"), "unknown processing id"),
    _raw_fault(lambda raw: raw[: raw.index(b"PV1|") + 2], _bad("er7.segment"), "truncated in a segment's name"),
    _raw_fault(lambda raw: b"", _bad("er7.empty"), "an empty frame", known=False),
    _raw_fault(lambda raw: _HTTP, _bad("er7.no-header"), "not HL7 at all", known=False),
    _raw_fault(lambda raw: raw + raw, _bad("er7.second-header"), "two messages in one frame"),
    _raw_fault(lambda raw: raw.replace(b"\r", b"\r\n"), _noted("er7.line-feed"), "lines end with CR LF"),
    _resent,
    _reused,
    _late,
    _unknown_visit,
    _merge_first,
    _cut,
)
