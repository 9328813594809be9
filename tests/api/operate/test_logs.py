"""Log lines as JSON: one object each, the place of an exception and never its words."""

from __future__ import annotations

import io
import json
import logging
import sys

import httpx
import pytest

from api.logs import REPEAT_SECONDS, AsJson, Sparing, begin
from canonical.errors import Misconfigured
from hub.settings import from_environment


def test_a_line_is_an_object_without_an_exceptions_words() -> None:
    try:
        raise ValueError("Maria das Dores 52998224725")
    except ValueError:
        record = logging.LogRecord("ponte.x", logging.ERROR, __file__, 1, "lane %s: stopped", (7,), sys.exc_info())
    line = AsJson("worker").format(record)
    said = json.loads(line)
    assert (
        "\n" not in line and said["text"] == "lane 7: stopped" and said["level"] == "error" and said["door"] == "worker"
    )
    assert said["exception"] == "ValueError" and said["where"].startswith(__name__) and said["at"].endswith("+00:00")
    assert "Maria" not in line and "52998224725" not in line


def test_the_form_is_text_or_json() -> None:
    assert from_environment({"PONTE_LOG_FORMAT": "json"}).log_format == "json"
    with pytest.raises(Misconfigured):
        from_environment({"PONTE_LOG_FORMAT": "xml"})


def test_what_is_said_again_and_again_is_told_once_and_then_counted() -> None:
    """While a server is away every sender and every client says the same, many times a second."""
    written, at = io.StringIO(), [0.0]
    handler = Sparing(lambda: at[0], written)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))

    def say(level: int, text: str, *given: object) -> None:
        handler.handle(logging.LogRecord("ponte.mllp", level, __file__, 1, text, given, None))

    for _ in range(500):
        say(logging.WARNING, "channel %s: not acknowledged: %s", "his", "store.down")
        say(logging.WARNING, "channel %s: not acknowledged: %s", "lis", "store.down")
        say(logging.INFO, "started")
    lines = written.getvalue().splitlines()
    assert lines.count("INFO started") == 500, "only warnings are counted"
    assert [line for line in lines if "his" in line] == ["WARNING channel his: not acknowledged: store.down"]
    at[0] = REPEAT_SECONDS
    say(logging.INFO, "going on")
    later = written.getvalue().splitlines()[len(lines) :]
    told = "WARNING channel {}: not acknowledged: store.down (again, 499 times since)"
    assert later == [told.format("his"), told.format("lis"), "INFO going on"]
    say(logging.WARNING, "channel %s: not acknowledged: %s", "his", "store.down")
    say(logging.WARNING, "channel %s: not acknowledged: %s", "his", "store.down")
    handler.close()
    last = written.getvalue().splitlines()[len(lines) + 3 :]
    assert last == [
        "WARNING channel his: not acknowledged: store.down",
        "WARNING channel his: not acknowledged: store.down (again, 1 times since)",
    ]


def test_addresses_that_are_called_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """In the address of a look-up at the national network stands who is looked for."""
    before = {name: logging.getLogger(name).level for name in ("httpx", "apscheduler", "asyncpg", "asyncssh")}
    root = logging.getLogger().level
    try:
        begin("worker", "text")
        caplog.handler.setLevel(logging.DEBUG)
        with httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200))) as client:
            client.get("https://ehr.example/Patient?identifier=52998224725")
        assert "52998224725" not in caplog.text
    finally:
        logging.getLogger().setLevel(root)
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
