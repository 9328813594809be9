"""A seeded-fault corpus: each fault gives its finding, at its place, with its words; together they cover every rule."""

from __future__ import annotations

import faults_made
import faults_of_guides
import faults_of_messages
import pytest
from faults import Fault, make

from canonical.problem import catalogue
from tests.tiss.test_clean import report
from tiss.rules.case import rules

FAULTS = faults_of_messages.FAULTS + faults_of_guides.FAULTS


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_fault(fault: Fault) -> None:
    found = report(make(fault), fault.contract).problems
    codes = [problem.code for problem in found]
    assert fault.code in codes, codes
    hits = [problem for problem in found if problem.code == fault.code]
    places = [problem.where.replace("[1]", "") for problem in hits]
    assert fault.where.replace("[1]", "") in places, places
    if not fault.more:
        assert set(codes) == {fault.code}, [(problem.code, problem.where) for problem in found]
    for problem in hits:
        for language in ("pt", "en"):
            assert "{" not in problem.text(language) + problem.remedy(language), problem


OTHERS = {  # proven by tests of their own
    "header.transaction-reply", "header.empty", "table.too-many-guides", "table.death", "table.birth", "date.stay",
    "date.order", "identifier.cid", "identifier.cid-dot", "identifier.cns-digits", "header.version-expired",
    "header.file-name", "payer.size", "payer.late", "payer.place", "payer.password", "payer.validation", "payer.quantity", "payer.opme-licence", "payer.opme-registration",
    "payer.clinical", "encoding.bom", "duplicate.file", "duplicate.lot", "duplicate.transaction", "duplicate.billed",
}  # fmt: skip


def test_every_rule_has_a_fault() -> None:
    known = {fault.code for fault in FAULTS} | {fault.code for fault in faults_made.FAULTS} | OTHERS
    assert set(rules()) - known == set()


def test_the_words_of_every_rule_exist_in_both_languages() -> None:
    words = catalogue()
    for code, rule in rules().items():
        assert rule.severity in (words[code].severity, "off"), code
        for language in ("pt", "en"):
            assert words[code].text[language] and words[code].remedy[language], code
            assert ("{glosa}" in words[code].text[language]) == bool(rule.glosa), code
