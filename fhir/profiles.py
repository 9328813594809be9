"""Profiles (R4 §5.1): what a StructureDefinition demands beyond R4, checked along its chain of base definitions.

Checked: type, occurrence, forbidden elements, types of choices, fixed and pattern values, targets of references, slices
by value, url and type, closed slicing, required bindings to value sets that are known, and profiles of extensions.
Not run: invariants (FHIRPath constraints) and slices by profile or by what a reference leads to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from canonical.problem import Problem
from fhir.definitions.table import choice_key, resource_types, type_named
from fhir.patch import same

BASE = "http://hl7.org/fhir/StructureDefinition/"
MAXIMUM_FINDINGS = 100
_DEEPEST = 12
Definitions = Mapping[str, dict[str, Any]]
Codes = Callable[[str], frozenset[str] | None]


@dataclass(slots=True)
class _Node:
    """An element of a definition with its children and slices."""

    element: dict[str, Any] = field(default_factory=dict)
    children: dict[str, _Node] = field(default_factory=dict)
    slices: dict[str, _Node] = field(default_factory=dict)


def needed(definition: dict[str, Any]) -> Iterator[str]:
    """The canonical addresses of other definitions this one rests on: its base, and profiles of its types."""
    if base := definition.get("baseDefinition"):
        yield base
    for element in _elements(definition):
        for kind in element.get("type", ()):
            yield from (url.partition("|")[0] for url in kind.get("profile", ()))


def claims(document: Any, asked: str = "") -> list[tuple[Any, str, list[str]]]:
    """Who claims which profiles: the document, and the resources in the entries of a Bundle, each with its place."""
    found: list[tuple[Any, str, list[str]]] = []
    if isinstance(document, dict):
        name = str(document.get("resourceType"))
        found.append((document, name, list(dict.fromkeys([*([asked] if asked else []), *_named(document)]))))
        entries = document.get("entry") if name == "Bundle" else None
        for number, entry in enumerate(entries if isinstance(entries, list) else ()):
            inner = entry.get("resource") if isinstance(entry, dict) else None
            if isinstance(inner, dict):
                found.append((inner, f"Bundle.entry[{number}].resource", _named(inner)))
    return [claim for claim in found if claim[2]]


def _named(resource: dict[str, Any]) -> list[str]:
    meta = resource.get("meta")
    listed = meta.get("profile") if isinstance(meta, dict) else None
    return [url for url in listed if isinstance(url, str)] if isinstance(listed, list) else []


def check(resource: Any, url: str, definitions: Definitions, codes: Codes, where: str = "") -> list[Problem]:
    """The findings of a resource (at `where`) against a profile; `codes` gives a value set's codes, None: not known."""
    name = str(resource.get("resourceType")) if isinstance(resource, dict) else ""
    checker = _Checker(definitions, codes)
    checker.profile(url, (name, resource), where or name)
    return checker.found[:MAXIMUM_FINDINGS]


def listed_codes(body: dict[str, Any], named: Mapping[str, dict[str, Any]], depth: int = 0) -> frozenset[str]:
    """The codes of a ValueSet as far as packages list them (expansion, concepts, whole code systems); else none."""
    if body.get("resourceType") != "ValueSet" or depth > _DEEPEST:
        return frozenset()
    if "expansion" in body:
        return frozenset(_concepts(body["expansion"].get("contains", ()), "contains"))
    found: set[str] = set()
    for part in (body.get("compose") or {}).get("include", ()):
        system = named.get(str(part.get("system")), {})
        codes = {concept["code"] for concept in part.get("concept", ())}
        if not codes and not part.get("filter") and system.get("content") == "complete":
            codes = set(_concepts(system.get("concept", ()), "concept"))
        for url in part.get("valueSet", ()):
            codes |= listed_codes(named.get(url.partition("|")[0], {}), named, depth + 1)
        if not codes:
            return frozenset()
        found |= codes
    return frozenset(found)


def _concepts(items: Any, below: str) -> Iterator[str]:
    for item in items:
        if item.get("code"):
            yield item["code"]
        yield from _concepts(item.get(below, ()), below)


