"""What a process of the hub says of itself: lines for a person, or JSON objects for whoever collects them.

No patient data stands in either: failures are named by code and place, and an exception's own text is not written.
"""

from __future__ import annotations

import datetime
import json
import logging
import os
import traceback
from typing import Any

from hub.exchange.work.lanes import place_of


def begin(door: str, form: str) -> None:
    """Log from INFO upwards to standard error, as `text` or `json`."""
    handler = logging.StreamHandler()
    handler.setFormatter(AsJson(door) if form == "json" else AsText("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("asyncssh").setLevel(logging.WARNING)  # it tells every step of every login


class AsText(logging.Formatter):
    """One line; of an exception the places it went through and its type, never its text, which could carry a value."""

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the framework's name
        """The places and the type."""
        return "".join(traceback.format_tb(ei[2])) + type(ei[1]).__name__


class AsJson(logging.Formatter):
    """One object a line: `at` (UTC), `level`, `door`, `pid`, `logger`, `text`; of an exception its type and place."""

    def __init__(self, door: str) -> None:
        super().__init__()
        self._door = door

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        document = {
            "at": datetime.datetime.fromtimestamp(record.created, datetime.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "door": self._door,
            "pid": os.getpid(),
            "logger": record.name,
            "text": record.getMessage(),
        }
        if record.exc_info and record.exc_info[1] is not None:
            document["exception"] = type(record.exc_info[1]).__name__
            document["where"] = place_of(record.exc_info[1])
        return json.dumps(document, ensure_ascii=False)
