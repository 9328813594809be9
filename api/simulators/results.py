"""Invented laboratory results: numbers, a text and a small PDF for each order, the same for the same order."""

from __future__ import annotations

import base64
import datetime
import hashlib
import secrets
from dataclasses import dataclass

from hl7 import er7
from hl7.er7 import Message, Segment
from hl7.writer import SegmentWriter, write

# Name, LOINC, unit, low, high, decimals: a haemogram and three chemistry values.
ANALYTES = (
    ("Hemoglobina", "718-7", "g/dL", 12.0, 16.0, 1),
    ("Leucócitos", "6690-2", "10*3/uL", 4.0, 11.0, 2),
    ("Glicose", "2345-7", "mg/dL", 70.0, 99.0, 0),
    ("Creatinina", "2160-0", "mg/dL", 0.6, 1.2, 2),
    ("Potássio", "2823-3", "mmol/L", 3.5, 5.1, 1),
)


def new_control_id() -> str:
    """A control id nobody used before."""
    return f"LAB{secrets.token_hex(8).upper()}"


@dataclass(frozen=True, slots=True)
class Request:
    """What was ordered: ORC and OBR as sent, and the filler number the lab gave it."""

    control: Segment
    request: Segment
    filler: str


def build(order: Message, wanted: Request, control_id: str, now: datetime.datetime) -> bytes:
    """The ORU^R01 that answers one order: its patient as sent, numbers, a text and a PDF."""
    stamp = now.strftime("%Y%m%d%H%M%S") + "+0000"
    segments = [_header(order, control_id, stamp), *_patient(order), *_request(wanted, stamp)]
    chance = hashlib.sha256(f"{wanted.control.text(2)}/{wanted.request.text(4)}".encode()).digest()
    for number, analyte in enumerate(ANALYTES, start=1):
        segments.append(_numeric(number, analyte, chance[number], stamp))
    segments.append(_observation(6, "TX", "8251-1", "Comentário", stamp))
    segments[-1].put(5, "Amostra adequada. Resultado conferido e liberado pelo laboratório.")
    segments.append(_observation(7, "ED", "11502-2", "Laudo", stamp))
    for component, text in ((1, "LAB"), (2, "application"), (3, "pdf"), (4, "Base64")):
        segments[-1].put(5, text, component)
    segments[-1].put(5, base64.b64encode(pdf(wanted.filler)).decode(), 5)
    return write(segments)


def _header(order: Message, control_id: str, stamp: str) -> SegmentWriter:
    header = SegmentWriter("MSH")
    for number, text in ((3, order.header.text(5) or "LAB"), (4, order.header.text(6)), (5, order.header.text(3))):
        header.put(number, text)
    header.put(6, order.header.text(4))
    header.put(7, stamp)
    for component, text in enumerate(("ORU", "R01", "ORU_R01"), start=1):
        header.put(9, text, component)
    header.put(10, control_id)
    header.put(11, "P")
    header.put(12, "2.5.1")
    return header


def _patient(order: Message) -> list[SegmentWriter]:
    return [copied for name in ("PID", "PV1") if (found := order.first(name)) and (copied := copy(found))]


def copy(segment: er7.Segment) -> SegmentWriter:
    """A segment as it was sent, every repetition, component and subcomponent."""
    d = segment.delimiters
    writer = SegmentWriter(segment.name)
    for number in range(1, len(segment.fields())):
        for place, raw in enumerate(segment.repetitions(number)):
            for component, part in enumerate(raw.split(d.component), start=1):
                for sub in range(1, part.count(d.sub) + 2):
                    writer.put(number, segment.text(number, component, sub, place), component, sub, place)
    return writer


def _request(wanted: Request, stamp: str) -> list[SegmentWriter]:
    """ORC and OBR of the result: the placer's number as it was sent, the lab's own, and the exam."""
    control, request = SegmentWriter("ORC"), SegmentWriter("OBR")
    control.put(1, "RE")
    request.put(1, "1")
    for writer in (control, request):
        source = wanted.request if wanted.request.raw_field(2) else wanted.control
        for component in range(1, 5):
            writer.put(2, source.text(2, component), component)
        writer.put(3, wanted.filler)
        writer.put(3, "LAB", 2)
    for component in range(1, 7):
        request.put(4, wanted.request.text(4, component), component)
    control.put(5, "CM")
    request.put(7, stamp)
    request.put(22, stamp)
    request.put(24, "LAB")
    request.put(25, "F")
    return [control, request]


def _observation(number: int, kind: str, code: str, name: str, stamp: str) -> SegmentWriter:
    segment = SegmentWriter("OBX")
    segment.put(1, str(number))
    segment.put(2, kind)
    for component, text in enumerate((code, name, "LN"), start=1):
        segment.put(3, text, component)
    segment.put(11, "F")
    segment.put(14, stamp)
    return segment


def _numeric(number: int, analyte: tuple[str, str, str, float, float, int], chance: int, stamp: str) -> SegmentWriter:
    """A value from a fifth below the range to a fifth above it, with its flag."""
    name, code, unit, low, high, places = analyte
    value = round(low + (high - low) * (chance / 255 * 1.4 - 0.2), places)
    segment = _observation(number, "NM", code, name, stamp)
    segment.put(5, f"{value:.{places}f}")
    for component, text in enumerate((unit, unit, "UCUM"), start=1):
        segment.put(6, text, component)
    segment.put(7, f"{low}-{high}")
    segment.put(8, "L" if value < low else "H" if value > high else "N")
    return segment


def pdf(title: str) -> bytes:
    """A one-page PDF that says which order it belongs to."""
    stream = f"BT /F1 14 Tf 60 760 Td (Laudo {title}) Tj ET".encode("ascii", "replace")
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length " + str(len(stream)).encode() + b" >>\nstream\n" + stream + b"\nendstream",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out = bytearray(b"%PDF-1.4\n")
    places = []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += str(number).encode() + b" 0 obj\n" + body + b"\nendobj\n"
    start = len(out)
    out += b"xref\n0 6\n0000000000 65535 f \n" + b"".join(f"{place:010d} 00000 n \n".encode() for place in places)
    return bytes(out) + b"trailer << /Size 6 /Root 1 0 R >>\nstartxref\n" + str(start).encode() + b"\n%%EOF\n"
