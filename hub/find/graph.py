"""FHIR GraphQL carried out (R4 §3.2): records read and searched like over REST, shaped as the query selects.

What a token may not see is refused by name of its type, or absent, as elsewhere. A query has a budget of reads and of
records.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from jiter import LosslessFloat

from fhir import jsontext
from fhir.definitions.table import choice_key, resource_types, type_named
from fhir.fhirpath.engine import compiled
from fhir.fhirpath.evaluation import Budget, PathError, Scope, boolean
from fhir.fhirpath.items import Item
from fhir.fhirpath.syntax import BadExpression
from fhir.graph import Field, Selection, bad
from fhir.search.query import parse
from hub.find.search import Page, search
from hub.find.statement import OneTrip
from hub.records.requests import visible
from hub.records.requests.acting import Actor
from hub.store.database import Row
from hub.world import World

MOST_TRIPS = 300
MOST_RECORDS = 5000
_RESOURCES = ("Resource", "DomainResource")
_PAGING = ("_count", "_offset")
_NO_PLACE = ("offset", "first", "previous", "last")  # pages go by what was last seen: forward, from the first
Body = dict[str, Any]
Place = tuple[Any, ...]


@dataclass(slots=True)
class Graph:
    """One query under way: what it has read, what it may still read, and what it could not answer."""

    world: World
    actor: Actor
    base: str
    trips: int = MOST_TRIPS
    records: int = MOST_RECORDS
    budget: Budget = field(default_factory=Budget)
    known: dict[tuple[str, str], Body | None] = field(default_factory=dict)
    errors: list[Body] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)

    async def of_system(self, selections: Sequence[Selection]) -> Body:
        """The data of a query at the base address: reads (`Patient(id:)`), lists and connections."""
        out: Body = {}
        for each in _fields(selections, ""):
            kind, form = _root(each.name)
            if form == "read":
                await self._read_into(out, each, kind)
            else:
                await self._listed_into(out, each, (kind, form), None)
        return out

    async def of_record(self, body: Body, selections: Sequence[Selection]) -> Body:
        """The data of a query on one record."""
        out: Body = {}
        await self._select(_Node(body, str(body["resourceType"]), ()), selections, out)
        return out

    async def _read_into(self, out: Body, asked: Field, kind: str) -> None:
        identity = asked.arguments.get("id")
        if not isinstance(identity, str):
            raise bad("argument", asked.key)
        body = await self.read(kind, identity)
        if body is None:
            self.errors.append({"message": "there is no such record", "path": [asked.key]})
            return
        node = _Node(body, kind, (asked.key,))
        out[asked.key] = {}
        await self._select(node, asked.selections, out[asked.key])

    async def read(self, kind: str, identity: str) -> Body | None:
        """The record as it may be seen, or None; raises Refusal, BadGraph."""
        if (kind, identity) not in self.known:
            row = await self.row(kind, identity)
            found = jsontext.stored(row["body"]) if row is not None and not row["deleted"] else None
            self.known[kind, identity] = found
        return self.known[kind, identity]

    async def row(self, kind: str, identity: str) -> Row | None:
        """The stored record as it may be seen, also a deleted one; raises Refusal, BadGraph."""
        self._spend(1)
        self.touched.add(f"{kind}/{identity}")
        return await visible.current(self.world, self.actor, kind, identity)

    def _spend(self, records: int) -> None:
        self.trips -= 1
        self.records -= records
        if self.trips < 0 or self.records < 0:
            raise bad("too-costly")

    async def _listed_into(self, out: Body, asked: Field, named: tuple[str, str], back: Body | None) -> None:
        """A search, as a list or a connection; `back` is the record the found ones must refer to (`_reference`)."""
        kind, form = named
        pairs = list(_pairs(asked, back))
        self.actor.reach(kind, "s")
        query = parse(kind, pairs, self.actor.setting(self.world))
        if query.unknown:
            raise bad("argument", query.unknown[0].where)
        page = await search(OneTrip(self.world, self.actor.tenant), query, self.actor.sight)
        self._spend(len(page.rows))
        names = "&".join(sorted({name for name, _ in pairs}))
        self.touched.add(f"{kind}?{names}")
        nodes = [_Node(jsontext.stored(row["body"]), kind, (asked.key,)) for row in page.rows]
        if form == "Connection":
            out[asked.key] = await self._connection(asked, nodes, page, query.options.count)
            return
        out[asked.key] = []
        for node in nodes:
            out[asked.key].append(await self._selected(node, asked.selections))

    async def _connection(self, asked: Field, nodes: Sequence[_Node], page: Page, count: int) -> Body:
        plain = {"count": page.total, "pagesize": count, "next": page.cursor or None, **dict.fromkeys(_NO_PLACE)}
        plain |= {} if "_cursor" in asked.arguments else {"offset": 0}
        out: Body = {}
        for each in _fields(asked.selections, ""):
            if each.name in plain:
                out[each.key] = plain[each.name]
            elif each.name == "edges":
                out[each.key] = [await self._edge(each, node) for node in nodes]
            else:
                raise bad("field", each.name, name=each.name)
        return out

    async def _edge(self, asked: Field, node: _Node) -> Body:
        out: Body = {}
        for each in _fields(asked.selections, ""):
            if each.name in ("mode", "score"):
                out[each.key] = "match" if each.name == "mode" else None
            elif each.name == "resource":
                out[each.key] = await self._selected(node, each.selections)
            else:
                raise bad("field", each.name, name=each.name)
        return out

    async def _selected(self, node: _Node, selections: Sequence[Selection]) -> Body:
        out: Body = {}
        await self._select(node, selections, out)
        return out

    async def _select(
        self, node: _Node, selections: Sequence[Selection], out: Body, inherited: bool = False, suffix: str = ""
    ) -> None:
        """The selected fields of a node into `out`; within a flattened list (`inherited`) they become lists."""
        for asked in _fields(selections, node.type_name):
            if node.type_name in resource_types() and asked.name not in _keys(node.type_name):
                await self._listed_into(out, asked, _root(asked.name), node.body)
                continue
            values, kind, many = await self._values(node, asked)
            sliced = asked.directives.get("slice")
            many = (many and sliced is None and "first" not in asked.directives) or inherited
            many = many and "singleton" not in asked.directives
            for index, value in enumerate(values[:1] if "first" in asked.directives else values):
                tail = suffix + (_slice(value, index, sliced) if sliced is not None else "")
                inner = _Node(value, kind, (*node.path, asked.key))
                if "flatten" in asked.directives:
                    flat = many or (isinstance(values, list) and len(values) > 1)
                    await self._select(inner, asked.selections, out, flat, tail)
                else:
                    _put(out, asked.key + tail, await self._value(inner, asked), many)

    async def _value(self, node: _Node, asked: Field) -> Any:
        if not isinstance(node.body, dict):
            if asked.selections:
                raise bad("selection", asked.name, name=asked.name)
            return node.body
        if not asked.selections:
            raise bad("selection", asked.name, name=asked.name)
        return await self._selected(node, asked.selections)

    async def _values(self, node: _Node, asked: Field) -> tuple[list[Any], str, bool]:
        """The values of a field with their type, and whether the field is a list."""
        if asked.name == "__typename":
            return [node.type_name.replace(".", "_")], "string", False  # as the schema calls parts of a type
        if node.type_name == "Reference" and asked.name == "resource":
            return await self._resource(node, asked)
        key, kind = _place(node, asked.name)
        value = node.body.get(key)
        listed = value if isinstance(value, list) else [] if value is None else [value]
        if kind in _RESOURCES and listed and isinstance(listed[0], dict):
            kind = str(listed[0].get("resourceType"))
        present = [each for each in listed if each is not None]
        if "fhirpath" in asked.arguments:
            present = [each for each in present if self._meets(Item(kind, each), asked)]
        return _filtered(present, asked, _keys(kind)), kind, isinstance(value, list)

    def _meets(self, item: Item, asked: Field) -> bool:
        """Whether a value of a list meets the argument `fhirpath`; raises BadGraph."""
        try:
            scope = Scope(item, budget=self.budget)
            return boolean(compiled(str(asked.arguments["fhirpath"]))(scope, scope.this)) is True
        except (BadExpression, PathError):
            raise bad("argument", f"{asked.key}.fhirpath") from None

    async def _resource(self, node: _Node, asked: Field) -> tuple[list[Any], str, bool]:
        """What a reference leads to; `type` wants only records of it, `optional` tells no error where there is none."""
        literal = str(node.body.get("reference", "")).removeprefix(self.base + "/")
        kind, _, identity = literal.partition("/_history/")[0].partition("/")
        wanted = asked.arguments.get("type")
        if wanted is not None and wanted != kind:
            return [], kind, False
        body = None
        if kind in resource_types() and identity and "/" not in identity and self.actor.sight(kind, "r"):
            body = await self.read(kind, identity)
        if body is None and asked.arguments.get("optional") is not True:
            self.errors.append({"message": "the reference cannot be followed", "path": list(node.path)})
        return [body] if body is not None else [], kind, False


@dataclass(frozen=True, slots=True)
class _Node:
    body: Any
    type_name: str
    path: Place


def _fields(selections: Sequence[Selection], type_name: str) -> Iterator[Field]:
    """The fields that hold for a type, the same one asked twice as one with all its selections (GraphQL §6.3.2)."""
    found: list[Field] = []
    places: dict[str, int] = {}
    for each in _named(selections, type_name):
        place = places.setdefault(each.key, len(found))
        if place < len(found) and _same(found[place], each):
            found[place] = replace(found[place], selections=(*found[place].selections, *each.selections))
        else:
            found.append(each)
    yield from found


def _same(one: Field, other: Field) -> bool:
    alike = one.name == other.name and one.arguments == other.arguments
    return alike and one.directives == other.directives


def _named(selections: Sequence[Selection], type_name: str) -> Iterator[Field]:
    """The fields as they are written: those of fragments for other types do not hold."""
    for each in selections:
        if isinstance(each, Field):
            yield each
        elif each.type_name in ("", type_name, *_RESOURCES):
            yield from _named(each.selections, type_name)


def _root(name: str) -> tuple[str, str]:
    """The type and form of a field that reads or searches; raises BadGraph."""
    for form in ("List", "Connection"):
        if name.endswith(form) and name.removesuffix(form) in resource_types():
            return name.removesuffix(form), form
    if name in resource_types():
        return name, "read"
    raise bad("field", name, name=name)


def _pairs(asked: Field, back: Body | None) -> Iterator[tuple[str, str]]:
    """The arguments as search parameters; a list means any of its values."""
    for name, value in asked.arguments.items():
        if name == "_reference":
            if back is None or not isinstance(value, str):
                raise bad("argument", name)
            yield value.replace("_", "-"), f"{back['resourceType']}/{back.get('id')}"
            continue
        texts = [_text(each) for each in (value if isinstance(value, list) else [value]) if each is not None]
        if texts:
            yield (name if name.startswith("_") else name.replace("_", "-")), ",".join(texts)
    if asked.name.endswith("Connection"):
        yield "_total", "accurate"
    if back is not None and "_reference" not in asked.arguments:
        raise bad("argument", "_reference")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


@lru_cache(maxsize=2000)
def _keys(type_name: str) -> Mapping[str, str]:
    """The fields of a type and the type of each: JSON keys, those beside primitives, and choices by their bare name."""
    found = type_named(type_name)
    keys = {"resourceType": "code"} if type_name in resource_types() else {}
    for element in found.elements.values() if found else ():
        for name in element.types:
            key = choice_key(element, name) if element.choice else element.name
            keys |= {key: name, f"_{key}": "Element"}
        if element.choice:
            keys[element.name.removesuffix("[x]")] = ""
    return {**keys, "__typename": "string"}


def _place(node: _Node, name: str) -> tuple[str, str]:
    """The JSON key and type of a field; of a choice's bare name the one that is there. Raises BadGraph."""
    keys = _keys(node.type_name)
    if name not in keys:
        raise bad("field", name, name=name)
    if keys[name]:
        return name, keys[name]
    key = next((key for key in node.body if key in keys and key != name and key.startswith(name)), name)
    return key, keys[key]


