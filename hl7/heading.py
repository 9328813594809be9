"""What MSH says of every message of its kind from its sender (2.5.1 §2.14.9): all but the moment and number of one."""

from __future__ import annotations

from dataclasses import dataclass

from hl7.damaged import TYPE, place_of_type
from hl7.segment import NULL, Segment

_ONLY_EVENT = {"ORU": "R01", "ORM": "O01", "ORR": "O02", "DFT": "P03", "VXU": "V04"}


@dataclass(frozen=True, slots=True, eq=False)
class Heading:
    """MSH without MSH-7 and MSH-10. Messages that say the same share one: what follows from it is found out once.

    `code` and `event` are MSH-9 in upper case; a structure in the place of the code (`ADT_A01`) is read as both.
    `stated`: MSH-9.2 tells the event, or the code has none. Else `usual` is the only event that the code had in 2.1.
    `named`: MSH-9 holds a code and an event; else it may stand elsewhere (`hl7.damaged`).
    `pointer` is MSH-14, empty for `""`; `codec` the character set the message was read in.
    """

    header: Segment
    codec: str
    code: str
    event: str
    stated: bool
    usual: str
    pointer: str
    named: bool = True

    def place_of_type(self, header: Segment) -> int:
        """The field of `header`, which this is the heading of, that holds the message type: 9 but in a damaged one."""
        return TYPE if self.named else place_of_type(header.fields(), header.delimiters.component)


_known: dict[tuple[str, str], Heading] = {}
_MOST = 4096
_LONGEST = 2000


def heading_of(header: Segment, codec: str) -> Heading:
    """The heading of a message by its MSH; the same object for the same content."""
    fields, mark = header.fields(), header.delimiters.field
    text = mark.join(["MSH", *fields[2:7], "", *fields[8:10], "", *fields[11:]])
    found = _known.get((text, codec))
    if found is None:
        found = _made(Segment(text, 1, header.delimiters), codec)
        if len(text) <= _LONGEST:
            if len(_known) >= _MOST:
                _known.clear()
            _known[text, codec] = found
    return found


def _made(header: Segment, codec: str) -> Heading:
    code, event = header.text(9).strip().upper(), header.text(9, 2).strip().upper()
    pointer = "" if (follows := header.text(14).strip()) == NULL else follows
    if event or code in ("ACK", ""):
        return Heading(header, codec, code, event, True, "", pointer, len(code) == 3 and len(event) == 3)
    code, _, event = code.partition("_")
    return Heading(header, codec, code, event, False, _ONLY_EVENT.get(code, ""), pointer, named=False)
