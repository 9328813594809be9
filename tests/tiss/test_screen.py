"""Guides that pass the quick screen are those the rules find nothing in: with and without it, the findings are equal."""

from __future__ import annotations

import random
from typing import Any

import clean
import faults_made
import faults_of_guides
import faults_of_messages
import made
import pytest
from faults import ITEM, Fault, make, put
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tiss.test_clean import TODAY
from tests.tiss.test_made_faults import bodies
from tiss.rules import fragments
from tiss.rules.case import Given
from tiss.rules.contract import Contract
from tiss.rules.message import Facts, check
from tiss.rules.screen import Env
from tiss.tables.tables import installed
from tiss.wire import build, message

TEXTS = (
    "", " ", "0", "1", "2", "3", "1.00", "0.01", "99", "04", "08", "22", "19", "20", "00", "31005497", "10101012", "40304361",
    "2026-11-01", "2026-12-01", "2008-01-01", "2026-11-20Z", "07:00:00", "23:00:00", "S1", "S2", "036", "999", "x",
)  # fmt: skip


def found(raw: bytes, contract: Contract, *, screens: bool) -> Facts:
    parsed = message.read(raw)
    assert isinstance(parsed, message.Tiss)
    known = Given(version=parsed.version, tables=installed(), today=TODAY, contract=contract)
    return check(fragments.pieces(parsed, raw), known, set(), valid=True, screens=screens)


def same(raw: bytes, contract: Contract | None = None) -> Facts:
    agreed = contract or Contract()
    one, two = (found(raw, agreed, screens=screens) for screens in (True, False))
    assert one == two
    return one


def passed(raw: bytes) -> int:
    """How many guides the screen lets pass."""
    parsed = message.read(raw)
    assert isinstance(parsed, message.Tiss)
    known = Given(version=parsed.version, tables=installed(), today=TODAY, contract=Contract(), registered="2026-11-20")
    read = fragments.extract(fragments.pieces(parsed, raw), Env(given=known, wanted=frozenset()))
    return sum(unit.passed for unit in read.whole.rows)


def test_clean_guides_pass() -> None:
    visits, raw = clean.consulta_batch(20), clean.sadt_batch(40, expenses=1)
    passed(visits), passed(raw)  # markup is screened from the second time it is seen
    assert passed(visits) == 20
    assert passed(raw) > 25  # a guide with OPME is always looked at
    assert same(raw).problems == ()
    same(clean.consulta_batch(5))


@pytest.mark.parametrize(
    "fault", faults_of_messages.FAULTS + faults_of_guides.FAULTS, ids=lambda fault: str(fault.name)
)
def test_every_fault_of_a_batch(fault: Fault) -> None:
    raw = make(fault)
    if isinstance(message.read(raw), message.Tiss):
        same(raw, fault.contract)


@pytest.mark.parametrize(
    "fault",
    [fault for fault in faults_made.FAULTS if fault.transaction == faults_made.LOT],
    ids=lambda fault: fault.code,
)
def test_every_fault_made(fault: faults_made.Made) -> None:
    for body in bodies(fault):
        same(made.message_of(fault.transaction, "4.03.00", body))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 30), visit=st.booleans(), data=st.data())
def test_any_text_anywhere(seed: int, visit: bool, data: st.DataObject) -> None:
    raw = clean.consulta_batch(2, seed=seed) if visit else clean.sadt_batch(2, seed=seed)
    parsed = message.read(raw)
    assert isinstance(parsed, message.Tiss)
    leaves = [node for node in parsed.root.iter() if not len(node) and not str(node.tag).endswith(("}hash", "}Padrao"))]
    for _ in range(data.draw(st.integers(1, 3))):
        leaves[data.draw(st.integers(0, len(leaves) - 1))].text = data.draw(st.sampled_from(TEXTS))
    if data.draw(st.booleans()):
        gone = leaves[data.draw(st.integers(0, len(leaves) - 1))]
        gone.getparent().remove(gone)  # type: ignore[union-attr]
    build.seal(parsed.root)
    same(build.serialize(parsed.root))


def test_contracts_are_heard() -> None:
    raw = clean.sadt_batch(3, seed=2)
    for contract in (
        Contract(days=2),
        Contract(levels={"payer.clinical": "error"}),
        Contract(levels={"payer.password": "error", "payer.quantity": "error"}),
        Contract(operator="005711"),
    ):
        assert same(raw, contract).problems or contract.levels.keys() == {"payer.password", "payer.quantity"}


def test_twins_among_passed_guides_are_found() -> None:
    dice = random.Random(1)
    guides: list[dict[str, Any]] = [clean.consulta(number, dice) for number in (1, 2, 3)]
    put(guides[2], "cabecalhoConsulta/numeroGuiaPrestador", "C1")
    raw = clean.batch("guiaConsulta", guides, "4.03.00")
    passed(raw)
    assert passed(raw) == 3
    assert [problem.code for problem in same(raw).problems] == ["duplicate.guide"]
    lines: list[dict[str, Any]] = [clean.sadt(number, dice) for number in (1, 2)]
    put(lines[1], f"{ITEM}/0/quantidadeExecutada", "900")
    assert [problem.code for problem in same(clean.batch("guiaSP-SADT", lines, "4.03.00")).problems] == ["sum.item"]
