"""One message however it is spelled: other separators, blanks behind every field, line ends, a byte order mark, MSH-9
without structure. What it says is the same."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from hl7 import er7
from hl7.er7 import Message
from mappings.reading.engine import translate

CASES = Path(__file__).resolve().parents[2] / "cases" / "hl7"
NAMES = (
    "br-adt-a01-internacao", "br-administracao-um-pedido-varios-medicamentos", "br-agenda-numerada-um",
    "br-campos-deslocados", "br-laboratorio-de-apoio-sem-numero", "br-pedido-oml-convenio",
    "mfn-m02-staff", "participations-places-devices-2-8", "vaccination-with-statements-cdc",
)  # fmt: skip


def separators(raw: bytes) -> bytes:
    """Five characters of which the message has none."""
    unused = [c for c in b"$@*!{}%;<>=?[]" if c not in raw][:5]
    return raw.translate(bytes.maketrans(b"|^~\\&", bytes(unused)))


def padded(raw: bytes) -> bytes:
    """Blanks behind what every field says, as senders of fixed widths have them."""
    return raw[:9] + re.sub(rb"(?<=[^|\r])(?<!\r...)(?=[|\r])", b"  ", raw[9:])


def without_structure(raw: bytes) -> bytes:
    head, mark, rest = raw.partition(b"\r")
    fields = head.split(b"|")
    fields[8] = b"^".join(fields[8].split(b"^")[:2])
    return b"|".join(fields) + mark + rest


SPELLINGS: dict[str, Callable[[bytes], bytes]] = {
    "separators-of-its-own": separators,
    "escape-and-subcomponent-exchanged": lambda raw: raw.translate(bytes.maketrans(b"\\&", b"&\\")),
    "blanks-behind-every-field": padded,
    "line-feeds": lambda raw: raw.replace(b"\r", b"\n"),
    "both-line-ends-twice": lambda raw: raw.replace(b"\r", b"\r\n\r\n"),
    "byte-order-mark": lambda raw: b"\xef\xbb\xbf" + raw,
    "without-structure": without_structure,
    "truncation-character": lambda raw: raw.replace(b"MSH|^~\\&|", b"MSH|^~\\&#|", 1),
}


def said(raw: bytes) -> list[bytes]:
    message = er7.read(raw)
    assert isinstance(message, Message)
    drafts = translate(message, zone="America/Sao_Paulo").drafts
    told: list[Any] = [[draft.type, draft.body, draft.initial, draft.cleared] for draft in drafts]
    return [orjson.dumps(each, default=lambda number: orjson.Fragment(bytes(number))) for each in told]


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("name", NAMES)
def test_spelling_changes_nothing(name: str, spelling: str) -> None:
    raw = (CASES / name / "in.hl7").read_bytes().replace(b"\n", b"\r")
    respelled = SPELLINGS[spelling](raw)
    assert respelled != raw or spelling == "without-structure"
    assert said(respelled) == said(raw)
