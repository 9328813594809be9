"""Both judgements of a message in one vocabulary: what kind of finding, at which place without counts."""

from __future__ import annotations

import re

from hl7.er7 import Message
from hl7.grammar import conform, structure_name
from hl7.second_opinion import second_opinion

KINDS = {
    "structure.required": "required",
    "structure.segment-missing": "required",
    "field.component-required": "required",
    "hl7apy.required": "required",
    "structure.segment-repeat": "repeat",
    "field.repeat": "repeat",
    "field.withdrawn": "repeat",
    "hl7apy.repeat": "repeat",
    "structure.segment-unknown": "unexpected",
    "structure.segment-order": "unexpected",
    "field.beyond": "unexpected",
    "field.component-beyond": "unexpected",
    "hl7apy.unexpected": "unexpected",
    "field.format": "format",
    "hl7apy.type": "format",
}
Finding = tuple[str, str]


def place(where: str) -> str:
    """`PID#2-3[1].4` and `PID-3 CX-4` as `PID-3.4`."""
    where = re.sub(r"#\d+|\[\d+\]", "", where)
    return re.sub(r"^(\w+-\d+) \w+-(\d+)$", r"\1.\2", where)


def both(message: Message, version: str = "") -> tuple[set[Finding], set[Finding]]:
    """Our findings and hl7apy's."""
    version = version or message.version
    theirs = second_opinion(message, version, structure_name(message, version))
    return (
        {(KINDS.get(p.code, p.code), place(p.where)) for p in conform(message, version)},
        {(KINDS.get(p.code, p.code), place(p.where)) for p in theirs},
    )
