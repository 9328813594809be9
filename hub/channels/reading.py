"""Reads a channel document strictly: an unknown key, a wrong type or a value outside its list is a fault with its line.

The same reader serves the TOML file (faults name lines) and the API's JSON (faults name keys).
"""

from __future__ import annotations

import codecs
import dataclasses
import json
import re
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from adapters.transports.files import leads_out
from canonical.errors import Misconfigured, Refused
from canonical.problem import Problem
from canonical.toml_lines import line_of, lines_of
from hl7 import charset
from hub.channels.document import Destination, Document, Filter
from hub.exchange.work import cron

_WORDS = {str: "string", int: "integer", float: "float", bool: "boolean"}
_OPERATORS = ("equals", "among", "differs", "begins", "present")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong: a finding at a key (`filters[1].field`), and the line of the file (0: unknown)."""

    problem: Problem
    line: int = 0

    @property
    def key(self) -> str:
        """The key it is about."""
        return self.problem.where

    def __str__(self) -> str:
        line = f"line {self.line}: " if self.line else ""
        return f"{line}{self.key}: {self.problem.text('en')}"


def fault(key: str, code: str, line: int = 0, **said: str) -> Fault:
    """The fault `channel.<code>` at a key."""
    return Fault(problem=Problem(f"channel.{code}", key, args=tuple(said.items())), line=line)


class Faulty(Refused):
    """The document cannot be taken; `faults` say why."""

    code = "channel.document"

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(str(fault) for fault in faults))
        self.faults = faults


def from_toml(text: str) -> Document:
    """The document of a TOML file; raises Faulty with every fault and its line."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        line = int(found[1]) if found else 0
        reason = re.sub(r" \(at .*", "", str(error))
        raise Faulty([fault("(file)", "toml", line, reason=reason)]) from None
    return _document(table, lines_of(text))


def from_json(table: Any) -> Document:
    """The document of a JSON object; raises Faulty with every fault and its key."""
    return _document(table, {})


def stored(name: str, door: str, settings: str) -> Document:
    """The document of a stored version, whose name and door are columns; raises Faulty."""
    return from_json({"name": name, "door": door, **json.loads(settings)})


def _document(table: Any, lines: Mapping[str, int]) -> Document:
    faults: list[Fault] = []

    def wrong(key: str, code: str, **said: str) -> None:
        faults.append(fault(key or "(document)", code, line_of(key, lines), **said))

    found = _read(Document, table, "", wrong)
    if isinstance(found, Document):
        for key, code, said in _together(found):
            wrong(key, code, **said)
    if faults or not isinstance(found, Document):
        raise Faulty(sorted(faults, key=lambda fault: fault.line))
    return found


class Wrong(Protocol):
    """Notes that the value of a key is wrong."""

    def __call__(self, key: str, code: str, **said: str) -> None:
        """`code` is the last part of the finding's code; `said` fills its text."""


def _read(cls: type, table: Any, place: str, wrong: Wrong) -> Any:
    """An instance of the dataclass `cls`, or None when something was wrong (and told)."""
    if not isinstance(table, dict):
        wrong(place, "type", wanted="table")
        return None
    known = {item.name: item for item in dataclasses.fields(cls)}
    values: dict[str, Any] = {}
    good = True
    for key, value in table.items():
        if key not in known:
            wrong(_join(place, key), "unknown-key", known=", ".join(sorted(known)))
            good = False
            continue
        read = _value(_hints(cls)[key], value, _join(place, key), known[key].metadata, wrong)
        good = good and read is not None
        values[key] = read
    for name, item in known.items():
        required = item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
        if required and name not in values and name not in table:
            wrong(_join(place, name), "missing")
            good = False
    return cls(**values) if good else None