def _elements(definition: dict[str, Any]) -> list[dict[str, Any]]:
    part = definition.get("differential") or definition.get("snapshot") or {}
    return [element for element in part.get("element", ()) if isinstance(element, dict)]


def _tree(definition: dict[str, Any]) -> _Node:
    """The elements by their ids: `Patient.identifier:cpf.system`."""
    root = _Node()
    for element in _elements(definition):
        node = root
        for step in str(element.get("id") or element.get("path")).split(".")[1:]:
            name, _, sliced = step.partition(":")
            node = node.children.setdefault(name, _Node())
            if sliced:
                node = node.slices.setdefault(sliced, _Node())
        node.element = {**node.element, **element}
    return root


class _Checker:
    """Collects findings; `depth` ends profiles that refer to each other."""

    def __init__(self, definitions: Definitions, codes: Codes) -> None:
        self.definitions = definitions
        self.codes = codes
        self.found: list[Problem] = []
        self.depth = 0

    def add(self, code: str, where: str, **named: str) -> None:
        """One finding."""
        self.found.append(Problem(f"fhir.profile.{code}", where, args=tuple(named.items())))

    def profile(self, url: str, value: tuple[str, Any], where: str) -> None:
        """`value` (its type first) against a profile and all it is based on."""
        url = url.partition("|")[0]
        definition = self.definitions.get(url)
        if url.startswith(BASE) and url.removeprefix(BASE) in (*resource_types(), value[0]):
            return
        if definition is None:
            self.add("not-installed", where, profile=url)
            return
        if definition.get("type") != value[0]:
            self.add("type", where, expected=str(definition.get("type")))
            return
        self.depth += 1
        if self.depth <= _DEEPEST:
            if base := definition.get("baseDefinition"):
                self.profile(str(base), value, where)
            self.node(_tree(definition), value, where)
        self.depth -= 1

    def node(self, node: _Node, value: tuple[str, Any], where: str) -> None:
        """The children of an element that is there."""
        for name, child in node.children.items():
            values = list(_children(value, name))
            place = f"{where}.{name.removesuffix('[x]')}"
            self.occurrence(child.element, len(values), place)
            for each in values:
                self.value(child, each, place)
            self.sliced(child, values, place)

    def occurrence(self, element: dict[str, Any], count: int, where: str) -> None:
        """How often an element stands there."""
        if count < element.get("min", 0):
            self.add("missing", where, least=str(element["min"]))
        most = element.get("max", "*")
        if most == "0" and count:
            self.add("forbidden", where)
        elif most != "*" and most.isdigit() and count > int(most):
            self.add("too-many", where, most=most)

    def value(self, node: _Node, value: tuple[str, Any], where: str) -> None:
        """One value against what its element says, then its own children."""
        element = node.element
        wanted = _stated(element)
        if wanted is not None and not _holds(value[1], wanted, fixed=any(k.startswith("fixed") for k in element)):
            self.add("value", where)
        kinds = [kind.get("code") for kind in element.get("type", ())]
        if kinds and value[0] not in kinds and not str(kinds[0]).startswith("http") and "Resource" not in kinds:
            self.add("choice", where, expected=", ".join(map(str, kinds)))
        binding = element.get("binding", {})
        if binding.get("strength") == "required" and binding.get("valueSet"):
            self.binding(str(binding["valueSet"]), value[1], where)
        self.target(element, value, where)
        for kind in element.get("type", ()):
            urls = [url for url in kind.get("profile", ()) if url.partition("|")[0] in self.definitions]
            if len(urls) == 1 and kind.get("code") == value[0]:
                self.profile(urls[0], value, where)
        self.node(node, value, where)

    def binding(self, value_set: str, value: Any, where: str) -> None:
        """A code of the value set; nothing is said when the set is not known."""
        allowed = self.codes(value_set.partition("|")[0])
        codings = value.get("coding", [value]) if isinstance(value, dict) else [{"code": value}]
        stated = [coding.get("code") for coding in codings if isinstance(coding, dict) and coding.get("code")]
        if allowed and stated and not any(code in allowed for code in stated):
            self.add("code", where, set=value_set)

    def target(self, element: dict[str, Any], value: tuple[str, Any], where: str) -> None:
        """A literal reference names a type the element allows."""
        if value[0] != "Reference" or not isinstance(value[1], dict):
            return
        urls = [url for kind in element.get("type", ()) for url in kind.get("targetProfile", ())]
        names = {url.removeprefix(BASE) if url.startswith(BASE) else self._type_of(url) for url in urls}
        literal = str(value[1].get("reference", "")).partition("/_history/")[0].split("/")
        stated = value[1].get("type") or (literal[-2] if len(literal) > 1 and literal[-2] in resource_types() else "")
        if urls and stated and "Resource" not in names and "" not in names and stated not in names:
            self.add("target", where, expected=", ".join(sorted(names)))

    def _type_of(self, url: str) -> str:
        return str(self.definitions.get(url.partition("|")[0], {}).get("type", ""))

    def sliced(self, node: _Node, values: list[tuple[str, Any]], where: str) -> None:
        """Each slice by its own count; in closed slicing nothing may be left over."""
        if not node.slices:
            return
        slicing = node.element.get("slicing", {})
        marks = slicing.get("discriminator") or [{"type": "value", "path": "url"}]
        if any(mark.get("type") not in ("value", "pattern", "type") or "resolve()" in mark["path"] for mark in marks):
            return
        left = list(values)
        for name, part in node.slices.items():
            mine = [value for value in values if all(self.matches(part, mark, value) for mark in marks)]
            left = [value for value in left if value not in mine]
            self.occurrence(part.element, len(mine), f"{where}:{name}")
            for each in mine:
                self.value(part, each, f"{where}:{name}")
        if slicing.get("rules") == "closed" and left:
            self.add("slice", where)

    def matches(self, part: _Node, mark: dict[str, Any], value: tuple[str, Any]) -> bool:
        """Whether a value belongs to a slice by one discriminator."""
        if mark["type"] == "type":
            return value[0] in [kind.get("code") for kind in part.element.get("type", ())]
        if mark["path"] == "url" and value[0] == "Extension":
            urls = [url for kind in part.element.get("type", ()) for url in kind.get("profile", ())]
            if urls:
                return bool(value[1].get("url") in [url.partition("|")[0] for url in urls])
        node, values = part, [value]
        for step in [] if mark["path"] == "$this" else mark["path"].split("."):
            node = node.children.get(step, _Node())
            values = [inner for each in values for inner in _children(each, step)]
        wanted = _stated(node.element)
        return wanted is not None and any(_holds(each[1], wanted, fixed=False) for each in values)