def _filtered(values: list[Any], asked: Field, known: Mapping[str, str]) -> list[Any]:
    """The values of a list field that its arguments leave; raises BadGraph for one that is no field of them."""
    for name, wanted in asked.arguments.items():
        if name in (*_PAGING, "fhirpath"):
            continue
        if name not in known:
            raise bad("argument", f"{asked.key}.{name}")
        values = [value for value in values if isinstance(value, dict) and _holds(value.get(name), wanted)]
    start, count = (asked.arguments.get(name) for name in ("_offset", "_count"))
    if not all(each is None or (isinstance(each, int) and each >= 0) for each in (start, count)):
        raise bad("argument", asked.key)
    values = values[start or 0 :]
    return values if count is None else values[:count]


def _holds(value: Any, wanted: Any) -> bool:
    if isinstance(value, list):
        return any(_holds(each, wanted) for each in value)
    if isinstance(value, LosslessFloat):
        return str(value) == str(wanted)
    return value is not None and not isinstance(value, dict) and _text(value) == _text(wanted)


def _slice(value: Any, index: int, arguments: Mapping[str, Any]) -> str:
    """What `@slice(path:)` adds to names: the value of the path, or `$index`."""
    path = str(arguments.get("path", arguments.get("fhirpath", "")))
    if path == "$index":
        return f".{index}"
    found = value.get(path) if isinstance(value, dict) else None
    return f".{_text(found)}" if found is not None and not isinstance(found, (dict, list)) else ""


def _put(out: Body, key: str, value: Any, many: bool) -> None:
    if many:
        out.setdefault(key, []).append(value)
    elif key in out:
        raise bad("several", key, name=key)
    else:
        out[key] = value
