"""What happens when an HL7 v2 message reaches a door: read, judge the header, keep, answer."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from canonical.identity import bytes_number, new_id, number
from canonical.problem import Problem, blocking
from hl7 import ack, er7
from hl7.damaged import TYPE
from hl7.er7 import Message
from hl7.fragments import Part, part_of
from hl7.heading import Heading
from hub.channels import matching
from hub.channels.matching import stranger
from hub.exchange.answer import answers, late
from hub.exchange.channels import Channel
from hub.exchange.door.keep import AFTERWARDS, Incoming, Keeper, Kept
from mappings.convert.whose import identified, named
from mappings.tables.serving import missing, plan_for, read_as
from mappings.tables.site import PLAIN, Site
from mappings.tables.table import TableError

_REJECTED = ("sender.", "type.", "version.", "processing.", "er7.too-large", "er7.too-slow")
LARGE = 512 * 1024


class Answer(NamedTuple):
    """What goes back to the sender at once (empty: nothing), its code, and the id the message is kept under.

    `owes` says what else is due: an application acknowledgement (AL, ER, SU) when the message has been worked, or
    (AFTERWARDS) the one answer of original mode, for which `instead` is said when that takes too long. `control_id` is
    the message's own.
    """

    payload: bytes
    code: str
    message_id: UUID
    problems: tuple[Problem, ...]
    owes: str = ""
    instead: bytes = b""
    resent: bool = False
    control_id: str = ""


@dataclass(slots=True)
class Taken:
    """A message as read and judged, before it is kept.

    `code` is what is said at once: AA, AE, AR, or in enhanced mode CA, CE, CR; `silent` when nothing is. `part` tells
    that it is, or may be, a part of another message.
    """

    incoming: Incoming
    envelope: ack.Envelope
    code: ack.Code
    silent: bool
    expected: str = ""
    part: Part | None = None
    _prepared: bytes | None = None

    def prepare(self) -> None:
        """Make the answer ahead of its time."""
        if self._prepared is None and not self.silent:
            self._prepared = self.spoken(self.incoming.id)

    def forget(self) -> None:
        """Drop an answer made ahead: it would no longer be the right one."""
        self._prepared = None

    def spoken(self, made: UUID) -> bytes:
        """The immediate answer. The same message kept as `made` gets the very same bytes each time."""
        if self._prepared is not None and made == self.incoming.id:
            return self._prepared
        stamp = ack.Stamp(made.hex[:20], _second_of((made.int >> 80) // 1000), self.expected)
        return ack.build(self.envelope, self.code, self.incoming.problems, stamp)

    def reply(self, made: UUID) -> bytes:
        """The same, or nothing where nothing is to be said."""
        return b"" if self.silent else self.spoken(made)


async def receive(keeper: Keeper, channel: Channel, raw: bytes, *, fault: Problem | None = None) -> Answer:
    """Keep `raw` and return its answer; raises TryLater when it could not be kept (then nothing is acknowledged).

    `fault` is what the door already knows to be wrong (a cut frame): such bytes are kept and not read.
    """
    taken = await read(channel, raw, fault=fault)
    kept = await keeper.keep(channel, taken.incoming)
    return answer(taken, kept)


async def read(channel: Channel, raw: bytes, *, fault: Problem | None = None) -> Taken:
    """The same as `take`; a large message is read aside, so that it holds up no other connection."""
    if len(raw) > LARGE:
        return await asyncio.to_thread(take, channel, raw, fault)
    return take(channel, raw, fault)


def take(channel: Channel, raw: bytes, fault: Problem | None = None) -> Taken:
    """The message read and judged, with its answer decided and nothing kept yet."""
    message, problems = judge(raw, channel, fault)
    envelope = ack.envelope(message) if message is not None else ack.salvage(raw)
    settings = channel.document.acknowledge
    part = joinable(channel, message)
    if part is not None and part.certain:
        return _of_part(channel, raw, message, problems)
    code = verdict(problems)
    status = "RECEIVED" if code == "AA" else "ERROR"
    out = matching.left_out(channel.document, message) if code == "AA" and message is not None else None
    if out is not None:
        code, status, problems = settings.filtered, "FILTERED", [*problems, out]
    wanted = ack.wanted(envelope, settings.mode)
    asks = message is not None and answers.more_than_acknowledged(message.type)
    owes = _owes(wanted, status, "processed" if asks else settings.when)
    if wanted.original:
        silent = owes == AFTERWARDS
    else:
        silent = (bool(owes) and not wanted.accept) or not ack.due(wanted.accept or wanted.application, code == "AA")
    accepts = wanted.accept
    if accepts and silent and status == "ERROR" and ack.due(wanted.application, False):
        accepts, silent = "", False  # no accept acknowledgement tells of the error, so the application's does
    if accepts:
        code = ack.ACCEPT[code]
    if message is not None and late.is_acknowledgement(message) and not accepts:
        silent, owes = True, ""  # an answer is never answered, or two systems would answer each other for ever
    incoming = _incoming(channel, raw, message, problems, status)
    if message is None:
        incoming = incoming._replace(control_id=envelope.control_id[:199], type=envelope.kind[:60])
    taken = Taken(incoming._replace(owes=owes) if owes else incoming, envelope, code, silent, part=part)
    return with_reply(taken)


def joinable(channel: Channel, message: Message | None) -> Part | None:
    """The part that a message of this channel is, or may be; None for a whole one."""
    join = message is not None and channel.document.fragments.policy == "join"
    return part_of(message) if join and message is not None and message.header.raw_field(9) else None


def as_part(channel: Channel, taken: Taken) -> Taken:
    """A message that could stand by itself, taken as the part that another one waits for."""
    message, problems = judge(taken.incoming.content, channel)
    if message is not None and not any(problem.code.startswith("sender.") for problem in problems):
        problems = _problems_of_part(message)
    return _of_part(channel, taken.incoming.content, message, problems)


def _of_part(channel: Channel, raw: bytes, message: Message | None, problems: Sequence[Problem]) -> Taken:
    """A part waits for the others: it is answered at once, and owes nothing by itself."""
    envelope = ack.envelope(message) if message is not None else ack.salvage(raw)
    wanted = ack.wanted(envelope, channel.document.acknowledge.mode)
    code = verdict(problems)
    incoming = _incoming(channel, raw, message, problems, "PENDING" if code == "AA" else "ERROR")
    incoming = incoming._replace(lane=channel_number(channel.id))
    silent = not wanted.original and not ack.due(wanted.accept, code == "AA")
    code = ack.ACCEPT[code] if wanted.accept else code
    part = part_of(message) if message is not None else None
    certain = dataclasses.replace(part, certain=True) if part is not None else None
    return with_reply(Taken(incoming, envelope, code, silent, part=certain))


def _continued(message: Message) -> bool:
    """Whether the message begins with the end of a segment (ADD), which is read as none of its own."""
    return any(problem.where == "ADD#2" for problem in message.problems)


def _problems_of_part(message: Message) -> list[Problem]:
    """What is wrong with a part by itself: its header; who the patient is stands in another part.

    A header alone is no part: the message was cut.
    """
    if all(segment.name in ("MSH", "DSC") for segment in message.segments) and not _continued(message):
        return [*message.problems, *judge_envelope(message)]
    return [*(p for p in message.problems if not p.code.startswith("er7.fragment")), *judge_envelope(message)]


def with_reply(taken: Taken) -> Taken:
    """`taken` with its answer kept beside the message, unless the answer can be made again from the message alone."""
    if not taken.silent and (taken.code not in ("AA", "CA") or taken.expected):
        taken.incoming = taken.incoming._replace(reply=taken.spoken(taken.incoming.id))
    return taken


def _owes(wanted: ack.Wanted, status: str, when: str) -> str:
    """What is owed after the immediate answer of a message that was taken."""
    if wanted.original:
        return AFTERWARDS if status == "RECEIVED" and when == "processed" else ""
    return wanted.application if status in ("RECEIVED", "FILTERED") else ""


def answer(taken: Taken, kept: Kept) -> Answer:
    """What the sender is told once the message is kept; a resend is told what the first one was told."""
    incoming = taken.incoming
    owes = incoming.owes
    payload = taken.reply(kept.id)
    if kept.resent and kept.reply is not None:
        payload, owes = kept.reply, "" if owes == AFTERWARDS else owes
    shown = (*incoming.problems, Problem("message.conflict", "MSH-10")) if kept.conflict else incoming.problems
    return Answer(
        payload=payload,
        code=taken.code,
        message_id=kept.id,
        problems=shown,
        owes=owes,
        instead=taken.spoken(kept.id) if owes == AFTERWARDS else b"",
        resent=kept.resent,
        control_id=incoming.control_id,
    )


def judge(raw: bytes, channel: Channel, fault: Problem | None = None) -> tuple[Message | None, list[Problem]]:
    """The message, when readable, and the findings that decide its acknowledgement."""
    if fault is not None:
        return None, [fault]
    message = er7.read(raw, fixed_charset=channel.charset, fallback_charset=channel.fallback)
    if isinstance(message, Problem):
        return None, [message]
    strange = stranger(channel.document, message)
    if strange is not None:
        return message, [*message.problems, strange]
    part = joinable(channel, message)
    if part is not None and part.certain:
        return message, _problems_of_part(message)
    try:
        judged = judge_header(message, channel.site) if channel.document.records else judge_envelope(message)
    except TableError as error:  # what comes is kept all the same: a replay takes it once the table is mended
        judged = [*judge_envelope(message), broken_table(error)]
    return message, [*message.problems, *judged]


def broken_table(error: TableError) -> Problem:
    """The finding of a message that a mapping table keeps from being read."""
    return Problem("message.table", "MSH", args=(("reason", error.text),))


def judge_envelope(message: Message) -> list[Problem]:
    """MSH-9 to MSH-12 (2.5.1 §2.14.9): what every message must have, also one that is only passed on."""
    stated = _stated(message.heading)
    found = list(stated.missing)
    if not found and message.heading.place_of_type(message.header) != TYPE:
        found.append(Problem("structure.required", "MSH-9"))  # the header is damaged: it stands in another field
    if not message.control_id:
        found.append(Problem("structure.required", "MSH-10"))
    if stated.malformed:
        found.append(Problem("type.form", "MSH-9", args=(("type", message.type[:20]),)))
    return [*found, *stated.wrong]


class _Stated(NamedTuple):
    """What a heading lacks, whether MSH-9.1 is no code as it stands, and what of the rest is wrong."""

    missing: tuple[Problem, ...]
    malformed: bool
    wrong: tuple[Problem, ...]


@lru_cache(maxsize=4096)
def _stated(heading: Heading) -> _Stated:
    header = heading.header
    code, processing, version = header.text(9), header.text(11).strip(), header.text(12).strip()
    wrong = []
    if processing[:1] not in ("P", "T", "D", ""):
        wrong.append(Problem("processing.unknown", "MSH-11"))
    if version and not version.startswith("2"):
        wrong.append(Problem("version.unsupported", "MSH-12"))
    lacking = () if code else (Problem("structure.required", "MSH-9"),)
    return _Stated(lacking, code.strip() != heading.code.partition("^")[0], tuple(wrong))


def judge_header(message: Message, site: Site = PLAIN) -> list[Problem]:
    """The envelope, and who the patient is: what must be there for a message to be taken into records."""
    found = judge_envelope(message)
    if late.is_acknowledgement(message):
        return found
    kind = read_as(message, site)
    plan = plan_for(kind, site)
    if (plan is None or kind != message.type) and message.header.text(9):
        code = "type.unmapped" if plan is None else "type.event"
        found.append(Problem(code, "MSH-9", args=(("type", kind[:20]),)))
    if plan is not None:
        found += [Problem("structure.segment-required", name) for name in missing(message, plan, kind)]
    nobody = plan is not None and plan.anonymous
    for nth, patient in enumerate(message.named("PID"), start=1):
        if not identified(patient) and (named(patient) or not nobody):
            code = "identifier.nobodys" if patient.raw_field(3) else "structure.required"
            found.append(Problem(code, "PID-3" if nth == 1 else f"PID[{nth}]-3"))
    return found


def verdict(problems: Sequence[Problem]) -> ack.Code:
    """AR for what the header rules out, AE for other blocking findings, else AA (original mode)."""
    found = blocking(problems) if problems else ()
    if not found:
        return "AA"
    return "AR" if any(p.code.startswith(_REJECTED) for p in found) else "AE"


def _incoming(
    channel: Channel, raw: bytes, message: Message | None, problems: Sequence[Problem], status: str
) -> Incoming:
    control = message.control_id[:199] if message else ""
    payload = bytes_number(raw)
    place = channel_number(channel.id)
    sender = _sender(message.heading) if message and control else 0
    return Incoming(
        id=new_id(),
        format="hl7",
        type=message.type[:60] if message else "",
        lane=lane_of(channel, message),
        status=status,
        control_id=control,
        control_key=payload ^ place if control else None,
        sender_key=sender ^ place if control else None,
        payload_key=payload,
        charset=message.charset if message else "",
        content=raw,
        reply=None,
        problems=tuple(problems),
    )


@lru_cache(maxsize=64)
def _second_of(seconds: int) -> datetime.datetime:
    """MSH-7 of an answer, which tells seconds; one moment for all that are answered in one."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)


@lru_cache(maxsize=4096)
def _sender(heading: Heading) -> int:
    """A number of MSH-3 and MSH-4 as sent."""
    return bytes_number(f"{heading.header.raw_field(3)}\x1f{heading.header.raw_field(4)}".encode())


@lru_cache(maxsize=4096)
def channel_number(channel: UUID) -> int:
    """A signed 64-bit number of a channel, mixed into the keys of its messages."""
    return number("channel", str(channel))


def lane_of(channel: Channel, message: Message | None) -> int:
    """The lane of a message: by default one per patient within its channel; else the channel's own lane."""
    return matching.lane_of(_text(channel.id), channel.document, message)


_text = lru_cache(maxsize=4096)(str)
