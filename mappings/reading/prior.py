"""Results told before that come with an order (PRIOR_RESULT of OML, OMG; 2.5.1 §4.4.2, §4.4.6): which OBR they are.

They look like an order without an ORC. Taken for one, an examination that was done long ago would be asked for again.
"""

from __future__ import annotations

from hl7.er7 import Message, Segment
from mappings.tables.table import codes

_RESULT = "RE"  # ORC-1: an observation follows
_STATUS = 25  # OBR
_HELD = frozenset(("final", "corrected", "amended", "preliminary", "partial"))


def told_before(message: Message) -> frozenset[int]:
    """The indexes of the OBR that are results told before.

    Such an OBR comes after one that is asked for. It has no ORC, or one that asks for nothing (ORC-1 empty or RE), and
    a result below it; and a PID stands between the two, as only this group has one, or it says itself that there are
    results (OBR-25).
    """
    found: set[int] = set()
    ordered = below = False  # an examination was asked for; a PID came after it
    control = ""
    last: Segment | None = None
    for segment in message.segments:
        match segment.name:
            case "PID":
                below, control, last = below or ordered, "", None
            case "ORC":
                control, last = segment.text(1).strip().upper() or _RESULT, None
            case "OBR":
                asks, control = control not in ("", _RESULT), ""
                last = segment if ordered and not asks and (below or _has_results(segment)) else None
                ordered = ordered or asks
            case "OBX" if last is not None:
                found.add(last.index)
    return frozenset(found)


def _has_results(obr: Segment) -> bool:
    return codes("hl70123").get(obr.text(_STATUS).strip().upper()) in _HELD
