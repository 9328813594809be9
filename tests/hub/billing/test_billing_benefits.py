"""Whatever a payer's statement says, its records are valid R4 and give the statement's lines back."""

from __future__ import annotations

import datetime

from billing_day import IPE, partner_row
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir.validation.validator import validate
from hub.billing.profiles import profile_of
from hub.billing.returns import benefits
from hub.billing.returns.judgement import Line
from tiss.answers import values as answers

AT = datetime.datetime(2026, 11, 21, 9, tzinfo=datetime.UTC)
PROFILE = profile_of(partner_row(IPE))
ODD = st.text(max_size=12)
CENTS = st.integers(-(10**14), 10**14)
GLOSAS = st.builds(answers.Glosa, code=ODD, text=ODD, cents=st.none() | CENTS)
LINES = st.builds(
    Line,
    guide_number=st.sampled_from(("", "1", "2", "A-3")),
    sequence=st.integers(-3, 6) | st.just(1_000_000),
    table=st.sampled_from(("", "22", "00", "18")) | ODD,
    code=st.sampled_from(("", "40304361")) | ODD,
    billed=CENTS,
    processed=CENTS,
    paid=CENTS,
    glosas=st.lists(GLOSAS, max_size=3).map(tuple),
    on=st.sampled_from(("", "2026-11-20", "20/11/2026")) | ODD,
    quantity=st.sampled_from(("", "1", "1.5000", "x")) | ODD,
    participation=ODD,
)


def protocol() -> answers.StatementProtocol:
    return answers.StatementProtocol(
        number="777", batch="1", on="2026-11-21", status="3", guides=(), glosas=(), billed_cents=0, processed_cents=0,
        paid_cents=0, glosa_cents=None, where="/p",
    )  # fmt: skip


def figures(lines: list[Line]) -> list[tuple[int, ...]]:
    return sorted((line.sequence, line.billed, line.processed, line.paid, line.denied) for line in lines)


@settings(max_examples=150, deadline=None)
@given(st.lists(LINES, min_size=1, max_size=6))
def test_any_statement_becomes_valid_records_with_the_same_sums(lines: list[Line]) -> None:
    told = benefits.Told(
        profile=PROFILE, protocol=protocol(), number="9", on=AT.date(),
    )  # fmt: skip
    for number in {line.guide_number for line in lines}:
        group = [line for line in lines if line.guide_number == number]
        body = benefits._body(told, number, group, {})
        assert validate(body) == []
        back = benefits.lines_of(body)
        assert {line.guide_number for line in back} == {number}
        items = [line for line in group if benefits._is_item(line)]
        assert figures([line for line in back if line.code or line.sequence]) == figures(
            [line for line in items if " ".join(line.code.split()) or line.sequence]
        )
        for name in ("billed", "processed", "paid", "denied"):
            assert sum(getattr(line, name) for line in back) == sum(getattr(line, name) for line in group)
