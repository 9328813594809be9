"""Acknowledgements (2.5.1 §2.9.2): MSA and ERR, in the sender's delimiters, version and character set."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple, Protocol

from canonical.identity import unaccented
from hl7 import charset
from hl7.damaged import TYPE, place_of_type
from hl7.er7 import STANDARD, Delimiters, Message
from hl7.escapes import escape
from hl7.heading import Heading

Code = Literal["AA", "AE", "AR", "CA", "CE", "CR"]
Mode = Literal["auto", "original", "enhanced", "none"]
Condition = Literal["", "AL", "ER", "SU"]
_CONDITIONS: Mapping[str, Condition] = {"AL": "AL", "ER": "ER", "SU": "SU"}  # table 0155; NE and unknown ones: never
ACCEPT: Mapping[Code, Code] = {"AA": "CA", "AE": "CE", "AR": "CR"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which answers a sender wants (MSH-15, MSH-16). `original` is the one answer of original mode: AA, AE or AR.

    Else `accept` is the condition of the immediate CA, CE or CR, and `application` that of the AA, AE or AR which
    follows when the message has been worked; empty means never.
    """

    original: bool
    accept: Condition = ""
    application: Condition = ""


ORIGINAL = Wanted(True)
_KIND = re.compile(r"[A-Z]{3}(?:\^[A-Z][A-Z0-9]{2})?(?=\^|\Z)")


