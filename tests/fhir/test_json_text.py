"""Stored text: what it gives back, and that damaged text is never taken for an empty record."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir import jsontext

_TEXTS = st.text(st.characters(exclude_characters="\x00", codec="utf-8"), max_size=20)  # no record may hold a NUL
_VALUES = st.recursive(
    st.none() | st.booleans() | _TEXTS, lambda inner: st.lists(inner) | st.dictionaries(_TEXTS, inner)
)


@given(st.dictionaries(_TEXTS, _VALUES))
def test_a_stored_record_comes_back_as_it_was(body: dict[str, object]) -> None:
    assert jsontext.stored(jsontext.text(body)) == body


@pytest.mark.parametrize(
    "text", ["", " ", "null", "[]", '"Patient"', "0", "true", '{"resourceType": "Patient"', "{}{}"]
)
def test_damaged_text_is_no_record(text: str) -> None:
    with pytest.raises(TypeError, match="no JSON object"):
        jsontext.stored(text)
