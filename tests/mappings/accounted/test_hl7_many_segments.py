"""A message of very many segments, repetitions or groups takes time in proportion to them, whatever they are."""

from __future__ import annotations

import gc
import time

import pytest

from hl7 import er7
from hl7.er7 import Message
from mappings.reading.engine import translate

HEAD = "MSH|^~\\&|A|B|C|D|20261122||{}|1|P|2.5.1\rPID|1||7^^^H^MR||A^B\r"
ORU = HEAD.format("ORU^R01") + "OBR|1|P|F|X^x^L|||20261122|||||||||||||||20261122|||F\r"
ADT = HEAD.format("ADT^A01") + "PV1|1|I\r"
DFT = HEAD.format("DFT^P03") + "PV1|1|I\r"
ORM = HEAD.format("ORM^O01")
KINDS = {
    "lines": (ORU, "OBX|1|TX|A^a^L||line||||||F\r"),
    "line-ends": (ORU + "OBX|1|TX|A^a^L||line\r", "line of text\r"),
    "addenda": (ORU + "OBX|1|TX|A^a^L||line\r", "ADD|line of text\r"),
    "reports": (ORU, "OBR|1|P{n}|F{n}|X^x^L|||20261122|||||||||||||||20261122|||F\r"),
    "susceptibilities": (
        ORU + "OBX|1|CWE|O^o^L|1|E^e||||||F\r",
        "OBR|1||S{n}|S^s^L|||||||||||||||||||||F|O^1|||P^F\rOBX|1|ST|A^a^L||S||||||F\r",
    ),
    "foreign": (ORU + "OBX|1|NM|A^a^L||1||||||F\r", "ZZZ|1|x\r"),
    "results-and-foreign": (ORU, "OBX|{n}|NM|A{n}^a^L||1||||||F\rZZZ|1|x\r"),
    "diagnoses": (ADT, "DG1|{n}||I{n}\r"),
    "charges": (DFT, "FT1|{n}|T||20261122||CG|S{n}^s^L\r"),
    "charges-of-their-own": (DFT, "FT1|{n}|T{n}||20261122||CG|S^s^L\r"),
    "people": (ADT, "ROL|1|AD|AT|{n}^L^R\r"),
    "orders-of-a-group": (
        ORM + "ORC|PA|G\rOBR|1|G||X^x^L\r",
        "ORC|CH|P{n}\rOBR|1|P{n}||X^x^L|||||||||||||||||||||||||G\r",
    ),
    "patients": (ORU, "PID|1||{n}^^^H^MR||A^B\r"),
    "doctors-of-a-field": (HEAD.format("ADT^A01") + "PV1|1|I|||||1^L^R", "~{n}^L{n}^R"),
    "numbers-of-a-patient": (HEAD.format("ADT^A01")[: -len("||A^B\r")], "~{n}^^^H^MR"),
    "addresses-of-a-patient": (HEAD.format("ADT^A01")[:-1] + "||||||R 1^^S^SP", "~R {n}^^S^SP"),
    "plans-of-an-insurance": (ADT + "IN1|1|P^Plano", "~P{n}^Plano"),
    "numbers-of-a-device": (ORU + "OBX|1|NM|A^a^L||1||||||F|||||||GEM", "~N{n}"),
    "beds-of-a-field": (HEAD.format("ADT^A01") + "PV1|1|I|U^1", "~U^{n}"),
    "lost-repetitions": (HEAD.format("ADT^A01") + "PV1|1|I|||||1^L^R", "~{n}^L{n}^R~^^^^^^MD{n}"),
    "groups-of-an-rtf": (ORU + "OBX|1|TX|A^a^L||{\\E\\rtf1 ", "{{\\E\\b bold}}" * 8),
}


def seconds(kind: str, count: int) -> float:
    """Processor time for reading and translating a message with `count` of these segments."""
    head, line = KINDS[kind]
    raw = (head + "".join(line.format(n=n) for n in range(count))).encode()
    gc.disable()  # as good as in a worker; the collector's own time grows faster
    try:
        start = time.process_time()
        message = er7.read(raw)
        assert isinstance(message, Message)
        translation = translate(message, zone="UTC")
        took = time.process_time() - start
    finally:
        gc.enable()
    counts = translation.account.counts()
    assert counts["total"] == len(message.segments) == sum(counts[n] for n in ("mapped", "ignored", "unmapped"))
    return took


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_time_grows_with_the_segments(kind: str) -> None:
    """Five times the segments may take eleven times as long; what looks at all of them for each takes twenty-five."""
    seconds(kind, 100)
    few = min(seconds(kind, 1000) for _ in range(3))
    many = [seconds(kind, 5000)]
    while many[-1] >= 11 * max(few, 0.02) and len(many) < 3:  # what other processes take of the caches
        many.append(seconds(kind, 5000))
    assert min(many) < 11 * max(few, 0.02), f"{few:.2f} s and {many} s"