# Table 0357 by a problem's code, or else by its first part: what an ERR-3 says. 100 is also "required segments are
# missing"; 101 speaks of a field alone, and 207 is the table's own catch-all.
CONDITIONS = {
    "structure.batch-count": ("207", "Application internal error"),
    "structure.required": ("101", "Required field missing"),
    "identifier.nobodys": ("101", "Required field missing"),
    "er7": ("100", "Segment sequence error"),
    "structure": ("100", "Segment sequence error"),
    "field": ("102", "Data type error"),
    "charset": ("102", "Data type error"),
    "code": ("103", "Table value not found"),
    "version": ("203", "Unsupported version id"),
    "type": ("200", "Unsupported message type"),
    "event": ("201", "Unsupported event code"),
    "processing": ("202", "Unsupported processing id"),
    "identifier": ("204", "Unknown key identifier"),
    "query": ("204", "Unknown key identifier"),
    "message": ("205", "Duplicate key identifier"),
    "store": ("207", "Application internal error"),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Letterhead:
    """What the messages of one sender say alike and an acknowledgement repeats; shared by those that do."""

    delimiters: Delimiters = STANDARD
    sending: tuple[str, str] = ("", "")
    receiving: tuple[str, str] = ("", "")
    event: str = ""
    processing: str = "P"
    version: str = "2.5"
    accept: str = ""
    application: str = ""
    charset_field: str = ""
    codec: str = "ascii"


NOBODY = Letterhead()


class Envelope(NamedTuple):
    """What an acknowledgement needs from the message it answers; also buildable for an unreadable one.

    `kind` is the type and event of an unreadable one (`ADT^A01`), where its first line tells them.
    """

    head: Letterhead = NOBODY
    control_id: str = ""
    kind: str = ""


def wanted(to: Envelope, mode: Mode) -> Wanted:
    """What MSH-15 and MSH-16 ask for, under the mode of the channel (2.5.1 §2.9.3, table 0155).

    `auto` obeys the header. Original mode is: both empty, or nothing of the table in either; and NE with AL, whose only
    answer is AA, AE or AR.
    `enhanced` always gives the accept acknowledgement and obeys MSH-16; `original` and `none` look at neither.
    """
    if mode == "none":
        return Wanted(False)
    accept, application = to.head.accept, to.head.application
    if mode == "enhanced":
        return Wanted(False, "AL", _CONDITIONS.get(application, ""))
    if mode == "original" or not {accept, application} & {"NE", *_CONDITIONS}:
        return ORIGINAL
    found = Wanted(False, _CONDITIONS.get(accept, ""), _CONDITIONS.get(application, ""))
    return ORIGINAL if not found.accept and found.application == "AL" else found


def due(condition: str, good: bool) -> bool:
    """Whether an answer under this condition of table 0155 is given."""
    return condition in ("AL", "SU" if good else "ER")


def envelope(message: Message) -> Envelope:
    """The envelope of a readable message; application and facility keep their raw form."""
    off = message.heading.place_of_type(message.header) - TYPE
    head = _letterhead(message.heading) if not off else _damaged(message, off)
    return Envelope(head, message.header.raw_field(10 + off))


def _damaged(message: Message, off: int) -> Letterhead:
    """What a header says whose MSH-9 stands `off` fields away: who sent it is not sure, nor what follows MSH-12."""
    header = message.header
    return Letterhead(
        delimiters=header.delimiters,
        event=header.text(TYPE + off, 2).upper(),
        processing=header.raw_field(11 + off),
        version=header.raw_field(12 + off),
        codec=message.charset,
    )


@lru_cache(maxsize=4096)
def _letterhead(heading: Heading) -> Letterhead:
    header = heading.header
    return Letterhead(
        delimiters=header.delimiters,
        sending=(header.raw_field(3), header.raw_field(4)),
        receiving=(header.raw_field(5), header.raw_field(6)),
        event=header.text(9, 2).upper(),
        processing=header.raw_field(11) or "P",
        version=header.raw_field(12) or "2.5",
        accept=header.raw_field(15),
        application=header.raw_field(16),
        charset_field=header.raw_field(18),
        codec=heading.codec,
    )


def salvage(raw: bytes) -> Envelope:
    """The envelope of a message that cannot be read: what its first line still tells, else blanks."""
    start = raw[:4000].lstrip(b"\x0b\r\n \t\xef\xbb\xbf")
    line = start.split(b"\r", 1)[0].split(b"\n", 1)[0][:2000]
    if not line.startswith(b"MSH") or len(line) < 8:
        return Envelope()
    mark = "|" if line[3:4] in b"^~\\&" and b"|" in line else chr(line[3])  # MSH-1 itself was lost
    fields = line.decode("ascii", "ignore").replace("\x00", "").split(mark)
    if len(line) == len(start):  # the last field of a line that has no end may have been cut
        fields.pop()
    off = place_of_type(["MSH", *fields], "^") - TYPE
    fields += [""] * 40

    def plain(number: int) -> str:
        text = fields[number - 1 + (off if number >= TYPE else 0)]
        return text if text.isprintable() and len(text) <= 227 and mark == "|" else ""

    head = Letterhead(
        sending=("", "") if off else (plain(3), plain(4)),
        receiving=("", "") if off else (plain(5), plain(6)),
        processing=plain(11) or "P",
        version=plain(12) or "2.5",
        accept=plain(15),
        application=plain(16),
    )
    return Envelope(head, plain(10), found.group(0) if (found := _KIND.match(plain(9))) else "")


class Finding(Protocol):
    """What an ERR needs of a finding; `Problem` is one."""

    @property
    def code(self) -> str:
        """Dotted."""

    @property
    def where(self) -> str:
        """A place: `PID-3.1`."""

    @property
    def severity(self) -> str:
        """`error`, `warning` or `information`."""

    def text(self, language: str = "pt") -> str:
        """What is wrong."""

    def remedy(self, language: str = "pt") -> str:
        """How to repair it."""


class Stamp(NamedTuple):
    """What an acknowledgement has of its own: MSH-10, MSH-7, and what it says beyond code and findings.

    `expected` is MSA-4, the sequence number expected next. `asks` makes it ask for an accept acknowledgement itself.
    `kind` is MSH-9 where the answer has a type of its own, `more` its segments behind MSA and ERR.
    """

    control_id: str
    now: datetime.datetime
    expected: str = ""
    asks: bool = False
    kind: str = ""
    more: tuple[str, ...] = ()


def build(to: Envelope, code: Code, problems: Sequence[Finding], stamp: Stamp) -> bytes:
    """The acknowledgement as bytes, without framing: MSH, MSA and an ERR for each blocking problem."""
    head = to.head
    d, mark = head.delimiters, head.delimiters.field
    before, kind, after, asking = _header(head)
    moment = _moment(stamp.now, stamp.now.utcoffset())
    header = mark.join((before, moment, "", stamp.kind or kind, stamp.control_id, asking if stamp.asks else after))
    shown = [p for p in problems if p.severity == "error"] or ([] if code in ("AA", "CA") else list(problems))
    first = escape(sayable(shown[0].text("en"), head.codec), d) if shown and not since(head.version, (2, 5)) else ""
    answer = mark.join(("MSA", code, to.control_id, first, stamp.expected)).rstrip(mark)
    lines = (header, answer, *(_err(problem, head) for problem in shown[:20]), *stamp.more, "")
    return charset.encode("\r".join(lines), head.codec)


@lru_cache(maxsize=4096)
def _header(head: Letterhead) -> tuple[str, str, str, str]:
    """An answer's MSH up to MSH-6; its MSH-9; and MSH-11 to the end, as it is and as one that asks for an answer."""
    d, mark = head.delimiters, head.delimiters.field
    kind = "ACK"
    if since(head.version, (2, 4)) and head.event:
        kind = d.component.join(("ACK", escape(head.event, d), "ACK"))
    elif head.event:
        kind = d.component.join(("ACK", escape(head.event, d)))
    before = mark.join(("MSH", d.encoding_characters, *head.receiving, *head.sending))
    after, asking = (
        mark.join((head.processing, head.version, "", "", *asks, "", head.charset_field)).rstrip(mark)
        for asks in (("", ""), ("AL", "NE"))
    )
    return before, kind, after, asking


@lru_cache(maxsize=64)
def _moment(moment: datetime.datetime, offset: datetime.timedelta | None) -> str:
    """MSH-7; equal moments of other zones are written otherwise, so `offset` tells them apart."""
    del offset
    return moment.strftime("%Y%m%d%H%M%S%z")


def _err(problem: Finding, to: Letterhead) -> str:
    """ERR: place as ERR-2 (ERL) and text from 2.5 on; ERR-1 (ELD) before."""
    d = to.delimiters
    family = problem.code.split(".", 1)[0]
    number, meaning = CONDITIONS.get(problem.code) or CONDITIONS.get(family, ("207", "Application internal error"))
    segment, nth, place, component = _place(problem.where)
    if not since(to.version, (2, 5)):
        condition = d.sub.join((number, meaning, "HL70357"))
        return d.field.join(("ERR", d.component.join((segment, nth, place, condition))))
    location = (segment, nth, place, "1" if component else "", component) if segment else ()
    condition = d.component.join((number, meaning, "HL70357"))
    severity = {"error": "E", "warning": "W"}.get(problem.severity, "I")
    application = d.component.join((escape(problem.code, d), "", "PONTE"))
    text = escape(sayable(problem.text("pt"), to.codec), d)
    remedy = escape(sayable(problem.remedy("pt"), to.codec), d)
    place_text = d.component.join(location).rstrip(d.component)
    return d.field.join(("ERR", "", place_text, condition, severity, application, "", text, remedy)).rstrip(d.field)


def sayable(text: str, codec: str) -> str:
    """`text` as the character set can say it: letters lose their accents, anything else becomes a question mark."""
    try:
        text.encode(codec)
    except UnicodeEncodeError:
        plain = unaccented(text)
        return plain.encode(codec, "replace").decode(codec)
    return text


_PLACE = re.compile(r"([A-Z][A-Z0-9]{2})(?:\[(\d+)\])?(?:#\d+)?(?:-(\d+)(?:\[\d+\])?(?:\.(\d+))?)?\Z")


def _place(where: str) -> tuple[str, str, str, str]:
    """`PID[2]-3.1` as segment, its occurrence, field, component; other places give nothing."""
    match = _PLACE.match(where)
    return (match[1], match[2] or "1", match[3] or "", match[4] or "") if match else ("", "", "", "")


@lru_cache(maxsize=1024)
def since(version: str, limit: tuple[int, int]) -> bool:
    """Whether MSH-12 states `limit` or a later version; what cannot be told counts as 2.5."""
    parts = version.split("^", 1)[0].split(".")
    numbers = tuple(int(p) for p in parts[:2] if p.isascii() and p.isdigit() and len(p) < 5)
    return (numbers or (2, 5)) >= limit
