"""Quirks: real-world deviations of partners, each a name a profile opts into; nothing deviates by default.

A quirk's text says what the partner does; the code that honours it looks for the name in the partner's settings.
"""

from __future__ import annotations

from collections.abc import Mapping

QUIRKS: Mapping[str, str] = {
    "declares-latin1-sends-utf8": "its XML declares ISO-8859-1 and is encoded in UTF-8",
}
