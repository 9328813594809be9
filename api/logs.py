"""What a process of the hub says of itself: lines for a person, or JSON objects for whoever collects them.

No patient data stands in either: failures are named by code and place, and an exception's own text is not written.
"""

from __future__ import annotations

import copy
import datetime
import json
import logging
import os
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TextIO

from hub.exchange.work.lanes import place_of

REPEAT_SECONDS = 30.0
_MOST_TOLD = 1000


def begin(door: str, form: str) -> None:
    """Log from INFO upwards to standard error, as `text` or `json`."""
    handler = Sparing()
    handler.setFormatter(AsJson(door) if form == "json" else AsText("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for name, level in _QUIETER.items():
        logging.getLogger(name).setLevel(level)


_QUIETER = {
    "asyncssh": logging.WARNING,  # it tells every step of every login
    "httpx": logging.WARNING,  # it tells every address that was called, and who is asked about stands in some of them
    "apscheduler": logging.ERROR,  # it tells every tick that comes while the one before still waits for the database
    "asyncpg": logging.ERROR,  # it tells, with all its places, each connection it could not make ahead of its use
}


class Sparing(logging.StreamHandler[TextIO]):
    """Of the same warning only the first is written within REPEAT_SECONDS; then how often it came meanwhile.

    Every sender and every client says the same while a server is away, many times a second.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, stream: TextIO | None = None) -> None:
        super().__init__(stream)
        self._clock = clock
        self._told: dict[tuple[str, str], _Told] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record, or count it; what was counted long enough is written first."""
        now = self._clock()
        for key, told in list(self._told.items()):
            if now - told.since >= REPEAT_SECONDS:
                del self._told[key]
                if told.more:
                    super().emit(_summed(told))
        if record.levelno >= logging.WARNING:
            key = (record.name, record.getMessage())
            if (known := self._told.get(key)) is not None:
                known.more += 1
                return
            if len(self._told) < _MOST_TOLD:
                self._told[key] = _Told(record, now)
        super().emit(record)

    def close(self) -> None:
        """Write what was counted and not told yet."""
        for told in self._told.values():
            if told.more:
                super().emit(_summed(told))
        self._told.clear()
        super().close()


@dataclass(slots=True)
class _Told:
    record: logging.LogRecord
    since: float
    more: int = 0


def _summed(told: _Told) -> logging.LogRecord:
    """The first record once more, with how many came after it; without the places of an exception."""
    record = copy.copy(told.record)
    record.msg, record.args = f"{told.record.getMessage()} (again, {told.more} times since)", None
    record.exc_info = record.exc_text = None
    record.created = time.time()
    return record


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
