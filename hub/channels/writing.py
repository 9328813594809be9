"""A channel document as the TOML an operator edits: only what it says, in the order of the schema."""

from __future__ import annotations

from canonical import toml_text
from hub.channels.document import Document, as_json


def to_toml(document: Document) -> str:
    """The text; `hub.channels.reading.from_toml` gives the same document again."""
    return toml_text.text(as_json(document))
