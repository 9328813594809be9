"""The parameters of an operation (R4 §3.2.0.1.1): from the query string, or from a Parameters body, checked by type."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

from api.http.rejected import Rejected
from api.routes.fhir.exchange import Exchange
from canonical.problem import Problem
from fhir.validation import primitives
from fhir.validation.validator import validate

MOST_COUNT = 1_000_000
_WHOLE = re.compile(r"[0-9]{1,9}\Z", re.ASCII)


class Inputs:
    """What was given by name: texts of the query string, and `value[x]` or resources of a Parameters body."""

    def __init__(self) -> None:
        self.values: dict[str, list[Any]] = defaultdict(list)

    @classmethod
    async def of(cls, exchange: Exchange) -> Inputs:
        """The parameters of a request; raises Rejected (400, 413, 415)."""
        found = cls()
        for name, value in exchange.query:
            found.values[name].append(value)
        if exchange.request.method != "POST":
            return found
        if is_bare(exchange):
            return found
        document = await exchange.resource()
        kind = str(document.get("resourceType"))
        if kind != "Parameters" and kind != exchange.request.path_params.get("type_name"):
            raise Rejected(400, [Problem("fhir.structure.resource-type", "Parameters.resourceType")])
        if problems := [problem for problem in validate(document) if problem.blocks]:
            raise Rejected(400, problems)
        if kind != "Parameters":  # the one resource an operation takes may come by itself (R4 §3.2.0.1.1)
            found.values[kind[0].lower() + kind[1:]].append(document)
            return found
        for part in document.get("parameter", ()):
            found.values[part["name"]].append(_value(part))
        return found

    def texts(self, name: str) -> list[str]:
        """All texts given under a name; raises Rejected for values of another kind."""
        found = self.values.get(name, [])
        if any(not isinstance(value, str) for value in found):
            raise bad(name)
        return [value for value in found if value]

    def text(self, name: str) -> str:
        """The text given, or the empty one; raises Rejected when it is no text or given twice."""
        found = self.texts(name)
        if len(found) > 1:
            raise bad(name)
        return found[0] if found else ""

    def flag(self, name: str) -> bool:
        """A boolean, false when not given."""
        value = self._only(name)
        if value is None or isinstance(value, bool):
            return value is True
        if value not in ("true", "false"):
            raise bad(name)
        return bool(value == "true")

    def whole(self, name: str) -> int | None:
        """A number from zero up, None when not given."""
        value = self._only(name)
        if value is None or (isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_COUNT):
            return value
        if not isinstance(value, str) or _WHOLE.match(value) is None:
            raise bad(name)
        return min(int(value), MOST_COUNT)

    def day(self, name: str) -> str:
        """The day of a date or time as text, or the empty one."""
        value = self.text(name)
        if value and not primitives.is_datetime(value):
            raise bad(name)
        return (value[:10] + "-01-01"[len(value) - 10 :])[:10] if 0 < len(value) < 10 else value[:10]

    def part(self, name: str, key: str) -> dict[str, Any] | None:
        """A complex value or resource that has `key`'s shape: an object, or None; raises Rejected for anything else."""
        value = self._only(name)
        if value is None or (isinstance(value, dict) and (not key or value.get("resourceType") == key)):
            return value
        raise bad(name)

    def _only(self, name: str) -> Any:
        found = self.values.get(name, [])
        if len(found) > 1:
            raise bad(name)
        return found[0] if found else None


async def pairs_given(exchange: Exchange) -> list[tuple[str, str]]:
    """The parameters of the address and, by POST, of a Parameters body, as texts; raises Rejected (400, 413, 415)."""
    pairs = list(exchange.query)
    if exchange.request.method != "POST" or is_bare(exchange):
        return pairs
    document = await exchange.resource()
    if document.get("resourceType") != "Parameters" or not isinstance(document.get("parameter", []), list):
        raise Rejected(400, [Problem("fhir.structure.resource-type", "Parameters")])
    for item in document.get("parameter", ()):
        name = str(item.get("name"))[:64] if isinstance(item, dict) else "parameter"
        value = next((v for k, v in item.items() if k.startswith("value")), "") if isinstance(item, dict) else None
        text = value.get("reference", "") if isinstance(value, dict) else value
        if isinstance(text, int) and not isinstance(text, bool):
            text = str(text)
        if not isinstance(text, str):
            raise bad(name)
        pairs.append((name, text))
    return pairs


def is_bare(exchange: Exchange) -> bool:
    """Whether a request comes without a body."""
    headers = exchange.request.headers
    return headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers


def _value(part: dict[str, Any]) -> Any:
    """A part's value, resource, or its own parts by name."""
    if "resource" in part:
        return part["resource"]
    if "part" in part:
        return {inner["name"]: _value(inner) for inner in part["part"]}
    return next((value for key, value in part.items() if key.startswith("value")), None)


def bad(name: str) -> Rejected:
    """The refusal of a parameter's value."""
    return Rejected(400, [Problem("fhir.search.value", name[:64], args=(("name", name[:64]),))])


def needed(name: str) -> Rejected:
    """The refusal of a request that lacks a parameter."""
    return Rejected(400, [Problem("fhir.terminology.parameter-missing", name, args=(("name", name),))])
