"""What a statement says of items and guides, as lines: each judged item, and guides or protocols judged as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from canonical.billing import money
from canonical.errors import Refused
from canonical.problem import Problem
from tiss.answers import values as answers

_LARGEST_SEQUENCE = 1_000_000
_LARGEST_CENTS = 10**14
_LONGEST_NUMBER = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One judged item, or a guide judged as a whole (sequence 0)."""

    guide_number: str
    sequence: int
    table: str
    code: str
    billed: int
    processed: int
    paid: int
    glosas: tuple[answers.Glosa, ...]
    copay: int = 0
    on: str = ""
    quantity: str = ""
    participation: str = ""

    @property
    def denied(self) -> int:
        """The sum of the glosas that name an amount."""
        return sum(glosa.cents or 0 for glosa in self.glosas)


def refuse_unbelievable(protocol: str, lines: Sequence[Line]) -> None:
    """Raise Refused for numbers no statement can mean: amounts have ten digits, sequences four, protocols twelve."""
    if max(len(protocol), *(len(line.guide_number) for line in lines), 0) > _LONGEST_NUMBER:
        raise Refused("the statement holds a number out of range", code="statement.range")
    for line in lines:
        amounts = (line.billed, line.processed, line.paid, line.denied, line.copay)
        if line.sequence > _LARGEST_SEQUENCE or any(abs(amount) > _LARGEST_CENTS for amount in amounts):
            raise Refused("the statement holds a number out of range", code="statement.range")


def merged(found: Sequence[answers.Statement]) -> list[answers.Statement]:
    """Statements of one message in which each protocol stands once, whole: parts of it do not replace each other."""
    parts: dict[str, list[answers.StatementProtocol]] = {}
    for statement in found:
        for protocol in statement.protocols:
            others = parts.setdefault(protocol.number, [])
            if protocol.number == "" or not any(_same(protocol, other) for other in others):
                others.append(protocol)
    result = []
    for statement in found:
        numbers = dict.fromkeys(protocol.number for protocol in statement.protocols)
        own = tuple(_joined(parts.pop(number)) for number in numbers if number in parts)
        result.append(replace(statement, protocols=own))
    return [statement for statement in result if statement.protocols]


def _same(one: answers.StatementProtocol, other: answers.StatementProtocol) -> bool:
    """Whether two parts say the same, wherever they stand in the message."""
    return _told(one) == _told(other)


def _told(protocol: answers.StatementProtocol) -> tuple[object, ...]:
    lines = [line for guide in protocol.guides for line in lines_of(guide)]
    plain = [replace(line, glosas=tuple(replace(glosa, where="") for glosa in line.glosas)) for line in lines]
    return (protocol.number, protocol.status, protocol.billed_cents, protocol.paid_cents, plain)


def _joined(parts: Sequence[answers.StatementProtocol]) -> answers.StatementProtocol:
    first = parts[0]
    if len(parts) == 1:
        return first
    stated = [part.glosa_cents for part in parts if part.glosa_cents is not None]
    return replace(
        first,
        status=parts[-1].status or first.status,
        guides=tuple(guide for part in parts for guide in part.guides),
        glosas=tuple(glosa for part in parts for glosa in part.glosas),
        billed_cents=sum(part.billed_cents for part in parts),
        processed_cents=sum(part.processed_cents for part in parts),
        paid_cents=sum(part.paid_cents for part in parts),
        glosa_cents=sum(stated) if stated else None,
    )


def lines_of(guide: answers.StatementGuide) -> list[Line]:
    """The lines of a guide: its items, and one for the whole guide where only that was judged."""
    found = [
        Line(
            guide_number=guide.provider_number,
            sequence=item.sequence,
            table=item.table,
            code=item.code,
            billed=item.billed_cents,
            processed=item.processed_cents,
            paid=item.paid_cents,
            copay=item.copay_cents,
            glosas=item.glosas,
            on=item.on,
            quantity=item.quantity,
            participation=item.participation,
        )
        for item in guide.items
    ]
    if found and not guide.glosas:
        return found
    whole = Line(
        guide_number=guide.provider_number,
        sequence=0,
        table="",
        code="",
        billed=guide.billed_cents if not found else 0,
        processed=guide.processed_cents if not found else 0,
        paid=guide.paid_cents if not found else 0,
        glosas=_whole_glosas(guide, sum(line.denied for line in found)),
    )
    return [*found, whole]


def whole_protocol(protocol: answers.StatementProtocol, told_by_guides: int) -> list[Line]:
    """A line for glosas on the protocol itself: what it denies beyond its guides, on the first code."""
    if not protocol.glosas:
        return []
    stated = protocol.glosa_cents if protocol.glosa_cents is not None else protocol.billed_cents - protocol.paid_cents
    rest = max(0, stated - told_by_guides)
    glosas = tuple(
        answers.Glosa(code=glosa.code, text=glosa.text, cents=rest if position == 0 else 0, where=glosa.where)
        for position, glosa in enumerate(protocol.glosas)
    )
    billed = protocol.billed_cents if not protocol.guides else 0
    paid = protocol.paid_cents if not protocol.guides else 0
    return [
        Line(guide_number="", sequence=0, table="", code="", billed=billed, processed=billed, paid=paid, glosas=glosas)
    ]


def _whole_glosas(guide: answers.StatementGuide, told_by_items: int) -> tuple[answers.Glosa, ...]:
    """The guide's own glosas; the first carries what the guide's total denies beyond its items."""
    stated = guide.glosa_cents if guide.glosa_cents is not None else guide.billed_cents - guide.paid_cents
    rest = max(0, stated - told_by_items)
    return tuple(
        answers.Glosa(code=glosa.code, text=glosa.text, cents=rest if position == 0 else 0, where=glosa.where)
        for position, glosa in enumerate(guide.glosas)
    )


def sums(protocol: answers.StatementProtocol, lines: Sequence[Line]) -> list[Problem]:
    """Where the statement's own amounts disagree: informado = liberado + glosa (+ open), parts = totals."""
    found: list[str] = []
    for name, stated, counted in (
        ("informado", protocol.billed_cents, sum(line.billed for line in lines)),
        ("liberado", protocol.paid_cents, sum(line.paid for line in lines)),
    ):
        if stated != counted:
            found.append(f"{name} {money(stated)}, soma dos itens {money(counted)}")
    over = sum(line.sequence > 0 and line.paid + line.denied + line.copay > line.billed for line in lines)
    if over:
        found.append(f"liberado + glosa + franquia acima do informado em {over} item(ns)")
    return [Problem("statement.sum", protocol.where, args=(("what", what),)) for what in found]
