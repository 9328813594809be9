"""What hl7apy, a library with structure tables of its own, says of a message: codes and places, never its words.

Its sentences quote values, so they are taken apart here and only names of segments, fields and tables go on. It is
imported by the first call (some 16 MB) and by nothing else; its version import is not safe in threads (here: a lock).
"""

from __future__ import annotations

import os
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from typing import Any

from canonical.problem import Problem
from hl7.er7 import Message

MAXIMUM_SEGMENTS = 2_000
_ONE_AT_A_TIME = threading.Lock()
_NAME = r"([A-Z][A-Z0-9]{1,8}(?:_[A-Za-z0-9_]+)?)"
_CHILD = re.compile(rf"(Missing required child|Child limit exceeded) {_NAME}\.{_NAME}\Z")
_STRANGERS = re.compile(r"Invalid children detected for .*?: \[(.*)\]\Z", re.DOTALL)
_TABLE = re.compile(rf".* not in table HL7(\d{{4}}) in element {_NAME}\.{_NAME}\Z", re.DOTALL)
_TYPE = re.compile(rf"Datatype \S+ is not correct for {_NAME}\.{_NAME} ", re.DOTALL)
_LENGTH = re.compile(rf"Exceeded max length \(\d+\) of {_NAME}\.{_NAME}\Z")
_UNKNOWN = re.compile(r"Unknown element found: .*<(?:Segment|Group|Field) ([A-Z][A-Z0-9]{2})(?:_\d+)?[ >].*", re.DOTALL)
_QUOTED = re.compile(rf"'{_NAME}'")


def second_opinion(message: Message, version: str, structure: str) -> list[Problem]:
    """The findings of hl7apy on `message` as `version`, in a fixed order; `structure` is its name when known.

    Codes are `hl7apy.…`; places are names (`PID-3`, `CX-1`): it does not say which repetition. A message it cannot
    work on gives one `hl7apy.failed` with the name of its exception.
    """
    if len(message.segments) > MAXIMUM_SEGMENTS:
        return [Problem("hl7apy.skipped", args=(("limit", str(MAXIMUM_SEGMENTS)),))]
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            report = _report(_text(message, version, structure))
        except Exception as error:  # its faults on odd input are of every kind (KeyError, AttributeError, …)
            return [Problem("hl7apy.failed", args=(("exception", type(error).__name__),))]
    found = {(p.code, p.where, p.args): p for line in report for p in _translated(line)}
    return [found[key] for key in sorted(found)]


def _text(message: Message, version: str, structure: str) -> str:
    """The message with CR as line end, the version judged in MSH-12 and the structure's name where MSH-9 has none."""
    header = list(message.header.fields())
    header += [""] * (13 - len(header))
    marks = message.delimiters
    parts = header[9].split(marks.component)
    if structure and len(parts) < 3:
        code, _, event = message.type.partition("^")
        header[9] = marks.component.join((code, event, structure))
    header[12] = version
    first = header[0] + marks.field + marks.field.join(header[2:])
    return "\r".join((first, *(segment.raw for segment in message.segments[1:])))


def _report(text: str) -> list[str]:
    """The lines of hl7apy's report; it writes to a file only, so a pipe takes it: nothing reaches the disk."""
    consts, parser = import_module("hl7apy.consts"), import_module("hl7apy.parser")
    validation, errors = import_module("hl7apy.validation"), import_module("hl7apy.exceptions")
    parsed: Any = parser.parse_message(text, validation_level=consts.VALIDATION_LEVEL.TOLERANT, find_groups=True)
    source, sink = os.pipe()
    read: list[bytes] = []
    reader = threading.Thread(target=_drain, args=(source, read))
    reader.start()
    try:
        with suppress(errors.ValidationError):  # the first finding once more
            validation.Validator.validate(parsed, report_file=sink)
    finally:
        with suppress(OSError):  # closed by the report, unless it failed before
            os.close(sink)
        reader.join()
    report = b"".join(read).decode("utf-8", "replace")
    return [line for line in re.split(r"^(?=Error: |Warning: )", report, flags=re.MULTILINE) if line.strip()]


def _drain(source: int, into: list[bytes]) -> None:
    with os.fdopen(source, "rb") as file:
        into.append(file.read())


def _translated(line: str) -> Iterator[Problem]:
    text = line.partition(": ")[2].strip()
    if match := _CHILD.match(text):
        code = "hl7apy.required" if match[1].startswith("Missing") else "hl7apy.repeat"
        yield Problem(code, _place(match[2], match[3]))
    elif match := _STRANGERS.match(text):
        yield from (Problem("hl7apy.unexpected", _place("", name)) for name in _QUOTED.findall(match[1]))
    elif match := _TABLE.match(text):
        yield Problem("hl7apy.table", _place(match[2], match[3]), args=(("table", match[1]),))
    elif match := _TYPE.match(text):
        yield Problem("hl7apy.type", _place(match[1], match[2]))
    elif match := _LENGTH.match(text):
        yield Problem("hl7apy.length", _place(match[1], match[2]))
    else:
        yield Problem("hl7apy.unexpected")


def _place(parent: str, child: str) -> str:
    """`PID-3` of `PID_3`; of a group's name in a structure the group (`ADT_A01_PROCEDURE`); of a segment its name."""
    head, _, tail = child.rpartition("_")
    if tail.isdigit() and len(head) >= 2:
        place = f"{head}-{tail}"
        return place if not parent or parent == head else f"{parent.replace('_', '-')} {place}"
    return child
