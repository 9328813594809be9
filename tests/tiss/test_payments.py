"""Payment statements as operators send them: every guide, item, debit and credit is read, in both forms."""

from __future__ import annotations

from pathlib import Path

import payments_made as made
import pytest
from lxml import etree
from shared_files import samples

from canonical.problem import Problem
from tiss.answers import replies
from tiss.answers.payments import judged
from tiss.answers.values import Remittance
from tiss.wire import versions


def read(raw: bytes) -> Remittance:
    found = replies.read(raw)
    assert not isinstance(found, Problem) and found.problems == ()
    (told,) = (one for one in found.answers if isinstance(one, Remittance))
    return told


def count(path: Path, name: str) -> int:
    root = etree.parse(path).getroot()
    return len(root.findall(f".//{{{versions.NAMESPACE}}}{name}"))


def test_samples_are_read_whole() -> None:
    found = sorted(samples("tiss").glob("*/DEMONSTRATIVO_*__demonstrativoPagamento*.xml"))
    assert {path.stem.split("__")[1] for path in found} == {"demonstrativoPagamento", "demonstrativoPagamentoOdonto"}
    for path in found:
        whole(path)


def whole(path: Path) -> None:
    told = read(path.read_bytes())
    guides = [guide for day in told.days for protocol in day.protocols for guide in protocol.guides]
    entries = [*told.entries, *(entry for day in told.days for entry in day.entries)]
    assert told.number and told.operator == "999999" and told.issued_on and all(day.on for day in told.days)
    assert len(guides) == count(path, "numeroGuiaPrestador") and all(guide.kind in "12" for guide in guides)
    assert len(entries) == count(path, "indicador") and all(entry.cents for entry in entries)
    assert sum(len(guide.items) for guide in guides) == count(path, "sequencialItem")
    assert told.dental == ("Odonto" in path.stem)
    assert (judged(told) is None) == (not any(guide.items and guide.kind == "1" for guide in guides))


@pytest.mark.parametrize("version", [v for v in versions.installed() if v >= "4.02.00"])
def test_a_value_and_its_message_say_the_same(version: str) -> None:
    told = made.remittance(
        "77",
        [
            made.day("2026-12-05", [made.protocol("1", [made.guide("10", 1000, 50), made.guide("11", 7, 0, made.APPEAL)])]),
            made.day("2026-12-20", [made.protocol("2", [made.guide("12", 99)], batch="2")], [made.entry(-30), made.entry(5)]),
        ],
        entries=[made.entry(-11, "07", "Desconto financeiro")],
    )  # fmt: skip
    found = read(made.message(told, version))
    assert [(day.on, day.net_cents, day.debit_cents, day.credit_cents) for day in found.days] == [
        ("2026-12-05", 1007, 0, 0), ("2026-12-20", 74, 30, 5),
    ]  # fmt: skip
    assert (found.net_cents, found.debit_cents, found.credit_cents) == (1070, 41, 5)
    assert [(g.provider_number, g.kind, g.paid_cents, g.denied_cents) for d in found.days for p in d.protocols for g in p.guides] == [
        ("10", "1", 1000, 50), ("11", "2", 7, 0), ("12", "1", 99, 0),
    ]  # fmt: skip


def test_the_request_of_the_same_name_is_no_answer() -> None:
    (path,) = sorted(samples("tiss").glob("3.05.00/SOLIC_DEMONSTRATIVO_RETORNO__demonstrativoPagamento*.xml"))
    found = replies.read(path.read_bytes())
    assert not isinstance(found, Problem) and [problem.code for problem in found.problems] == ["header.no-answer"]
