"""Definitions of profiles as trees of elements and slices, and the values of a record those elements stand for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import zip_longest
from typing import Any, NamedTuple

from jiter import LosslessFloat

from fhir.definitions.table import Element, Type, choice_key, type_named
from fhir.patch import same

_LEAST_LENGTH = "http://hl7.org/fhir/StructureDefinition/minLength"
BASE = "http://hl7.org/fhir/StructureDefinition/"
_SIMPLE = BASE + "SimpleQuantity"  # R4's profile whose one rule, sqty-1, stands at each element of it


class Typed(NamedTuple):
    """A value of a record: its type's name, its JSON, and of a primitive what stands beside it (`_name`)."""

    type: str
    value: Any
    beside: Any = None

    @property
    def element(self) -> Any:
        """The JSON object that holds its parts, the extensions of a primitive among them; None without one."""
        return self.value if isinstance(self.value, dict) else self.beside


@dataclass(slots=True)
class Node:
    """An element of a definition with its children and slices."""

    element: dict[str, Any] = field(default_factory=dict)
    children: dict[str, Node] = field(default_factory=dict)
    slices: dict[str, Node] = field(default_factory=dict)


def elements(definition: dict[str, Any]) -> list[dict[str, Any]]:
    """The elements of a definition: its differential, else its snapshot."""
    part = definition.get("differential") or definition.get("snapshot") or {}
    return [element for element in part.get("element", ()) if isinstance(element, dict)]


def foreign(url: str) -> bool:
    """Whether an address is not of a type of R4 itself, or of SimpleQuantity."""
    return url != _SIMPLE and not (url.startswith(BASE) and type_named(url.removeprefix(BASE)) is not None)


def tree(definition: dict[str, Any], *, alone: bool = False) -> Node:
    """The elements by their ids: `Patient.identifier:cpf.system`; `alone`, what it is based on is not here."""
    root = Node()
    slices: dict[str, str] = {}
    snapshot = definition.get("snapshot") if alone else None
    for element in elements({"snapshot": snapshot} if snapshot else definition):
        node = root
        for step in _identity(element, slices).split(".")[1:]:
            name, _, sliced = step.partition(":")
            node = node.children.setdefault(name, Node())
            if sliced:
                node = node.slices.setdefault(sliced, Node())
        node.element = {**node.element, **element}
    for element in (definition.get("snapshot") or {}).get("element", ()):  # some differentials leave the slicing out
        found = _known(root, str(element.get("id"))) if "slicing" in element else None
        if found is not None and found.slices and "slicing" not in found.element:
            found.element["slicing"] = element["slicing"]
    return root


def _identity(element: dict[str, Any], slices: dict[str, str]) -> str:
    """The id of an element; of one without, its path within the slices opened before it, which `slices` keeps."""
    if element.get("id"):
        return str(element["id"])
    path, name = str(element.get("path")), element.get("sliceName")
    for inner in [each for each in slices if each.startswith(path + ".") or each == path]:
        del slices[inner]
    if name:
        slices[path] = str(name)
    steps, told = path.split("."), []
    for place, step in enumerate(steps):
        sliced = slices.get(".".join(steps[: place + 1]))
        told.append(f"{step}:{sliced}" if sliced else step)
    return ".".join(told)


def _known(root: Node, identity: str) -> Node | None:
    """The node of an element that is in the tree already."""
    node: Node | None = root
    for step in identity.split(".")[1:]:
        name, _, sliced = step.partition(":")
        node = node.children.get(name) if node is not None else None
        if sliced and node is not None:
            node = node.slices.get(sliced)
    return node


_TREES: OrderedDict[tuple[int, ...], tuple[list[dict[str, Any]], Node]] = OrderedDict()
_MOST_TREES = 500
_DEEPEST = 20


def tree_of(chain: list[dict[str, Any]]) -> Node:
    """The tree of a definition with those it is based on, itself first; kept while the very same ones are asked for."""
    key = tuple(map(id, chain))
    found = _TREES.get(key)
    if found is None or any(one is not other for one, other in zip(found[0], chain, strict=True)):
        node = tree(
            chain[-1], alone=foreign(str(chain[-1].get("baseDefinition") or BASE + "Element").partition("|")[0])
        )
        for definition in reversed(chain[:-1]):
            node = narrowed(node, tree(definition))
        found = _TREES[key] = (chain, node)
    _TREES.move_to_end(key)
    while len(_TREES) > _MOST_TREES:
        _TREES.popitem(last=False)
    return found[1]