def _stated(element: dict[str, Any]) -> Any:
    """The fixed or pattern value of an element, or None."""
    return next((v for k, v in element.items() if k.startswith(("fixed", "pattern"))), None)


def _holds(value: Any, wanted: Any, *, fixed: bool) -> bool:
    """Whether a value equals what is fixed, or has all that a pattern names."""
    if fixed:
        return same(value, wanted)
    if isinstance(wanted, dict):
        return isinstance(value, dict) and all(
            k in value and _holds(value[k], w, fixed=False) for k, w in wanted.items()
        )
    if isinstance(wanted, list):
        return isinstance(value, list) and all(any(_holds(v, w, fixed=False) for v in value) for w in wanted)
    return same(value, wanted)


def _children(value: tuple[str, Any], name: str) -> Iterator[tuple[str, Any]]:
    """The values of an element by name; of a choice (`value[x]`, `valueQuantity`) each with its type."""
    kind, content = value
    found = type_named(kind)
    if not isinstance(content, dict) or found is None:
        return
    bare = name.removesuffix("[x]")
    for element in found.elements.values():
        for type_name in element.types:
            key = choice_key(element, type_name) if element.choice else element.name
            if bare not in (element.name, key):
                continue
            for item in _listed(content.get(key), content.get("_" + key)):
                actual = item.get("resourceType", type_name) if isinstance(item, dict) else type_name
                yield str(actual), item


def _listed(items: Any, beside: Any) -> list[Any]:
    """The values of a key; a primitive that only has extensions is there as well."""
    if items is None:
        return [] if beside is None else beside if isinstance(beside, list) else [beside]
    return items if isinstance(items, list) else [items]
