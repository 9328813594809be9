"""Writes the demonstration's HL7 v2.5 messages: fields by number, escaped, in the character set of their sender."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hl7.er7 import STANDARD
from hl7.escapes import escape

FACILITY = "HD"
CHARSETS = {"utf-8": "UNICODE UTF-8", "latin-1": "8859/1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What must become of a message: its answer (`` for none), its status, and a problem code it must carry."""

    ack: str = "AA"
    status: str = "TRANSFORMED"
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message as sent. `lane` is the patient's record: its messages go over one connection, in order.

    `shows` names the fault a faulty message carries; a `twin` is a resend, kept as a receipt of its original.
    """

    lane: str
    control_id: str
    type: str
    payload: bytes
    expected: Expected
    shows: str = ""
    twin: bool = False
    framed: bytes = b""


def text(value: str) -> str:
    """`value` escaped for ER7."""
    return escape(value, STANDARD)


def parts(*components: str) -> str:
    """A field of components; trailing empty ones are left out."""
    return "^".join(text(component) for component in components).rstrip("^")


def segment(name: str, fields: Mapping[int, str]) -> str:
    """A segment from its fields by number; the values are ready for the wire."""
    last = max(fields, default=0)
    return "|".join([name, *(fields.get(number, "") for number in range(1, last + 1))]).rstrip("|")


def stamp(moment: datetime.datetime) -> str:
    """A time to the second, in the sender's zone as most hospitals write it."""
    return moment.strftime("%Y%m%d%H%M%S")


def header(kind: str, control_id: str, at: datetime.datetime, *, sender: str = "HIS", codec: str = "utf-8") -> str:
    """MSH; `kind` is MSH-9 with its structure (`ADT^A01^ADT_A01`)."""
    fields = ["MSH", STANDARD.encoding_characters, sender, FACILITY, "PONTE", "HUB", stamp(at), "", kind, control_id]
    return "|".join([*fields, "P", "2.5", "", "", "", "", "BRA", CHARSETS[codec]])


def body(segments: Iterable[str], codec: str = "utf-8") -> bytes:
    """The bytes of a message, every segment ended with CR."""
    return "".join(line + "\r" for line in segments).encode(codec)
