"""A channel's document that is not stored yet, ready to be tried and compared, and messages as a person types them."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterable, Iterator, Sequence

from canonical.problem import Problem
from canonical.toml_lines import line_of, lines_of
from hl7 import batch, charset
from hl7.fragments import whole
from hub.channels import reading, trial, versions
from hub.channels.document import Document
from hub.channels.reading import Fault, Faulty
from hub.channels.trial import Trial
from hub.exchange.channels import Channel
from hub.exchange.partners import Partner
from hub.world import Tenant


def unstored(document: Document, tenant: Tenant, version: int = 0) -> Channel:
    """The document as a channel; version 0 where it is not stored at all."""
    return Channel(
        id=uuid.uuid5(tenant.id, document.name),
        tenant=tenant,
        name=document.name,
        door=document.door,
        charset=document.charset,
        fallback=document.fallback,
        zone=document.zone or tenant.zone,
        version=version,
        document=document,
    )


def read(text: str, name: str = "") -> Document:
    """The document of a TOML text that could serve; `name`: the only one it may have. Raises Faulty with the lines."""
    document = reading.from_toml(text)
    if name and document.name != name:
        raise Faulty([placed(reading.fault("name", "one-of", allowed=name), text)])
    try:
        versions.refuse_unusable(document)
    except Faulty as error:
        raise Faulty([placed(fault, text) for fault in error.faults]) from None
    return document


def placed(fault: Fault, text: str) -> Fault:
    """A fault at a key with the line of that key."""
    return dataclasses.replace(fault, line=line_of(fault.key, lines_of(text)))


def run(pieces: Iterable[bytes], channel: Channel, labs: Sequence[Partner]) -> Iterator[Trial | Problem]:
    """The fate of each message of a file, a batch or a capture at a channel, or what is wrong with the file itself."""
    for item in whole(batch.messages(iter(pieces))):
        yield item if isinstance(item, Problem) else trial.tried(item, channel, labs)


def typed(text: str, document: Document) -> bytes:
    """A message that was pasted as text, in the bytes its sender would send: MSH-18's set, or the channel's own."""
    lines = text.replace("\r\n", "\r").replace("\n", "\r").strip()
    fields = lines.partition("\r")[0].split(lines[3:4] or "|")
    declared = fields[17].partition("~")[0].strip().upper() if len(fields) > 17 else ""
    for name in (document.charset, declared):
        codec = charset.NAMES.get(name.upper(), name)
        try:
            if name:
                return lines.encode(codec)
        except (LookupError, UnicodeEncodeError):
            continue
    return lines.encode()
