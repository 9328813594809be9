"""Regular expressions from outside, matched by an engine whose time grows with the text only (no looking around)."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from pydantic_core import SchemaError, SchemaValidator, ValidationError, core_schema

LONGEST = 1000


class BadPattern(Exception):
    """The expression is too long, is none, or needs to look back."""


@lru_cache(maxsize=1000)
def pattern(text: str, *, whole: bool) -> Callable[[str], bool]:
    """Whether a text matches a regular expression, as a whole or anywhere; raises BadPattern."""
    if len(text) > LONGEST:
        raise BadPattern
    try:
        schema = core_schema.str_schema(
            pattern=f"^(?s:{text})$" if whole else f"(?s:{text})", regex_engine="rust-regex"
        )
        validator = SchemaValidator(schema)
    except SchemaError:
        raise BadPattern from None

    def matches(value: str) -> bool:
        try:
            validator.validate_python(value)
        except ValidationError:
            return False
        return True

    return matches
