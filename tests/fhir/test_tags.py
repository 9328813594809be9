"""Entity tags (RFC 9110 §8.8.3): lists, weak and strong, `*`, and what is neither."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir.tags import ALL, read

READ = {
    'W/"3"': {3}, '"3"': {3}, 'W/"1", "2"': {1, 2}, ' , "7" ,,\t"8", ': {7, 8}, '"1,2"': set(), '"abc"': set(),
    'W/""': set(), '"01"': {1}, '"1","1"': {1}, '"1234567890123456789"': set(), '"\u0661"': set(),
}  # fmt: skip


@pytest.mark.parametrize("text", READ)
def test_lists(text: str) -> None:
    found = read(text)
    assert found is not None and found.versions == READ[text] and not found.every


def test_any_version() -> None:
    assert read(" * ") is ALL and ALL.name(1) and ALL.name(10**17)


@pytest.mark.parametrize(
    "text", ["", " ", ",", "3", "W/3", '"1', '1"', '"1" "2"', '"1", *', '*, "1"', 'w/"1"', '"1";"2"', '"a b"']
)
def test_what_is_no_list(text: str) -> None:
    assert read(text) is None


@given(
    st.lists(st.tuples(st.integers(0, 10**17), st.booleans()), min_size=1, max_size=20),
    st.sampled_from([",", ", ", " ,\t"]),
)
def test_what_is_written_is_read(named: list[tuple[int, bool]], between: str) -> None:
    found = read(between.join(f'{"W/" if weak else ""}"{version}"' for version, weak in named))
    assert found is not None and found.versions == {version for version, _ in named}


@given(st.text(alphabet='W/"1, *\x00é', max_size=40))
def test_nothing_breaks_it(text: str) -> None:
    read(text)
