"""A project in FHIR Shorthand (FSH 3.0) as conformance resources: profiles, extensions, value sets, code systems.

Read are aliases, profiles, extensions, logical models, invariants, value sets, code systems, rule sets (with
parameters), instances of conformance resources, and instances that other items take as values. Examples and mappings
are passed over; resources of one's own are refused. An item with a rule that is not read is refused whole: half a
profile would accept what it forbids.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from canonical.problem import Problem
from fhir.definitions.table import type_named
from fhir.shorthand import codes, entities, logical, profiles
from fhir.shorthand.entities import Item
from fhir.shorthand.profiles import BASE, World
from fhir.shorthand.tokens import Unreadable
from fhir.shorthand.values import Body, Unfit

Found = tuple[str, dict[str, Any] | Problem]
_DEFINED = {
    "Profile": "StructureDefinition",
    "Extension": "StructureDefinition",
    "Logical": "StructureDefinition",
    "ValueSet": "ValueSet",
    "CodeSystem": "CodeSystem",
}
_INSTANCES = frozenset(
    (
        "NamingSystem",
        "SearchParameter",
        "ConceptMap",
        "OperationDefinition",
        "StructureDefinition",
        "ValueSet",
        "CodeSystem",
    )
)
_CONFIG = re.compile(r"^(canonical|version|status|publisher)\s*:\s*(.+?)\s*$", re.MULTILINE)
_STATES = ("draft", "active", "retired", "unknown")
_DEEPEST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What a project's `sushi-config.yaml` says of all items; without a canonical they must state their `^url`."""

    canonical: str = ""
    version: str = ""
    status: str = "draft"
    publisher: str = ""


def config_of(text: str) -> Config:
    """The settings of a `sushi-config.yaml` that matter here: plain values at its top."""
    found = {key: value.split(" #")[0].strip().strip("\"'") for key, value in _CONFIG.findall(text)}
    status = found.get("status", "draft")
    return Config(**{**found, "status": status if status in _STATES else "draft"})


def read(texts: Mapping[str, str], config: Config, known: Mapping[str, str] | None = None) -> Iterator[Found]:
    """The conformance resources of a project's files, by name, and a Problem for each item that is refused.

    `known` are the types behind addresses of other packages' profiles, which parents may name.
    """
    project = _Project(config, dict(known or {}))
    for file, text in texts.items():
        try:
            for item in entities.items(file, text):
                project.add(item)
        except Unreadable as error:
            yield file, _problem(error, file)
    project.settle()
    for item in project.items:
        try:
            body = project.resource(item)
        except Unreadable as error:
            yield f"{item.kind} {item.name[:120]}", _problem(error, item.file)
        else:
            if body is not None:
                yield f"{body['resourceType']}/{str(body.get('id'))[:120]}", body


def _problem(error: Unreadable, file: str) -> Problem:
    return Problem(f"fhir.shorthand.{error.code}", f"{file}:{error.line}", args=tuple(error.named.items()))


