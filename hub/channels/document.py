"""The channel document: every key a channel may have. One schema for the TOML file, the API and the stored version.

A key is a field here: its type, its closed list of values (`one of`) and its limits are what `hub.channels.reading`
enforces, and `docs/reference/channels.md` is checked against it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Door = Literal["mllp", "http", "folder", "sftp"]
Mode = Literal["snapshot", "action"]


def _pattern(expression: str) -> dict[str, Any]:
    return {"pattern": expression}


_NAME = r"[a-z0-9][a-z0-9\-]{0,62}"
_PLACE = r"[A-Z][A-Z0-9]{2}-[1-9]\d{0,2}(\.[1-9]\d?)?"
_TYPE = r"[A-Z0-9]{3}(\^([A-Z0-9]{3}|\*))?|\*"
_SEGMENT = r"[A-Z][A-Z0-9]{2}"
_FOLDER = r"[a-z][a-z0-9_]*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who may send here: patterns (`HIS*`) of MSH-3 and MSH-4, and names a client certificate must carry."""

    applications: tuple[str, ...] = ()
    facilities: tuple[str, ...] = ()
    certificates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """TLS of an MLLP port: names of vault entries (`certificate`: PKCS#12, `trust`: PEM) and whether clients prove
    who they are."""

    certificate: str = ""
    clients: Literal["none", "optional", "required"] = "none"
    trust: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledge:
    """How messages are answered: `auto` obeys MSH-15/16, `original` ignores them, `none` is silent.

    `enhanced` always gives the accept acknowledgement (CA, CE, CR) and obeys MSH-16 for the application's. `filtered`
    is the code for a message a filter leaves out. `when`: the one answer of original mode comes once the message is
    `kept`, or once it has been `processed`, for at most `wait_s` seconds (then it says that it is kept). `return_to` is
    the partner that gets application acknowledgements whose connection is gone; without it they wait to be picked up.
    """

    mode: Literal["auto", "original", "enhanced", "none"] = "auto"
    filtered: Literal["AA", "AE", "AR"] = "AA"
    when: Literal["kept", "processed"] = "kept"
    wait_s: float = field(default=20, metadata={"least": 0.1, "most": 300})
    return_to: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """How a batch (BHS … BTS) is answered: one answer for each message, for each that failed, or none.

    Over MLLP and HTTP a batch may be as large as a message may (`PONTE_MAX_MESSAGE_BYTES`); a larger one is refused
    (`er7.too-large`), and its sender sends it in parts, or as a file to a `folder` or `sftp` channel (`most_bytes`).
    """

    answer: Literal["all", "errors", "none"] = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """MSH-13: not looked at, gaps reported, or a gap refused."""

    policy: Literal["off", "report", "refuse"] = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicates:
    """A control id that comes again with another body: taken with a conflict raised, or refused."""

    other_body: Literal["take", "refuse"] = "take"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragments:
    """A message that comes in parts (DSC, MSH-14): joined when its last part has come, or each part refused.

    When no more parts of a sender have come for `wait_s` seconds, those that wait stand among the errors; a part that
    comes later still completes them.
    """

    policy: Literal["join", "refuse"] = "join"
    wait_s: float = field(default=900, metadata={"least": 1, "most": 604800})


