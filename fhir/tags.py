"""Entity tags of versions (R4 §3.1.0.1.2; RFC 9110 §8.8.3, §13.1): what If-Match and If-None-Match name.

Weak and strong tags are compared alike, as R4 asks: a version is the same resource in either form.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_TAG = re.compile(r'(?:W/)?"([\x21\x23-\x7e\x80-\U0010ffff]*)"')
_BETWEEN = re.compile(r"[ \t]*(?:,|\Z)[ \t,]*")
_VERSION = re.compile(r"[0-9]{1,18}\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Tags:
    """The versions that were named, or every one (`*`). A tag that is no version of ours names nothing."""

    versions: frozenset[int] = frozenset()
    every: bool = False

    def name(self, version: int) -> bool:
        """Whether a version is among them."""
        return self.every or version in self.versions


ALL = Tags(every=True)


def read(text: str) -> Tags | None:
    """The tags of a header: `*`, or a list of tags; None when it is neither."""
    text = text.strip(" \t,")
    if text == "*":
        return ALL
    versions: set[int] = set()
    position = 0
    while position < len(text):
        tag = _TAG.match(text, position)
        gap = _BETWEEN.match(text, tag.end()) if tag is not None else None
        if tag is None or gap is None:
            return None
        if _VERSION.match(tag[1]):
            versions.add(int(tag[1]))
        position = gap.end()
    return Tags(frozenset(versions)) if text else None
