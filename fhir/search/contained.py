"""The index entries of resources that are contained in a record, under the parameters that refer to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from zoneinfo import ZoneInfo

from fhir.search.nested import Found, Read, under
from fhir.search.parameters import HELD

MOST = 20


def local(resource: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The contained resources by what references to them say (`#id`); the first ones of very many."""
    found: dict[str, dict[str, Any]] = {}
    for each in resource.get("contained") or ():
        if isinstance(each, dict) and isinstance(each.get("id"), str) and isinstance(each.get("resourceType"), str):
            found[f"#{each['id']}"] = each
    return dict(list(found.items())[:MOST])


def typed(node: Any, held: dict[str, dict[str, Any]]) -> Any:
    """`node` with each reference to one of `held` saying its type (`Medication/#m`), as expressions ask for types."""
    if isinstance(node, list):
        return [typed(each, held) for each in node]
    if not isinstance(node, dict):
        return node
    copy = {key: value if key == "contained" else typed(value, held) for key, value in node.items()}
    target = held.get(str(node.get("reference")))
    if target is not None:
        copy["reference"] = f"{target['resourceType']}/{node['reference']}"
    return copy


def moved(
    type_name: str, found: dict[Found, None], held: dict[str, dict[str, Any]], zone: ZoneInfo, read: Read
) -> None:
    """Puts in `found`, for each entry that refers to one of `held`, the entries of what it refers to."""
    named = [entry for entry in found if entry[1] == "reference" and entry[2][1] in held]
    for entry in named:
        del found[entry]
    told = {name: list(read(held[name], zone)) for name in {entry[2][1] for entry in named}}
    found.update(dict.fromkeys(_entries(type_name, named, held, told)))


def _entries(
    type_name: str,
    named: Iterable[Found],
    held: dict[str, dict[str, Any]],
    told: dict[str, list[Found]],
) -> Iterator[Found]:
    for code, _, (_, name) in named:
        place = f"{code}:{held[name]['resourceType']}"
        yield HELD, "token", ("", f"{type_name}.{place}")
        yield from under(f"{place}.", held[name], told[name])
