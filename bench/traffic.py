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

_ID = "@CONTROL@"
_PATIENT = "@PATIENT@"


def admission(control: str, patient: str) -> bytes:
    """An ADT^A01 of about 1.3 kB."""
    return _ADT.replace(_ID, control).replace(_PATIENT, patient).encode("utf-8")


def moved(control: str, patient: str, bed: int) -> bytes:
    """The same admission told again with another bed (A08)."""
    text = _ADT.replace(_ID, control).replace(_PATIENT, patient).replace("^201^A^", f"^201^{bed}^")
    return text.replace("ADT^A01^", "ADT^A08^").replace("EVN|A01", "EVN|A08").encode("utf-8")


def laboratory(control: str, patient: str) -> bytes:
    """An ORU^R01 of about 5.8 kB with 40 numeric results."""
    head = _ORU.replace(_ID, control).replace(_PATIENT, patient)
    lines = [
        f"OBX|{n}|NM|{1000 + n}-{n % 10}^Analito de teste número {n:02d}^LN^LAB{n:03d}^Analito {n:02d}^L||"
        f"{n * 1.37:.2f}|mg/dL^miligrama^UCUM|{n}.0-{n * 2}.0|N|||F|||20261122081500"
        for n in range(1, 41)
    ]
    return (head + "\r".join(lines) + "\r").encode("utf-8")


_ADT = (
    "MSH|^~\\&|HIS|HOSPITAL|PONTE|HUB|20261122080000||ADT^A01^ADT_A01|@CONTROL@|P|2.5|||||BRA|UNICODE UTF-8\r"
    "EVN|A01|20261122080000||||20261122075500\r"
    "PID|1||@PATIENT@^^^HOSPITAL^MR||Conceição^Ana^Maria^^Sra.||19800229|F|||Rua da Consolação, 1402^apto 71^São Paulo"
    "^SP^01302-001^BRA^H~Avenida Água Funda, 12^^São Paulo^SP^04301-000^BRA^B||^PRN^CP^^55^11^912345678|"
    "^WPN^PH^^55^11^33445566||M||900100@PATIENT@^^^HOSPITAL^AN|||||São Paulo^^^SP\r"
    "PD1||||148201^Nóbrega^Antônio^^^Dr.^^^CRM^L^^^LN\r"
    "NK1|1|Conceição^José|SPO^Cônjuge^HL70063|Rua da Consolação, 1402^apto 71^São Paulo^SP^01302-001^BRA|"
    "^PRN^CP^^55^11^998877665\r"
    "PV1|1|I|CLINICA MEDICA^201^A^HOSPITAL||||148201^Nóbrega^Antônio^^^Dr.^^^CRM^L^^^LN|||MED||||1|||"
    "148201^Nóbrega^Antônio^^^Dr.^^^CRM^L^^^LN|I|V@PATIENT@^^^HOSPITAL^VN|||||||||||||||||||||||||20261122075500\r"
    "PV2|||J18^Pneumonia^I10\r"
    "DG1|1||J189^Pneumonia não especificada^I10||20261122075500|A\r"
    "AL1|1|DA|70618^Penicilina^L|MO|Exantema|20190312\r"
    "AL1|2|FA|3718001^Leite de vaca^SCT|MI|Desconforto abdominal depois das refeições|20150101\r"
    "DG1|2||I10^Hipertensão essencial primária^I10||20190101|W\r"
    "IN1|1|APTO^Apartamento Pleno|999814^^^ANS^NIIP|Operadora de Teste||||||||20240101|20271231|||Conceição^Ana|SEL|"
    "19800229||||||||||||||||||005543307919\r"
)
_ORU = (
    "MSH|^~\\&|LIS|HOSPITAL|PONTE|HUB|20261122090000||ORU^R01^ORU_R01|@CONTROL@|P|2.5|||||BRA|UNICODE UTF-8\r"
    "PID|1||@PATIENT@^^^HOSPITAL^MR||Conceição^Ana^Maria||19800229|F\r"
    "PV1|1|I|CLINICA MEDICA^201^A||||148201^Nóbrega^Antônio^^^Dr.^^^CRM^L^^^LN||||||||||||V@PATIENT@^^^HOSPITAL^VN\r"
    "OBR|1|P@CONTROL@^HOSPITAL|F@CONTROL@^LIS|40304361^Painel de quarenta analitos^TUSS22|||20261122080000||||||||"
    "148201^Nóbrega^Antônio^^^Dr.^^^CRM^L^^^LN||||||20261122090000||LAB|F\r"
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
