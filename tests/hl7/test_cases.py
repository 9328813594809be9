"""Every folder of tests/cases/hl7: the message, and the whole of what is made of it. `--accept` writes what is expected."""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest

from api.hl7_reading import read_file
from fhir import jsontext
from fhir.validation import invariants
from hl7 import ack
from hl7.er7 import Message
from hub.channels.reading import from_toml
from hub.exchange.channels import Channel
from hub.exchange.door.receive import judge, verdict
from hub.world import Tenant

CASES = sorted((Path(__file__).resolve().parent.parent / "cases" / "hl7").iterdir())
NOW = datetime.datetime(2026, 11, 22, 10, 0, tzinfo=datetime.UTC)
TENANT = Tenant(id=UUID(int=1), slug="case", name="Case", zone="America/Sao_Paulo", active=True)
_OPTIONS = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
CHANNEL = Channel(id=UUID(int=2), tenant=TENANT, name="case", door="mllp", zone="America/Sao_Paulo")


def channel_of(case: Path) -> Channel:
    """The case's channel: as its `channel.toml` says, else without any setting of its own."""
    path = case / "channel.toml"
    if not path.exists():
        return CHANNEL
    document = from_toml(path.read_text(encoding="utf-8"))
    return dataclasses.replace(CHANNEL, document=document, zone=document.zone or CHANNEL.zone)


def results(raw: bytes, channel: Channel = CHANNEL) -> dict[str, str]:
    """The files a case expects, by name."""
    (document,) = read_file("in.hl7", [raw], to="fhir", zone=channel.zone, site=channel.site)
    problems = [{k: p[k] for k in ("code", "severity", "where")} for p in document["problems"]]
    account = {"type": document["type"], "ok": document["ok"], "segments": document["segments"], "problems": problems}
    message, found = judge(raw, channel)
    envelope = ack.envelope(message) if isinstance(message, Message) else ack.salvage(raw)
    answer = ack.build(envelope, verdict(found), found, ack.Stamp(control_id="CASE", now=NOW))
    return {
        "bundle.json": _json(document["bundle"]),
        "problems.json": _json(account),
        "ack.hl7": answer.decode(envelope.head.codec).replace("\r", "\n"),
    }


def _json(document: Any) -> str:
    """Indented, with every decimal as it was written."""
    return orjson.dumps(document, default=lambda number: orjson.Fragment(bytes(number)), option=_OPTIONS).decode()


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_case(case: Path, request: pytest.FixtureRequest) -> None:
    raw = (case / "in.hl7").read_bytes().replace(b"\n", b"\r")
    for name, text in results(raw, channel_of(case)).items():
        path = case / name
        if request.config.getoption("--accept"):
            path.write_text(text, encoding="utf-8")
        assert path.exists(), f"{path}: not accepted yet; run with --accept and read the file"
        assert text == path.read_text(encoding="utf-8"), f"{path} differs: run with --accept and read the difference"
        if name == "bundle.json":
            bundle = jsontext.parse(text.encode())
            assert isinstance(bundle, dict) and invariants.check(bundle, blocking=True) == []


def test_half_of_the_cases_are_brazilian() -> None:
    names = [path.name for path in CASES]
    assert len(names) >= 40 and 2 * sum(name.startswith("br-") for name in names) >= len(names) - 1