def _value(kind: Any, value: Any, place: str, rules: Mapping[str, Any], wrong: Wrong) -> Any:
    """`value` as its field's type, or None when it is not (and told)."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return _one_of(value, arguments, place, wrong)
    if origin is tuple:
        return _list(arguments[0], value, place, rules, wrong)
    if origin in (typing.Union, types.UnionType):
        return _plain(arguments[0], value, place, rules, wrong)
    if dataclasses.is_dataclass(kind):
        return _read(kind, value, place, wrong)  # type: ignore[arg-type]
    if kind in _WORDS:
        return _plain(kind, value, place, rules, wrong)
    return _mapping(value, place, rules, wrong)


def _one_of(value: Any, allowed: tuple[Any, ...], place: str, wrong: Wrong) -> Any:
    if value in allowed:
        return value
    wrong(place, "one-of", allowed=", ".join(allowed))
    return None


def _list(kind: Any, value: Any, place: str, rules: Mapping[str, Any], wrong: Wrong) -> Any:
    if not isinstance(value, list):
        wrong(place, "type", wanted="list")
        return None
    read = [_value(kind, item, f"{place}[{n}]", rules, wrong) for n, item in enumerate(value, start=1)]
    return None if None in read else tuple(read)


def _plain(kind: type, value: Any, place: str, rules: Mapping[str, Any], wrong: Wrong) -> Any:
    right = isinstance(value, int | float if kind is float else kind) and (kind is bool or not isinstance(value, bool))
    if not right:
        wrong(place, "type", wanted=_WORDS[kind])
        return None
    if isinstance(value, str) and ("\0" in value or len(value) > 4000):
        wrong(place, "form")
        return None
    if isinstance(value, str) and value and "pattern" in rules and not re.fullmatch(rules["pattern"], value):
        wrong(place, "form")
        return None
    if not isinstance(value, str) and not rules.get("least", value) <= value <= rules.get("most", value):
        wrong(place, "range", least=str(rules.get("least", "-")), most=str(rules.get("most", "-")))
        return None
    return value


def _mapping(value: Any, place: str, rules: Mapping[str, Any], wrong: Wrong) -> Any:
    if not isinstance(value, dict):
        wrong(place, "type", wanted="table")
        return None
    good = True
    for key, said in value.items():
        if not re.fullmatch(rules["keys"], key):
            wrong(_join(place, key), "unknown-key", known=rules["keys"])
            good = False
        elif not isinstance(said, str) or said not in rules.get("values", (said,)):
            wrong(_join(place, key), "one-of", allowed=", ".join(rules.get("values", ("string",))))
            good = False
    return dict(value) if good else None


Together = list[tuple[str, str, dict[str, str]]]


def _together(found: Document) -> Together:
    """What cannot be seen in one key alone."""
    faults = [*_settings(found), *_pickup(found)]
    parts: list[tuple[str, Filter | Destination]] = [(f"filters[{n}]", f) for n, f in enumerate(found.filters, start=1)]
    parts += [(f"destinations[{n}]", d) for n, d in enumerate(found.destinations, start=1)]
    for place, part in parts:
        said = [name for name in _OPERATORS if getattr(part, name) not in ("", (), None)]
        if part.field and len(said) != 1:
            faults.append((f"{place}.field", "operator", {"operators": ", ".join(_OPERATORS)}))
        if said and not part.field:
            faults.append((f"{place}.{said[0]}", "needs", {"other": "field"}))
    names = [destination.name for destination in found.destinations]
    twice = [n for n, name in enumerate(names, start=1) if names.count(name) > 1]
    return faults + [(f"destinations[{n}].name", "twice", {}) for n in twice]


def _settings(found: Document) -> Together:
    faults: Together = []
    for key, name in (("charset", found.charset), ("fallback", found.fallback)):
        if name and not _charset(name):
            faults.append((key, "charset", {}))
    try:
        ZoneInfo(found.zone or "UTC")
    except (KeyError, ValueError, OSError):
        faults.append(("zone", "zone", {}))
    if found.tls.clients != "none" and not found.tls.trust:
        faults.append(("tls.clients", "needs", {"other": "tls.trust"}))
    if found.tls.clients != "none" and not found.tls.certificate:
        faults.append(("tls.clients", "needs", {"other": "tls.certificate"}))
    if found.sender.certificates and found.tls.clients == "none":
        faults.append(("sender.certificates", "needs", {"other": "tls.clients"}))
    return faults


def _pickup(found: Document) -> Together:
    needed = {"folder": ("path",), "sftp": ("path", "host", "user", "secret", "host_key")}.get(found.door, ())
    missing = [name for name in needed if not getattr(found.pickup, name)]
    faults: Together = [(f"pickup.{name}", "missing", {}) for name in missing]
    if found.pickup.cron:
        try:
            cron.check(found.pickup.cron, found.zone or "UTC")
        except Misconfigured:
            faults.append(("pickup.cron", "form", {}))
    for name in ("path", "processed", "failed"):
        if found.door == "folder" and leads_out(getattr(found.pickup, name)):
            faults.append((f"pickup.{name}", "form", {}))
    return faults


def _charset(name: str) -> bool:
    """Whether the name is one of table 0211 or of a codec that keeps ASCII (delimiters are ASCII)."""
    try:
        return codecs.decode(b"MSH|", charset.NAMES.get(name.upper(), name)) == "MSH|"
    except (LookupError, ValueError, TypeError):
        return False


@cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _join(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key
