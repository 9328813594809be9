"""A health plan's card number printed in groups (`0 123 4567`) and in one is one number (IN1-36, IN1-49)."""

from __future__ import annotations

import pytest

from hl7 import er7
from hl7.er7 import Message
from mappings.reading.engine import translate

HEAD = "MSH|^~\\&|A|B|C|D|20261122||ADT^A01|1|P|2.5.1\rPID|1||7^^^H^MR||Souza^Ana\rPV1||I|4N\r"


def membership(field: int, number: str) -> tuple[str, str]:
    """The identifier by which a membership is found, and the number as it is said."""
    line = ["IN1", "1", "P1", "326305", *[""] * (field - 4), number]
    message = er7.read(f"{HEAD}{'|'.join(line)}\r".encode())
    assert isinstance(message, Message)
    draft = next(d for d in translate(message, zone="UTC").drafts if d.type == "Coverage")
    return draft.body["identifier"][0]["value"], draft.body["subscriberId"]


@pytest.mark.parametrize("field", [36, 49])
@pytest.mark.parametrize(
    ("sent", "number"),
    [
        ("0 123 4567 8901 23-4", "01234567890123-4"),
        ("01234567890123-4", "01234567890123-4"),
        ("00 12.345", "0012.345"),
        ("AB 123", "AB 123"),
    ],
)
def test_blanks_between_digits_make_no_other_number(field: int, sent: str, number: str) -> None:
    assert membership(field, sent) == (number, sent)
