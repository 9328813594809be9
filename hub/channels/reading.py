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
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from canonical.errors import Refused
from hl7 import charset
from hub.channels.document import Destination, Document, Filter
from mappings.toml_lines import line_of, lines_of

_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
_DELIVERED = ("equals", "among", "differs", "begins", "present")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong: the key (`filters[1].field`), the line of the file (0: unknown), and what to do."""

    key: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.key}: {self.text}" if self.line else f"{self.key}: {self.text}"


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
        raise Faulty([Fault(key="(file)", line=line, text=re.sub(r" \(at .*", "", str(error)))]) from None
    return _document(table, lines_of(text))


def from_json(table: Any) -> Document:
    """The document of a JSON object; raises Faulty with every fault and its key."""
    return _document(table, {})


def stored(name: str, door: str, settings: str) -> Document:
    """The document of a stored version, whose name and door are columns; raises Faulty."""
    return from_json({"name": name, "door": door, **json.loads(settings)})


def _document(table: Any, lines: Mapping[str, int]) -> Document:
    faults: list[Fault] = []

    def wrong(key: str, text: str) -> None:
        faults.append(Fault(key=key or "(document)", line=line_of(key, lines), text=text))

    found = _read(Document, table, "", wrong)
    if isinstance(found, Document):
        for key, text in _together(found):
            wrong(key, text)
    if faults or not isinstance(found, Document):
        raise Faulty(sorted(faults, key=lambda fault: fault.line))
    return found


Wrong = Callable[[str, str], None]


def _read(cls: type, table: Any, place: str, wrong: Wrong) -> Any:
    """An instance of the dataclass `cls`, or None when something was wrong (and told)."""
    if not isinstance(table, dict):
        wrong(place, "must be a table")
        return None
    known = {item.name: item for item in dataclasses.fields(cls)}
    values: dict[str, Any] = {}
    good = True
    for key, value in table.items():
        if key not in known:
            wrong(_join(place, key), f"there is no such key; known are {', '.join(sorted(known))}")
            good = False
            continue
        read = _value(_hints(cls)[key], value, _join(place, key), known[key].metadata, wrong)
        good = good and read is not None
        values[key] = read
    for name, item in known.items():
        required = item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
        if required and name not in values and name not in table:
            wrong(_join(place, name), "is missing")
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
    wrong(place, f"must be one of {', '.join(allowed)}")
    return None


def _list(kind: Any, value: Any, place: str, rules: Mapping[str, Any], wrong: Wrong) -> Any:
    if not isinstance(value, list):
        wrong(place, "must be a list")
        return None
    read = [_value(kind, item, f"{place}[{n}]", rules, wrong) for n, item in enumerate(value, start=1)]
    return None if None in read else tuple(read)


def _plain(kind: type, value: Any, place: str, rules: Mapping[str, Any], wrong: Wrong) -> Any:
    right = isinstance(value, int | float if kind is float else kind) and (kind is bool or not isinstance(value, bool))
    if not right:
        wrong(place, f"must be {_WORDS[kind]}")
        return None
    if isinstance(value, str) and ("\0" in value or len(value) > 4000):
        wrong(place, "is no text this can hold")
        return None
    if isinstance(value, str) and value and "pattern" in rules and not re.fullmatch(rules["pattern"], value):
        wrong(place, "has not the form it must have")
        return None
    if not isinstance(value, str) and not rules.get("least", value) <= value <= rules.get("most", value):
        wrong(place, f"must lie between {rules.get('least', '-')} and {rules.get('most', '-')}")
        return None
    return value


def _mapping(value: Any, place: str, rules: Mapping[str, Any], wrong: Wrong) -> Any:
    if not isinstance(value, dict):
        wrong(place, "must be a table")
        return None
    good = True
    for key, said in value.items():
        if not re.fullmatch(rules["keys"], key):
            wrong(_join(place, key), "is no key that may stand here")
            good = False
        elif not isinstance(said, str) or said not in rules.get("values", (said,)):
            wrong(_join(place, key), f"must be {' or '.join(rules.get('values', ('text',)))}")
            good = False
    return dict(value) if good else None


def _together(found: Document) -> list[tuple[str, str]]:
    """What cannot be seen in one key alone."""
    faults = [*_settings(found), *_pickup(found)]
    parts: list[tuple[str, Filter | Destination]] = [(f"filters[{n}]", f) for n, f in enumerate(found.filters, start=1)]
    parts += [(f"destinations[{n}]", d) for n, d in enumerate(found.destinations, start=1)]
    for place, part in parts:
        said = [name for name in _DELIVERED if getattr(part, name) not in ("", (), None)]
        if part.field and len(said) != 1:
            faults.append((f"{place}.field", f"needs exactly one of {', '.join(_DELIVERED)}"))
        if said and not part.field:
            faults.append((f"{place}.{said[0]}", "needs `field`, the place it is about"))
    names = [destination.name for destination in found.destinations]
    faults += [
        (f"destinations[{n}].name", "is there twice") for n, name in enumerate(names, 1) if names.count(name) > 1
    ]
    return faults


def _settings(found: Document) -> list[tuple[str, str]]:
    faults = []
    for key, name in (("charset", found.charset), ("fallback", found.fallback)):
        if name and not _charset(name):
            faults.append((key, "is no character set this hub reads"))
    try:
        ZoneInfo(found.zone or "UTC")
    except (KeyError, ValueError, OSError):
        faults.append(("zone", "is no time zone"))
    if found.tls.clients != "none" and not found.tls.trust:
        faults.append(("tls.trust", "is needed to judge client certificates"))
    if found.tls.clients != "none" and not found.tls.certificate:
        faults.append(("tls.certificate", "is needed for TLS"))
    if found.sender.certificates and found.tls.clients == "none":
        faults.append(("sender.certificates", "needs tls.clients"))
    return faults


def _pickup(found: Document) -> list[tuple[str, str]]:
    needed = {"folder": ("path",), "sftp": ("path", "host", "user", "secret", "host_key")}.get(found.door, ())
    return [
        (f"pickup.{name}", f"is needed for door {found.door}") for name in needed if not getattr(found.pickup, name)
    ]


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
