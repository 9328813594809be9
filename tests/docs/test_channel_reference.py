"""The page of channel keys is written from the schema (`--accept`), so it names every key there is and no other."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from pathlib import Path
from typing import Any

import pytest

from hub.channels.document import (
    Acknowledge,
    Batch,
    Destination,
    Document,
    Duplicates,
    Filter,
    Fragments,
    Pickup,
    Poison,
    Sender,
    Sequence,
    Tls,
)

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "channels.md"
PARTS: tuple[tuple[str, type], ...] = (
    ("", Document), ("[sender]", Sender), ("[tls]", Tls), ("[acknowledge]", Acknowledge), ("[batch]", Batch),
    ("[sequence]", Sequence), ("[duplicates]", Duplicates), ("[fragments]", Fragments),
    ("[poison]", Poison), ("[[filters]]", Filter), ("[[destinations]]", Destination), ("[pickup]", Pickup),
)  # fmt: skip
HEAD = """\
# Channels

A channel is a door of a tenant's senders: how its messages are read, answered, mapped and passed on. It is one document,
written as a TOML file for `./ponte channel put` or as JSON for `PUT /api/v1/channels/{name}`; the keys are the same. An
unknown key, a wrong type or a value outside its list is refused, with the line in a file. Every change is a new version;
doors and workers take it up without a restart, and a message is worked under the version it was received under. A destination whose
partner is not there (yet) is stored and told: by the command, in `problems` of the answer, and on the console.

A version is tried before it serves: `./ponte channel test FILE` or `POST /api/v1/channels/{name}/test` (a `message` as text or `content` in
base64; a `document`, a stored `version`, or what serves) tells the fate of each message, and `./ponte channel compare` or
`POST /api/v1/channels/{name}/compare` where the outputs of messages really received would differ, over HTTP by place and count alone. Both
need `channels/write` there. What hangs on the order of arrival, numbers in MSH-13 and control ids that came before, is judged by
the door only and not compared.

The vault entries named here are written with the tenant's secrets: `{"pkcs12": hex, "password": …}` for a certificate,
`{"pem": …}` for trusted authorities, `{"password": …}` or `{"key": …, "passphrase": …}` for SFTP (`./ponte secret put NAME --p12, --pem, --login or --key`).
"""
TAIL = """
## What happens to a message

1. **Sender.** MSH-3 or MSH-4 outside `[sender]`: rejected (AR), kept with `sender.unknown`.
2. **Filters**, in order, the first that applies decides. Left out: kept as FILTERED with the filter that did it (`message.filtered`)
   and answered with `acknowledge.filtered`.
3. **Kept**, then answered; the row remembers the channel's version.
4. **Worked** in its lane: mapped with the channel's overlay and plans, or only passed on (`records = false`).
5. **Passed on**: an outbox row for each destination that applies, in the transaction that records what became of the message. A
   destination added later gets no older message unless it is replayed, and then only those it has not had.

## A partner's way to acknowledge

`[acknowledge]` of a partner's profile or settings says how it answers what we send: `mode` (`original`, `enhanced`), `accept` and
`application_ack` (MSH-15 and MSH-16 of what is sent: `AL`, `NE`, `SU`, `ER`), `application` (`same` connection within `timeout_s`,
`later`, `none`), and for `ae`, `ar`, `ce`, `cr` what follows: `auto`, `refuse` or `retry`. An answer counts only when its MSA-2 is
the MSH-10 in flight; what comes later, on the same connection or by a channel that names the partner, finds its delivery.

`[batch] most = 50` sends up to so many waiting messages in one frame (BHS … BTS; original mode, MLLP); each is recorded by its own
answer, or all by an answer to the batch; what stays without one is sent again alone.

A partner with `[adt]` (kind `subscriber`; `events`, `application`, `facility`, `beside`) is told of changed patients and visits as ADT,
mapped from the records by the tables `out-adt-event` and `out-adt-structure`, whether the change came by HL7 v2 or FHIR. Person (PID) and
visit (PV1, and of PV2 the expected days, the priority and whether the visit is confidential) are always told. What is more sensitive goes
only to who asks for it by `beside`: `NK1` (kin and contacts), `AL1` (active allergies), `DG1` (the visit's diagnoses), `IN1` (memberships
valid that day), `PID-10` (race), `PID-17` (religion), `PV2-3` (reason); never records labelled as restricted, and a segment only in messages
whose structure has it (ADT_A02 has no allergies). An allergy or membership that changes alone is told as A31, a diagnosis as A08:

```toml
[adt]
application = "PEP"
facility = "CLIN"
events = ["A01", "A02", "A03", "A08", "A31", "A40"]
beside = ["NK1", "AL1", "IN1"]
```

Transports of partners: `mllp` (host, port, timeout_s, connect_timeout_s, tls, certificate, trust), `soap`, `folder` (path,
suffix), `sftp` (host, port, user, secret, host_key, path, suffix, timeout_s).
"""


def values_of(kind: Any, rules: Any) -> str:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin is tuple:
        return "list" if not dataclasses.is_dataclass(arguments[0]) else "tables"
    if dataclasses.is_dataclass(kind):
        return "table"
    if "values" in rules:
        keys = rules["keys"].replace("|", ", ")
        return f"table of {keys}: " + ", ".join(f"`{v}`" for v in rules["values"])
    if "keys" in rules:
        return "table of message types: names of plans"
    named = {str: "text", int: "whole number", float: "number", bool: "true, false"}.get(kind, "true, false")
    return named + (
        f", {rules.get('least', '…')} to {rules.get('most', '…')}" if {"least", "most"} & set(rules) else ""
    )


def default_of(item: dataclasses.Field[Any]) -> str:
    if item.default is dataclasses.MISSING:
        return "" if item.default_factory is not dataclasses.MISSING else "needed"
    if dataclasses.is_dataclass(item.default) or item.default in ("", (), None):
        return ""
    return f"`{str(item.default).lower() if isinstance(item.default, bool) else item.default}`"


def page() -> str:
    lines = [HEAD]
    for title, cls in PARTS:
        lines += [f"## `{title}`" if title else "## The document", "", inspect.cleandoc(cls.__doc__ or ""), ""]
        lines += ["| key | values | default |", "| --- | --- | --- |"]
        hints = typing.get_type_hints(cls)
        for item in dataclasses.fields(cls):
            lines.append(f"| `{item.name}` | {values_of(hints[item.name], item.metadata)} | {default_of(item)} |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n" + TAIL


def test_the_page_names_every_key(request: pytest.FixtureRequest) -> None:
    text = page()
    if request.config.getoption("--accept"):
        PAGE.write_text(text, encoding="utf-8")
    assert PAGE.exists() and PAGE.read_text(encoding="utf-8") == text, (
        "channels.md is stale: ./ponte test tests/docs --accept"
    )
    parts = {hint for hint in typing.get_type_hints(Document).values() if dataclasses.is_dataclass(hint)}
    assert parts <= {cls for _, cls in PARTS}
