"""How a partner acknowledges, and what its codes mean for a delivery (2.5.1 §2.9, tables 0008 and 0155).

`[acknowledge]` of a partner: `mode` original or enhanced; `accept` and `application_ack` are what MSH-15 and MSH-16
ask for; `application` says where the application's answer comes: `same` connection within `timeout_s`, `later` (by a
channel of the partner, or whenever), or `none`. `ae`, `ar`, `ce`, `cr` say what follows a refusal: `refuse`, `retry`,
or `auto`: AE and CE are final; AR and CR are final for type, event, version or processing id, else tried again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from adapters.transports import Answer
from canonical.errors import TryLater
from canonical.problem import Problem
from hl7 import er7
from hl7.er7 import Message

_FINAL_CONDITIONS = ("200", "201", "202", "203")
_POLICIES = ("auto", "refuse", "retry")
_CONDITIONS = ("", "AL", "NE", "SU", "ER")
CHOICES: Mapping[str, tuple[str, ...]] = {
    "mode": ("original", "enhanced"),
    "accept": _CONDITIONS,
    "application_ack": _CONDITIONS,
    "application": ("same", "later", "none"),
    "ae": _POLICIES,
    "ar": _POLICIES,
    "ce": _POLICIES,
    "cr": _POLICIES,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledging:
    """A partner's way; the defaults are original mode."""

    mode: str = "original"
    accept: str = ""
    application_ack: str = ""
    application: str = "same"
    timeout_s: float = 60.0
    ae: str = "auto"
    ar: str = "auto"
    ce: str = "auto"
    cr: str = "auto"

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Acknowledging:
        """From a partner's `[acknowledge]`; raises ValueError for what it may not say."""
        check(table, "partner")
        return cls(**table)

    @property
    def enhanced(self) -> bool:
        """Whether an accept acknowledgement comes first."""
        return self.mode == "enhanced"

    @property
    def seconds(self) -> float:
        """How long the application's answer is waited for on the same connection."""
        return float(self.timeout_s)

    @property
    def conditions(self) -> tuple[str, str]:
        """MSH-15 and MSH-16 of what is sent; both empty in original mode."""
        if not self.enhanced:
            return self.accept, self.application_ack
        return self.accept or "AL", self.application_ack or ("NE" if self.application == "none" else "AL")


def check(table: Mapping[str, Any], place: str) -> None:
    """Raise ValueError for a key or a value that `[acknowledge]` does not have."""
    known = {item.name for item in dataclasses.fields(Acknowledging)}
    for key, value in table.items():
        if key not in known:
            raise ValueError(f"{place}: acknowledge knows no {key}")
        if key == "timeout_s":
            if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
                raise ValueError(f"{place}: acknowledge timeout_s")
        elif value not in CHOICES[key]:
            raise ValueError(f"{place}: acknowledge {key} must be one of {', '.join(filter(None, CHOICES[key]))}")


def judge(payload: bytes, control_id: str, how: Acknowledging) -> Answer | None:
    """The answer in one frame: None when it acknowledges another message; raises TryLater for what is no answer."""
    message = er7.read(payload)
    if isinstance(message, Problem):
        raise TryLater("the answer is not an HL7 message", code="transport.not-hl7")
    acknowledgement = message.first("MSA")
    if acknowledgement is None or acknowledgement.raw_field(2) != control_id:
        return None
    code = acknowledgement.text(1)
    if code not in ("AA", "CA", "AE", "CE", "AR", "CR"):
        raise TryLater("the acknowledgement has no known code in MSA-1", code="transport.ack-unknown")
    return Answer(
        content=payload,
        format="hl7",
        type=message.type[:60],
        control_id=message.control_id[:199],
        charset=message.charset,
        verdict=verdict(message, code, how),
        code=f"ack.{code.lower()}",
    )


def said_of(payload: bytes) -> str:
    """The message that a frame is the application's acknowledgement of (MSA-2), empty for any other frame.

    In enhanced mode it comes whenever it comes.
    """
    message = er7.read(payload)
    said = None if isinstance(message, Problem) else message.first("MSA")
    return said.raw_field(2) if said is not None and said.text(1) in ("AA", "AE", "AR") else ""


def verdict(message: Message, code: str, how: Acknowledging) -> Literal["accepted", "refused", "later"]:
    """What a code means for the delivery, by the partner's policy."""
    if code in ("AA", "CA"):
        return "accepted"
    policy = getattr(how, code.lower())
    if policy != "auto":
        return "refused" if policy == "refuse" else "later"
    if code in ("AE", "CE"):
        return "refused"
    for segment in message.named("ERR"):
        if segment.text(3) in _FINAL_CONDITIONS or segment.text(1, 4) in _FINAL_CONDITIONS:
            return "refused"
    return "later"


def confirmation(payload: bytes) -> bytes:
    """The accept acknowledgement of an application's answer whose own MSH-15 asks for one; empty when it does not."""
    message = er7.read(payload)
    if isinstance(message, Problem) or message.header.text(15) not in ("AL", "SU"):
        return b""
    d, header = message.delimiters, message.header
    stamp = header.raw_field(7)
    fields = ["MSH", d.encoding_characters, *(header.raw_field(n) for n in (5, 6, 3, 4)), stamp, "", "ACK"]
    fields += [f"C{message.control_id}"[:20], header.raw_field(11), header.raw_field(12)]
    text = d.field.join(fields) + f"\rMSA{d.field}CA{d.field}{header.raw_field(10)}\r"
    return text.encode(message.charset, "replace")