@dataclass(frozen=True, slots=True, kw_only=True)
class Poison:
    """A message that fails for a defect of a table or the hub: how often it is tried, and what its lane does then."""

    attempts: int = field(default=1, metadata={"least": 1, "most": 1000})
    then: Literal["skip", "pause"] = "skip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """When a filter or a destination applies: everything that is said must hold; nothing said always holds.

    `types` are `ADT^A01` or `ADT^*`; `facilities` and `applications` patterns of MSH-4 and MSH-3; `field` is a place
    (`PV1-3.4`) and exactly one of `equals`, `among`, `differs`, `begins`, `present` says what of it.
    """

    types: tuple[str, ...] = field(default=(), metadata=_pattern(_TYPE))
    facilities: tuple[str, ...] = ()
    applications: tuple[str, ...] = ()
    field: str = dataclasses.field(default="", metadata=_pattern(_PLACE))
    equals: str = ""
    among: tuple[str, ...] = ()
    differs: str = ""
    begins: str = ""
    present: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter(Condition):
    """One filter, in order: the first that applies decides. With a `take` filter, what none takes is left out."""

    action: Literal["take", "skip"]
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination(Condition):
    """Where a message goes on to: a partner by kind and code, and what it gets.

    `raw`: the received bytes; `envelope`: the same body under an MSH of ours (own MSH-10, `application` and `facility`
    as MSH-5/6). `failed`: also what could not be mapped. `order`: `channel` sends one after the other, as they were
    worked: those of one lane as they came, those of different lanes as their workers ended; with the channel's `lane`
    `channel` that is the order of arrival. `patient` lets patients pass one another.
    """

    name: str = field(metadata=_pattern(_NAME))
    partner: str
    send: Literal["raw", "envelope"] = "raw"
    application: str = ""
    facility: str = ""
    order: Literal["patient", "channel"] = "channel"
    failed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pickup:
    """Where a folder or SFTP channel takes its files, how often it looks, and what becomes of them.

    A file is taken when its size has not changed for `stable_s` seconds; `pattern` does not tell small letters from
    capitals. `secret` names a vault entry (password or
    key), `host_key` is the server's public key (`ssh-ed25519 AAAA…`), which must be the one that answers. A
    folder's `path` is relative: it lies in the tenant's own folder below `PONTE_EXCHANGE_ROOT`, and none outside
    is taken.
    """

    path: str = ""
    pattern: str = "*.hl7"
    every_s: float = field(default=10, metadata={"least": 0.1, "most": 86400})
    cron: str = ""
    stable_s: float = field(default=2, metadata={"least": 0, "most": 3600})
    processed: str = "processed"
    failed: str = "failed"
    then: Literal["move", "delete"] = "move"
    host: str = ""
    port: int = field(default=22, metadata={"least": 1, "most": 65535})
    user: str = ""
    secret: str = ""
    host_key: str = ""
    most_bytes: int = field(default=1024 * 1024 * 1024, metadata={"least": 1})


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One version of a channel.

    `lane` is what keeps order: `patient`, `visit`, `order`, `channel`, or `field:PV1-19`. `partner` is the code of the
    partner that sends here: what it sent is not sent back to it. `records` false only routes: nothing is mapped.
    `plans` names the plan of a message type; `overlay` a folder of `mappings/partners`. `segments` says how repeating
    segments change records: `snapshot` (the set of a message replaces the old set: what left it is withdrawn, as
    `mappings/snapshot.toml` says) or `action` (only their action codes, DG1-21 and PR1-20, withdraw).
    """

    name: str = field(metadata=_pattern(_NAME))
    door: Door
    title: str = ""
    host: str = ""
    port: int = field(default=0, metadata={"least": 0, "most": 65535})
    charset: str = ""
    fallback: str = "cp1252"
    zone: str = ""
    partner: str = ""
    overlay: str = field(default="", metadata=_pattern(_FOLDER))
    lane: str = field(default="patient", metadata=_pattern(rf"patient|visit|order|channel|field:{_PLACE}"))
    records: bool = True
    sender: Sender = Sender()
    tls: Tls = Tls()
    acknowledge: Acknowledge = Acknowledge()
    batch: Batch = Batch()
    sequence: Sequence = Sequence()
    duplicates: Duplicates = Duplicates()
    fragments: Fragments = Fragments()
    poison: Poison = Poison()
    plans: Mapping[str, str] = field(default_factory=dict, metadata={"keys": _TYPE})
    segments: Mapping[str, Mode] = field(
        default_factory=dict, metadata={"keys": "NK1|AL1|DG1|PR1|GT1|IN1", "values": ("snapshot", "action")}
    )
    filters: tuple[Filter, ...] = ()
    destinations: tuple[Destination, ...] = ()
    pickup: Pickup = Pickup()


def as_json(value: Any) -> Any:
    """What a document says, as JSON values: only what differs from the default, so that versions compare well."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        found = {}
        for item in dataclasses.fields(value):
            said = getattr(value, item.name)
            if said != _default(item):
                found[item.name] = as_json(said)
        return found
    if isinstance(value, tuple):
        return [as_json(item) for item in value]
    return dict(value) if isinstance(value, Mapping) else value


def _default(item: dataclasses.Field[Any]) -> Any:
    if item.default_factory is not dataclasses.MISSING:
        return item.default_factory()
    return item.default
