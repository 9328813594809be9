"""Transports: how bytes reach a partner and how its answer comes back. They judge the wire, not the business."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from canonical.errors import TryLater

if TYPE_CHECKING:
    from adapters.transports.tokens import Tokens


class Unsent(TryLater):
    """Nothing was handed over: the connection failed, or the partner said so before it took anything.

    Every other TryLater of a transport leaves it open whether the partner has the message.
    """

    code = "transport.unsent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One thing to send: the exact bytes, the key that stays the same over all attempts, and how it is addressed.

    `control_id` is the MSH-10 the answer must name; `operation` chooses among a partner's addresses, `action` is the
    SOAPAction, or method and path of a FHIR call; `name` the name of the file it becomes. `professional` is in whose
    name it is done (a CNS), `repeated` whether an earlier sending may have arrived.
    """

    content: bytes
    key: str
    operation: str = ""
    control_id: str = ""
    action: str = ""
    name: str = ""
    professional: str = ""
    repeated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The partner's exact answer. `refused`: it understood and said no; `later`: it asks for the same again.

    `doubt`: an answer that says `later` leaves it open whether the partner took what was sent. `awaits`: it has the
    message safe (CA), and what its application says of it is still to come (2.5.1 §2.9.3).
    """

    content: bytes
    format: str
    type: str = ""
    control_id: str = ""
    charset: str = ""
    verdict: Literal["accepted", "refused", "later"] = "accepted"
    code: str = ""
    awaits: bool = False
    doubt: bool = False


class Transport(Protocol):
    """A way to one partner. `send` raises TryLater (Unsent when surely nothing arrived), Refused, Misconfigured."""

    async def send(self, call: Call) -> Answer:
        """Hand over the bytes and return the partner's answer."""
        ...

    async def close(self) -> None:
        """Give up the connection."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """One place that was tried without sending anything: what it is, and what it said (`HTTP 405`, `3 files`)."""

    place: str
    said: str = ""


class Reachable(Protocol):
    """A transport that can be tried without handing anything over."""

    def reach(self) -> AsyncIterator[Reached]:
        """Each place that answers; raises TryLater and Misconfigured, as sending does, for the first that does not."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a transport gets from the hub: its settings, whether private addresses are allowed, and a TLS context.

    `acknowledge` is how the partner answers (`adapters.transports.acknowledging`); `stray` takes what comes unasked and
    returns what is said to it; `secret` opens what the transport logs in with; `root` is the folder that a tenant's
    folders lie in; `tokens` are the access tokens that all transports of the tenant share.
    """

    settings: Mapping[str, Any]
    allow_private: bool = False
    tls: Any = None
    acknowledge: Mapping[str, Any] = field(default_factory=dict)
    stray: Callable[[bytes], Awaitable[bytes]] | None = None
    secret: Mapping[str, str] = field(default_factory=dict)
    root: Path | None = None
    tokens: Tokens | None = None
