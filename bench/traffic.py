"""The messages benchmarks send, and the client that sends them from a process of its own.

Run as `python -m bench.traffic HOST PORT CONNECTIONS SECONDS TAG`: each connection waits for every answer; one JSON
object with what was acknowledged, whether every answer named the message before it, and the seconds of processor time
this took, is printed.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time

from bench import invented

_ID = "@CONTROL@"


def admission(control: str, patient: str, bed: str = "") -> bytes:
    """An ADT^A01 of about 1.3 kB; with another `bed`, the same admission told again (A08)."""
    of = invented.patient(patient)
    event, place = ("A08", f"{of.place.rpartition('^')[0]}^{bed}") if bed else ("A01", of.place)
    work = f"^WPN^PH^^55^11^3344{of.draw % 9000 + 1000}"
    return (
        f"MSH|^~\\&|HIS|HOSPITAL|PONTE|HUB|20261122080000||ADT^{event}^ADT_A01|{control}|P|2.5|||||BRA|UNICODE UTF-8\r"
        f"EVN|{event}|20261122080000||||20261122075500\r"
        f"PID|1||{patient}^^^HOSPITAL^MR||{of.name}^^Sra.||{of.birth}|F|||{of.address}^H~Avenida Água Funda, "
        f"{of.draw % 99 + 1}^^São Paulo^SP^04301-000^BRA^B||^PRN^CP{of.phone}|{work}"
        f"||M||900100{patient}^^^HOSPITAL^AN|||||São Paulo^^^SP\r"
        f"PD1||||{invented.doctor(of.draw >> 8)}\r"
        f"NK1|1|{of.relative}|SPO^Cônjuge^HL70063|{of.address}|^PRN^CP{of.phone}\r"
        f"PV1|1|I|{place}^HOSPITAL||||{of.doctor}|||MED||||1|||{of.doctor}|I|V{patient}^^^HOSPITAL^VN"
        f"|||||||||||||||||||||||||20261122075500\r"
        f"PV2|||{of.diagnoses[0]}^I10\r"
        f"DG1|1||{of.diagnoses[0]}^I10||20261122075500|A\r"
        f"AL1|1|{of.allergies[0]}|20190312\r"
        f"AL1|2|{of.allergies[1]}|20150101\r"
        f"DG1|2||{of.diagnoses[1]}^I10||20190101|W\r"
        f"IN1|1|{of.plan}|999814^^^ANS^NIIP|Operadora de Teste||||||||20240101|20271231|||{of.name.rpartition('^')[0]}"
        f"|SEL|{of.birth}||||||||||||||||||{of.card}\r"
    ).encode()


def moved(control: str, patient: str, bed: int) -> bytes:
    """The same admission told again with another bed (A08)."""
    return admission(control, patient, str(bed))


def laboratory(control: str, patient: str) -> bytes:
    """An ORU^R01 of about 5.8 kB with 40 numeric results."""
    of = invented.patient(patient)
    head = (
        f"MSH|^~\\&|LIS|HOSPITAL|PONTE|HUB|20261122090000||ORU^R01^ORU_R01|{control}|P|2.5|||||BRA|UNICODE UTF-8\r"
        f"PID|1||{patient}^^^HOSPITAL^MR||{of.name}||{of.birth}|F\r"
        f"PV1|1|I|{of.place}||||{of.doctor}||||||||||||V{patient}^^^HOSPITAL^VN\r"
        f"OBR|1|P{control}^HOSPITAL|F{control}^LIS|40304361^Painel de quarenta analitos^TUSS22|||20261122080000"
        f"|||||||||{invented.doctor(of.draw >> 8)}||||||20261122090000||LAB|F\r"
    )
    lines = [_result(n, (of.draw >> n % 16) % 100) for n in range(1, 41)]
    return (head + "\r".join(lines) + "\r").encode()


def _result(number: int, draw: int) -> str:
    """A result between half and two and a half times the lower limit; below or above its range it says so."""
    value = number * (0.5 + draw / 50)
    flag = "L" if value < number else "H" if value > number * 2 else "N"
    return (
        f"OBX|{number}|NM|{1000 + number}-{number % 10}^Analito de teste número {number:02d}^LN^LAB{number:03d}"
        f"^Analito {number:02d}^L||{value:.2f}|mg/dL^miligrama^UCUM|{number}.0-{number * 2}.0|{flag}|||F"
        f"|||20261122081500"
    )


class _Talker:
    """One connection: sends, waits for the answer, checks that it names the message, sends the next."""

    def __init__(self, place: tuple[str, int], name: str) -> None:
        self.name = name
        self.count = 0
        self.wrong = 0
        self.open = True
        self.socket = socket.create_connection(place)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""
        self._wanted = b""
        head, self._tail = admission(_ID, name).split(_ID.encode())
        self._head, self._tail = b"\x0b" + head, self._tail + b"\x1c\r"

    def say(self) -> None:
        """Send the next message."""
        control = b"%s-%07d" % (self.name.encode(), self.count)
        self._wanted = b"MSA|AA|" + control + b"\r"
        self.socket.sendall(self._head + control + self._tail)

    def hear(self, until: float) -> None:
        """Read what has come; a whole answer is checked, and the next message sent unless the time is over."""
        data = self.socket.recv(65536)
        self._buffer += data
        if data and not self._buffer.endswith(b"\x1c\r"):
            return
        self.open = bool(data) and time.perf_counter() < until
        if data:
            self.wrong += self._wanted not in self._buffer
            self.count += 1
            self._buffer = b""
        if self.open:
            self.say()
        else:
            self.socket.close()


def _talk(place: tuple[str, int], connections: int, seconds: float, tag: str) -> dict[str, float]:
    """Plain sockets, which cost a message a third of what an event loop does: client and door share the cores.

    A lone connection waits in its socket, several in one poll.
    """
    talkers = [_Talker(place, f"{tag}{n:03d}") for n in range(connections)]
    start, worked = time.perf_counter(), time.process_time()
    for talker in talkers:
        talker.say()
    if connections == 1:
        while talkers[0].open:
            talkers[0].hear(start + seconds)
    else:
        _take_turns(talkers, start + seconds)
    took = time.perf_counter() - start
    counts = {"acked": sum(t.count for t in talkers), "wrong": sum(t.wrong for t in talkers)}
    return {**counts, "seconds": took, "cpu": time.process_time() - worked}


def _take_turns(talkers: list[_Talker], until: float) -> None:
    by_number = {talker.socket.fileno(): talker for talker in talkers}
    poll = select.poll()
    for number in by_number:
        poll.register(number, select.POLLIN)
    while by_number:
        for number, _ in poll.poll():
            by_number[number].hear(until)
            if not by_number[number].open:
                poll.unregister(number)
                del by_number[number]


if __name__ == "__main__":
    given = sys.argv[1:]
    print(json.dumps(_talk((given[0], int(given[1])), int(given[2]), float(given[3]), given[4])))
