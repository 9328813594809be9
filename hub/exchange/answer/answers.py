"""Answers that are more than an acknowledgement: to look-ups (`lookups`), to questions about referrals, and MFK."""

from __future__ import annotations

from collections.abc import Iterator

from hl7 import ack
from hl7.ack import Stamp
from hl7.er7 import Message
from hl7.writer import SegmentWriter
from hub.exchange.answer import lookups, referrals
from hub.exchange.answer.lookups import copied
from hub.store.database import Transaction
from mappings.reading.engine import translate


def more_than_acknowledged(kind: str) -> bool:
    """Whether messages of this type (`QBP^Q22`) get an answer of their own type once they have been worked."""
    return kind in lookups.KINDS or kind.startswith("MFN^") or kind == referrals.KIND


async def build(tx: Transaction, message: Message, stamp: Stamp) -> bytes:
    """The answer as bytes, without framing."""
    if message.type == referrals.KIND:
        return await referrals.answer(tx, message, stamp)
    if not message.type.startswith("MFN^"):
        return await lookups.answer(tx, message, stamp)
    event = message.type.partition("^")[2]
    more = tuple(segment.text(message.delimiters) for segment in _master_segments(message))
    stamp = stamp._replace(kind=message.delimiters.component.join(("MFK", event, "MFK_M01")), more=more)
    return ack.build(ack.envelope(message), "AA", [], stamp)


def _master_segments(message: Message) -> Iterator[SegmentWriter]:
    """MFI as received, and MFA for each MFE: what was done (MFE-1), its number, when, and whether it has a record."""
    fates = translate(message, zone="UTC").account.fate
    header = message.first("MFI")
    if header is not None:
        yield copied(header, 6)
    for entry in message.named("MFE"):
        writer = copied(entry, 2, name="MFA")
        writer.put(4, "S" if fates.get(entry.index) == "mapped" else "U")
        for component, text in enumerate(entry.raw_field(4).split(message.delimiters.component), start=1):
            writer.put(5, text, component)
        writer.put(6, entry.text(5))
        yield writer