@dataclass(slots=True)
class _Project:
    """All items of a project and the names by which they refer to each other."""

    config: Config
    known: dict[str, str]
    items: list[Item] = field(default_factory=list)
    aliases: dict[str, str] = field(default_factory=dict)
    sets: dict[str, Item] = field(default_factory=dict)
    invariants: dict[str, dict[str, Any]] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    definitions: dict[str, Item] = field(default_factory=dict)
    instances: dict[str, Item] = field(default_factory=dict)
    _making: list[str] = field(default_factory=list)

    def add(self, item: Item) -> None:
        """Note an item by its kind."""
        if item.kind == "Alias":
            self.aliases[item.name] = " ".join(token.text for token in item.keys["Alias"] if token.text != "=")
        elif item.kind == "RuleSet":
            self.sets[item.name] = item
        else:
            self.items.append(item)
            if item.kind == "Instance":
                self.instances[item.name] = item

    def settle(self) -> None:
        """What others may name: the addresses of items, and the invariants."""
        for item in self.items:
            if item.kind == "Invariant":
                self._invariant(item)
            if item.kind in _DEFINED:
                url = self._address(item)
                for name in (item.name, item.text("Id"), url):
                    if name:
                        self.addresses.setdefault(name, url)
                if item.kind in ("Profile", "Extension") and url:
                    self.definitions[url] = item

    def _invariant(self, item: Item) -> None:
        severity = item.text("Severity").lstrip("#") or "error"
        rule = {"key": item.name, "severity": severity, "human": item.text("Description") or item.name}
        expression = item.text("Expression")
        self.invariants[item.name] = {**rule, **({"expression": expression} if expression else {})}

    def _address(self, item: Item) -> str:
        stated = next(
            (r.words[2].text for r in item.rules if len(r.words) == 3 and r.words[0].text == "^url" and not r.indent),
            "",
        )
        if stated:
            return self.aliases.get(stated, stated)
        root = self.config.canonical.rstrip("/")
        return f"{root}/{_DEFINED[item.kind]}/{item.text('Id') or item.name}" if root else ""

    def __call__(self, name: str, /) -> str:
        """The address of an alias, an item's name or id, or an R4 type; an address is its own."""
        head, bar, version = name.partition("|")
        found = self.aliases.get(head, head)
        if address := self.addresses.get(found):
            found = address
        elif type_named(found) is not None:
            found = BASE + found
        elif not found.startswith(("http:", "https:", "urn:")):
            found = _CORE.get(found, "")
        if not found:
            raise Unfit
        return f"{found}{bar}{version}"

    def instance(self, name: str, kind: str, /) -> Any:
        """The JSON of an instance that stands as a value; raises Unfit for one of a profile, or in itself."""
        item = self.instances.get(name)
        if item is None:
            return None
        stated = item.text("InstanceOf")
        found = type_named(stated)
        whole = found is not None and found.kind == "resource"
        if found is None or (stated != kind and not (whole and kind == "Resource")) or name in self._making:
            raise Unfit
        self._making.append(name)
        try:
            body = self._body(item, stated)
        except Unreadable:
            raise Unfit from None
        finally:
            self._making.pop()
        return {"resourceType": stated, "id": item.name, **body} if whole else body

    def type_of(self, url: str) -> str:
        """The R4 type behind a definition's address; empty when that is not known."""
        for _ in range(_DEEPEST):
            url = url.partition("|")[0]
            if url.startswith(BASE) and type_named(url.removeprefix(BASE)) is not None:
                return url.removeprefix(BASE)
            if url in self.known:
                return self.known[url]
            item = self.definitions.get(url)
            if item is None:
                return _TYPES.get(url.removeprefix(BASE), "")
            url = self._parent(item)
        return ""

    def _parent(self, item: Item) -> str:
        stated = item.text("Parent") or ("Extension" if item.kind == "Extension" else "")
        try:
            return self(stated)
        except Unfit:
            return ""

    def resource(self, item: Item) -> dict[str, Any] | None:
        """The resource of an item, None for examples and mappings; raises Unreadable."""
        if item.kind == "Resource":
            raise Unreadable(item.line, "kind", kind=item.kind)
        if item.kind == "Instance":
            kind, inline = item.text("InstanceOf"), item.text("Usage").endswith("#inline")
            if kind not in _INSTANCES or inline:
                return None
            return {"resourceType": kind, "id": item.name, **self._body(item, kind)}
        if item.kind in ("Mapping", "Invariant"):
            return None
        rules = entities.expanded(item, self.sets)
        head = self._head(item)
        if item.kind == "ValueSet":
            return codes.value_set(rules, head, self)
        if item.kind == "CodeSystem":
            return codes.code_system(rules, head, self)
        world = World(self, self.type_of, self.invariants)
        if item.kind == "Logical":
            return logical.definition(item, rules, head, world)
        parent = self._parent(item)
        if not parent:
            raise Unreadable(item.line, "parent", name=item.text("Parent")[:200])
        return profiles.definition(item, rules, head, parent, world)

    def _head(self, item: Item) -> dict[str, Any]:
        """What every definition begins with; raises Unreadable for one without an address."""
        url = self._address(item)
        if not url:
            raise Unreadable(item.line, "canonical")
        made = {
            "resourceType": _DEFINED[item.kind],
            "id": item.text("Id") or item.name,
            "url": url,
            "version": self.config.version,
            "name": item.name,
            "title": item.text("Title"),
            "status": self.config.status,
            "publisher": self.config.publisher,
            "description": item.text("Description"),
        }
        return {key: value for key, value in made.items() if value}

    def _body(self, item: Item, kind: str) -> dict[str, Any]:
        """What the rules of an instance say; raises Unreadable."""
        body = Body(kind, self)
        for rule in entities.expanded(item, self.sets):
            words = rule.words
            try:
                if len(words) < 3 or words[1].text != "=":
                    raise Unfit
                body.put(".".join(step for step in (rule.path, words[0].text) if step), words[2:])
            except Unfit:
                raise Unreadable(rule.line, "rule", rule=" ".join(word.text for word in words)[:100]) from None
        return body.value


# Profiles of R4 itself that authors name without an address: their types.
_SIGNS = (
    "vitalsigns", "bodyweight", "bodyheight", "bp", "heartrate", "bodytemp", "bmi", "resprate", "oxygensat",
    "headcircum", "vitalspanel",
)  # fmt: skip
_TYPES = {"SimpleQuantity": "Quantity", "MoneyQuantity": "Quantity", **dict.fromkeys(_SIGNS, "Observation")}
_CORE = {name: BASE + name for name in _TYPES}
