"""What happens when an HL7 v2 message reaches a door: read, judge the header, keep, answer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from uuid import UUID

from canonical.identity import bytes_number, new_id, number
from canonical.problem import Problem, blocking
from hl7 import ack, er7
from hl7.er7 import Message, Segment
from hub.channels import matching
from hub.channels.matching import stranger
from hub.clock import Clock
from hub.exchange.channels import Channel
from hub.exchange.keep import Incoming, Keeper
from mappings.plan import plan_for
from mappings.site import PLAIN, Site

_REJECTED = ("sender.", "type.", "version.", "processing.", "er7.too-large")
_LARGE = 512 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """The acknowledgement as bytes (without framing), its code, and the id the message is kept under."""

    payload: bytes
    code: str
    message_id: UUID
    problems: tuple[Problem, ...]


async def receive(keeper: Keeper, channel: Channel, raw: bytes, now: Clock, *, fault: Problem | None = None) -> Answer:
    """Keep `raw` and return its answer; raises TryLater when it could not be kept (then nothing is acknowledged).

    `fault` is what the door already knows to be wrong (a cut frame): such bytes are kept and not read.
    """
    if len(raw) > _LARGE:  # a large message must not hold up the other connections
        message, problems = await asyncio.to_thread(judge, raw, channel, fault)
    else:
        message, problems = judge(raw, channel, fault)
    envelope = ack.envelope(message) if isinstance(message, Message) else ack.salvage(raw)
    code = verdict(problems)
    skipped = code == "AA" and isinstance(message, Message) and matching.decision(channel.document, message) == "skip"
    if skipped:
        code = channel.document.acknowledge.filtered
    identity = new_id()
    reply = ack.build(envelope, code, problems, control_id=identity.hex[:20], now=now())
    status = "FILTERED" if skipped else "RECEIVED" if code == "AA" else "ERROR"
    incoming = _incoming(channel, raw, message, Answer(reply, code, identity, tuple(problems)), status)
    kept = await keeper.keep(channel, incoming)
    if kept.resent and kept.reply is not None:
        reply = kept.reply
    shown = (*problems, Problem("message.conflict", "MSH-10")) if kept.conflict else tuple(problems)
    return Answer(payload=reply, code=code, message_id=kept.id, problems=shown)


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
    judged = judge_header(message, channel.site) if channel.document.records else judge_envelope(message)
    return message, [*message.problems, *judged]


def judge_envelope(message: Message) -> list[Problem]:
    """MSH-9 to MSH-12 (2.5.1 §2.14.9): what every message must have, also one that is only passed on."""
    found = [Problem("structure.required", f"MSH-{n}") for n in (9, 10) if not message.header.text(n)]
    if message.header.text(11)[:1] not in ("P", "T", "D", ""):
        found.append(Problem("processing.unknown", "MSH-11"))
    if message.version and not message.version.startswith("2"):
        found.append(Problem("version.unsupported", "MSH-12"))
    return found


def judge_header(message: Message, site: Site = PLAIN) -> list[Problem]:
    """The envelope, and who the patient is: what must be there for a message to be taken into records."""
    found = judge_envelope(message)
    plan = plan_for(message.type, site)
    if message.header.text(9) and plan is None:
        found.append(Problem("type.unmapped", "MSH-9", args=(("type", message.type[:20]),)))
    found += [
        Problem("structure.segment-required", name)
        for name in (plan.requires if plan else ())
        if not message.first(name)
    ]
    for nth, patient in enumerate(message.named("PID"), start=1):
        if not _identified(patient):
            found.append(Problem("structure.required", "PID-3" if nth == 1 else f"PID[{nth}]-3"))
    return found


def _identified(patient: Segment) -> bool:
    """Whether PID has a number in PID-3, or in PID-2 or PID-4 as senders up to 2.3 do."""
    return any(patient.text(n, repetition=r) for n in (3, 2, 4) for r in range(len(patient.repetitions(n))))


def verdict(problems: list[Problem]) -> ack.Code:
    """AR for what the header rules out, AE for other blocking findings, else AA (original mode)."""
    found = blocking(problems)
    if not found:
        return "AA"
    return "AR" if any(p.code.startswith(_REJECTED) for p in found) else "AE"


def _incoming(channel: Channel, raw: bytes, message: Message | None, answer: Answer, status: str) -> Incoming:
    control = message.control_id if message else ""
    header = message.header if message else None
    sender = (header.raw_field(3), header.raw_field(4)) if header else ("", "")
    return Incoming(
        id=answer.message_id,
        format="hl7",
        type=message.type[:60] if message else "",
        lane=lane_of(channel, message),
        status=status,
        control_id=control[:199],
        control_key=number(str(channel.id), *sender, control) if control else None,
        payload_key=bytes_number(raw),
        charset=message.charset if message else "",
        content=raw,
        reply=None if answer.code == "AA" else answer.payload,
        problems=answer.problems,
    )


def lane_of(channel: Channel, message: Message | None) -> int:
    """The lane of a message: by default one per patient within its channel; else the channel's own lane."""
    return matching.lane_of(str(channel.id), channel.document, message)