def chain_of(definition: dict[str, Any], definitions: Mapping[str, Any]) -> tuple[list[dict[str, Any]], str]:
    """A definition with those it is based on as far as they are here, and the first address that is not."""
    chain = [definition]
    base = ""
    while base := str(chain[-1].get("baseDefinition", "")).partition("|")[0]:
        found = definitions.get(base)
        if found is None:
            return chain, base
        if any(found is each for each in chain) or len(chain) >= _DEEPEST:
            break
        chain.append(found)
    return chain, ""


def narrowed(base: Node, own: Node) -> Node:
    """What a definition makes of the one it is based on: its own words count, rules add up."""
    element = {**base.element, **own.element}
    rules = [*base.element.get("constraint", ()), *own.element.get("constraint", ())]
    if rules:
        element["constraint"] = rules
    parts = {name: {**getattr(base, name)} for name in ("children", "slices")}
    for name, found in parts.items():
        for key, node in getattr(own, name).items():
            found[key] = narrowed(found[key], node) if key in found else node
    return Node(element, parts["children"], parts["slices"])


def stated(element: dict[str, Any]) -> Any:
    """The fixed or pattern value of an element, or None."""
    return next((v for k, v in element.items() if k.startswith(("fixed", "pattern"))), None)


def holds(value: Any, wanted: Any, *, fixed: bool) -> bool:
    """Whether a value equals what is fixed, or has all that a pattern names."""
    if fixed:
        return same(value, wanted)
    if isinstance(wanted, dict):
        return isinstance(value, dict) and all(
            k in value and holds(value[k], w, fixed=False) for k, w in wanted.items()
        )
    if isinstance(wanted, list):
        return isinstance(value, list) and all(any(holds(v, w, fixed=False) for v in value) for w in wanted)
    return same(value, wanted)


def outside(element: dict[str, Any], value: Any) -> Iterator[tuple[str, str]]:
    """The limits of an element that a text or a number is beyond, each with its code: length, least, greatest."""
    if isinstance(value, str):
        most, least = element.get("maxLength"), _least_length(element)
        if isinstance(most, int) and len(value) > most:
            yield "long", str(most)
        if len(value) < least:
            yield "short", str(least)
    number = _number(value)
    if number is None:
        return
    for name, stated_limit in element.items():
        limit = _number(stated_limit)
        if limit is None:
            continue
        if name.startswith("minValue") and number < limit:
            yield "small", str(limit)
        elif name.startswith("maxValue") and number > limit:
            yield "great", str(limit)


def _number(value: Any) -> Decimal | None:
    known = isinstance(value, (int, float, Decimal, LosslessFloat)) and not isinstance(value, bool)
    return Decimal(str(value)) if known else None


def _least_length(element: dict[str, Any]) -> int:
    """The least length of a text, which R4 states by an extension."""
    listed = (each for each in element.get("extension", ()) if each.get("url") == _LEAST_LENGTH)
    return max((each["valueInteger"] for each in listed if isinstance(each.get("valueInteger"), int)), default=0)


def children(value: Typed, name: str) -> Iterator[Typed]:
    """The values of an element by name; of a choice (`value[x]`, `valueQuantity`) each with its type."""
    found, content = type_named(value.type), value.element
    if not isinstance(content, dict) or found is None:
        return
    bare = name.removesuffix("[x]")
    for element in parts(found):
        for type_name in element.types:
            key = choice_key(element, type_name) if element.choice else element.name
            if bare not in (element.name, key):
                continue
            for item, beside in zip_longest(_listed(content.get(key)), _listed(content.get("_" + key))):
                actual = item.get("resourceType", type_name) if isinstance(item, dict) else type_name
                yield Typed(str(actual), item, beside)


def parts(kind: Type) -> Iterable[Element]:
    """The elements of a type; those of Element for a primitive, which may have extensions."""
    own = kind.elements or (type_named("Element") or kind).elements
    return own.values()


def _listed(items: Any) -> list[Any]:
    return [] if items is None else items if isinstance(items, list) else [items]
