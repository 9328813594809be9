"""Words of findings: what a list by cause says, where no single finding is meant."""

from __future__ import annotations

import re

from canonical.problem import catalogue, in_general


def test_no_code_shows_its_places_in_general() -> None:
    for code in catalogue():
        for language in ("pt", "en"):
            text, remedy = in_general(code, language)
            assert text and not re.search(r"\{[^\"]", text + remedy), code  # `{"keys"` is what a client writes


def test_what_would_name_a_value_is_left_open() -> None:
    assert in_general("type.unmapped")[0] == "O tipo de mensagem … não tem plano de mapeamento."
