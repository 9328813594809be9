"""Log lines as JSON: one object each, the place of an exception and never its words."""

from __future__ import annotations

import json
import logging
import sys

import pytest

from api.logs import AsJson
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
