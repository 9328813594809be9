"""The places of a finding's words: values, the word for one or many, amounts as they are written in each language."""

from __future__ import annotations

import re

import pytest

from canonical.problem import Problem, catalogue, filled, in_general

TEXT = "{n} {n:guia foi paga|guias foram pagas} por R$ {sum:money}"


@pytest.mark.parametrize(
    ("n", "amount", "said"),
    [
        ("1", "91.43", "1 guia foi paga por R$ 91,43"),
        ("2", "1234567.50", "2 guias foram pagas por R$ 1.234.567,50"),
        ("0", "-1000", "0 guias foram pagas por R$ -1.000"),
        ("01", "-0.05", "01 guias foram pagas por R$ -0,05"),
        ("16", "1,00", "16 guias foram pagas por R$ 1,00"),  # as it was stated: it is no amount of the standard
    ],
)
def test_places_are_filled(n: str, amount: str, said: str) -> None:
    assert filled(TEXT, {"n": n, "sum": amount}, "pt") == said


def test_an_amount_in_english_and_a_place_without_a_value_stay() -> None:
    assert filled("{sum:money} {what} {n:a|b}", {"sum": "1234.50"}, "en") == "1234.50 {what} {n:a|b}"


def test_a_finding_says_it_and_in_general_leaves_it_open() -> None:
    told = Problem("payment.differs", args=(("count", "1"),))
    assert told.text().startswith("1 guia foi paga por valor") and told.text("en").startswith("1 guide was paid")
    assert in_general("payment.differs")[0].startswith("… guias foram pagas por valor")
    total = Problem("sum.total", args=(("at", "Guia 1"), ("stated", "1.00"), ("right", "1591.43"), ("glosa", "5042")))
    assert "informado R$ 1,00, o certo é R$ 1.591,43" in total.text() and "1591.43" in total.text("en")


def test_no_word_is_left_for_the_reader_to_choose() -> None:
    choices = re.compile(r"[a-zçãéí]\((s|es|ns)\)")
    said = {code: text for code, words in catalogue().items() for text in words.text.values() if choices.search(text)}
    assert said.keys() <= {"fhir.subscription.endpoint"}  # http(s) is an address, no plural
