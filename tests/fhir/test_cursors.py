"""Cursors carry the way back over as many pages as an address can hold, and then say that they do not know it."""

from __future__ import annotations

from typing import Any

from fhir.search.options import Options, cursor_after, cursor_before, cursor_text, read_option


def followed(text: str) -> Options:
    stated: dict[str, Any] = {}
    assert read_option(stated, ["Patient"], "_cursor", text, lambda *_: None)
    return Options(**stated)


def test_the_way_back_over_a_few_pages() -> None:
    own = [cursor_text("value", n) for n in range(4)]
    assert cursor_before(Options()) is None
    second = cursor_after(own[0], Options(), "")
    assert second == own[0] and cursor_before(followed(second)) == ""
    third = cursor_after(own[1], followed(second), second)
    assert cursor_before(followed(third)) == second
    fourth = cursor_after(own[2], followed(third), third)
    assert cursor_before(followed(fourth)) == third and followed(fourth).cursor == ("value", 2)


def test_the_way_back_has_an_end() -> None:
    text, steps = "", []
    options = Options()
    for n in range(300):
        text = cursor_after(cursor_text("x" * 30, n), options, text)
        options = followed(text)
        steps.append(text)
    assert len(text) < 1700 and steps[2].count("~") == 2
    back = 0
    while (before := cursor_before(options)) is not None:
        assert before == "" or followed(before).cursor == followed(steps[-2 - back]).cursor
        options, back = followed(before), back + 1
    assert 10 < back < 300
