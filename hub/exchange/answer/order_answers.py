"""What the hub answers to an order in the order's own answer message (2.5.1 §4.4: ORR, ORL, ORG, RRE…).

It says only what it knows: that an order was taken (OK), that a request was received and waits for the filler (RR),
what state the order is in (SR), or that there is no such order (UC, UH…). What the filler does is the filler's to say.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from canonical.records import Draft, Key
from fhir import jsontext
from hl7.er7 import Message, Segment
from hl7.writer import SegmentWriter
from hub.records.drafts.who.identify import agrees
from hub.records.drafts.who.lookup import lookup
from hub.store.database import Transaction
from mappings.convert import Value
from mappings.convert.keys import ei_key
from mappings.convert.registry import Context
from mappings.outward.people import ei
from mappings.tables.serving import read_as
from mappings.tables.table import Source, codes

_DETAILS = {"OBR": 4, "RXO": 1, "RXE": 2, "ODS": 3, "ODT": 1, "RQD": 4, "BPO": 2}
_REPEATED = ("IPC", "RQ1")  # what stands in an answer as it was ordered, behind OBR (ORI) or RQD (ORS, ORN)
_OF_MATERIAL = ("OMS^O05", "OMN^O07")
_BY_SPECIMEN, _TUBES = ("OML^O33", "OML^O35"), ("SPM", "SAC")
_OF_PATIENT = (*_BY_SPECIMEN, "OML^O21", "OML^O39", "OMB^O27")  # ORL and ORB have the orders in the patient's group
_WITHOUT_PATIENT = {  # the structures that ask for no PID (2.8.1; IHE LAB-28)
    "ORL^O22^ORL_O22": "ORL^O22^ORL_O41",
    "ORL^O34^ORL_O34": "ORL^O34^ORL_O42",
    "ORL^O36^ORL_O36": "ORL^O36^ORL_O43",
    "ORL^O40^ORL_O40": "ORL^O40^ORL_O44",
}
_AS_ORDERED = {  # details that stand in an answer as they were ordered: ORR and ORB ask for one below each ORC
    "ORM^O01": ("RQD", "RXO", "ODS", "ODT"),
    "OMB^O27": ("BPO",),
}
_PLACES = ((3, "FILL"), (2, "PLAC"))


@dataclass(frozen=True, slots=True)
class Asked:
    """One ORC with the segment that says what was ordered, and what repeats it in an answer beside an OBR (IPC).

    `above` is the specimen it is the first order of, with its containers (ORL^O34, ORL^O36).
    """

    orc: Segment
    detail: Segment | None
    more: tuple[Segment, ...] = ()
    above: tuple[Segment, ...] = ()
    stock: bool = False

    @property
    def type(self) -> str:
        """The type of record it is about; material for a store, which names no patient, is a SupplyRequest."""
        if self.detail is not None and self.detail.name.startswith("RX"):
            return "MedicationRequest"
        return "SupplyRequest" if self.stock else "ServiceRequest"

    @property
    def code(self) -> str:
        """What was ordered; empty when the message does not say."""
        return self.detail.text(_DETAILS[self.detail.name]) if self.detail is not None else ""


async def answer(tx: Transaction, message: Message) -> tuple[str, list[str]]:
    """The type of the answer (`ORL^O22^ORL_O22`) and its order segments, in the sender's delimiters.

    Empty when the message is no order, or none of its order control codes asks for an answer.
    """
    kind = codes("order-answer-type").get(read_as(message), "")
    asked = _asked(message) if kind else []
    if not any(codes("hl70119-answer").get(item.orc.text(1)) for item in asked):
        return "", []
    context = Context(message, "UTC")
    lines: list[str] = []
    patient = message.first("PID")
    if read_as(message) in _OF_PATIENT:
        lines += [patient.raw] if patient is not None else []
        kind = kind if patient is not None else _WITHOUT_PATIENT.get(kind, kind)
    for item in asked:
        lines += _lines(item, await _known(tx, item, context), message)
    return message.delimiters.component.join(kind.split("^")), lines


def _asked(message: Message) -> list[Asked]:
    found: list[Asked] = []
    above: list[Segment] = []
    nobody = message.first("PID") is None
    tubes = _TUBES if read_as(message) in _BY_SPECIMEN else ()
    for segment in message.segments:
        if segment.name in tubes:
            above.append(segment)
        elif segment.name == "ORC":
            stock = nobody and message.type in _OF_MATERIAL
            found.append(Asked(segment, None, stock=stock, above=tuple(above)))
            above = []
        elif segment.name in _DETAILS and found and found[-1].detail is None:
            stock = found[-1].stock or (nobody and segment.name == "RQD")
            found[-1] = replace(found[-1], detail=segment, stock=stock)
        elif segment.name in _REPEATED and found:
            found[-1] = replace(found[-1], more=(*found[-1].more, segment))
    return found


async def _known(tx: Transaction, item: Asked, context: Context) -> dict[str, Any] | None:
    """The stored order that an ORC means by its numbers and by what was ordered; None when there is none."""
    keys = [_key(item.orc, number, kind, context) for number, kind in _PLACES]
    draft = Draft(
        local="asked",
        type=item.type,
        body={},
        keys=tuple(key for key in keys if key is not None),
        distinct=item.code,
    )
    for ids in (await lookup(tx, [draft])).values():
        for identity in ids:
            text = await tx.value(
                "SELECT body FROM resource WHERE tenant_id = $1 AND type = $2 AND id = $3 AND NOT deleted",
                item.type,
                identity,
            )
            if text and agrees(draft, body := jsontext.stored(text)):
                return body
    return None


def _key(orc: Segment, number: int, kind: str, context: Context) -> Key | None:
    value = Value((orc.repetitions(number) or [""])[0], Source("ORC", number), orc)
    found = ei_key(value, context, kind)
    return found if isinstance(found, Key) else None


def _lines(item: Asked, known: dict[str, Any] | None, message: Message) -> list[str]:
    d = message.delimiters
    yes, _, no = codes("hl70119-answer").get(item.orc.text(1), "").partition("|")
    said = (yes if known is not None else no) or "OK"
    status = codes("out-order-status").get(str((known or {}).get("status")), "")
    numbers = [
        item.orc.raw_field(number) or _number(known, kind, message) for number, kind in ((2, "PLAC"), (3, "FILL"))
    ]
    if said == "NA" and not numbers[0]:
        said = "UA"
    lines = [d.field.join(("ORC", said, *numbers, item.orc.raw_field(4), status)).rstrip(d.field)]
    if item.detail is not None and item.detail.name == "OBR":
        lines.append(
            d.field.join(("OBR", item.detail.raw_field(1), *numbers, item.detail.raw_field(4))).rstrip(d.field)
        )
    elif item.detail is not None and item.detail.name in _AS_ORDERED.get(read_as(message), ("RQD",)):
        lines.append(item.detail.raw)
    return [*(segment.raw for segment in item.above), *lines, *(segment.raw for segment in item.more)]


def _number(known: dict[str, Any] | None, kind: str, message: Message) -> str:
    """The order's number of that kind as the record has it, as a field."""
    for identifier in (known or {}).get("identifier", ()):
        typed = [c.get("code") for c in identifier.get("type", {}).get("coding", ())]
        for repetition in ei(identifier, kind) if kind in typed else ():
            writer = SegmentWriter("ORC")
            for (component, sub), text in repetition.items():
                writer.put(1, text, component, sub)
            return writer.text(message.delimiters).partition(message.delimiters.field)[2]
    return ""
