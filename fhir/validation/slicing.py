"""Which slice of a profile a value belongs to (R4 ElementDefinition, slicing): by discriminators of every kind.

`value` and `pattern` compare what is fixed, or bound as required; `type`, `exists` and `profile` look at the value.
Paths may go through `resolve()`, `ofType(T)` and `extension('url')`. A reference whose target is not here leaves the
slicing undecided: then nothing is said of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Protocol

from fhir.definitions.table import resource_types, type_named
from fhir.validation.profile_tree import BASE, Node, Typed, chain_of, children, holds, stated, tree_of

_STEPS = re.compile(r"[^.()]+(?:\([^()]*\))?")
_CALL = re.compile(r"(ofType|extension)\(\s{0,9}'?([^')]{0,500})'?\s{0,9}\)\Z")
URL = {"type": "value", "path": "url"}
THIS = {"type": "type", "path": "$this"}


class Undecided(Exception):
    """A discriminator leads to something that is not here."""


class Judge(Protocol):
    """What slicing asks of the check under way."""

    definitions: Any

    def resolve(self, reference: Any) -> Typed | None:
        """The resource a reference leads to, or None."""

    def conforms(self, url: str, value: Typed) -> bool:
        """Whether a value meets a profile."""

    def bound(self, value_set: str, value: Any) -> bool | None:
        """Whether a code is in a value set; None when that is not known."""


def marks_of(name: str, node: Node) -> list[dict[str, Any]]:
    """The discriminators of a sliced element, those that go without saying included; raises Undecided without any."""
    found = node.element.get("slicing", {}).get("discriminator")
    if found:
        return list(found)
    if name in ("extension", "modifierExtension"):
        return [URL]
    if name.endswith("[x]"):
        return [THIS]
    raise Undecided


def belongs(judge: Judge, part: Node, marks: Iterable[dict[str, Any]], value: Typed) -> bool | None:
    """Whether a value is of a slice by all discriminators the slice speaks of; None when of none; raises Undecided."""
    told = [_one(judge, part, mark, value) for mark in marks]
    return None if not any(each is not None for each in told) else False not in told


def _one(judge: Judge, part: Node, mark: dict[str, Any], value: Typed) -> bool | None:
    """By one discriminator; None where the slice says nothing of what it looks at."""
    path = str(mark.get("path", "$this"))
    steps = [] if path == "$this" else _STEPS.findall(path.removeprefix("$this."))
    if path == "url" and value[0] == "Extension" and (urls := profiles_of(part, "profile")):
        return isinstance(value[1], dict) and value[1].get("url") in urls
    values = [value]
    for step in steps:
        values = _below(judge, values, step)
    node = _node(judge, part, steps)
    match mark.get("type"):
        case "type":
            return any(each[0] in (_types(judge, node) or _by_name(node)) for each in values)
        case "exists":
            return bool(values) is (node.element.get("max") != "0")
        case "profile":
            urls = profiles_of(node, "targetProfile" if "resolve()" in steps else "profile")
            return _by_profile(judge, sorted(urls), values) if urls else None
    return _equal(judge, node, values)


def _by_profile(judge: Judge, urls: list[str], values: list[Typed]) -> bool:
    """Whether a value says it follows one of the profiles, or does; raises Undecided for one that is not here."""
    if any(claims(each, url) for each in values for url in urls):
        return True
    known = [url for url in urls if url.startswith(BASE) or url in judge.definitions]
    if any(judge.conforms(url, each) for each in values for url in known):
        return True
    if len(known) < len(urls):
        raise Undecided
    return False


def claims(value: Typed, url: str) -> bool:
    """Whether a resource says itself that it follows a profile: then it is of that slice, whatever is wrong with it."""
    meta = value[1].get("meta") if isinstance(value[1], dict) else None
    listed = meta.get("profile", ()) if isinstance(meta, dict) else ()
    return any(isinstance(each, str) and each.partition("|")[0] == url for each in listed)


def _equal(judge: Judge, node: Node, values: list[Typed]) -> bool | None:
    if node.element.get("max") == "0":
        return not values
    wanted = stated(node.element)
    if wanted is not None:
        return any(holds(each[1], wanted, fixed=False) for each in values)
    binding = node.element.get("binding", {})
    if binding.get("strength") != "required":
        inner = {name: child for name, child in node.children.items() if stated(child.element) is not None}
        return any(_has_all(each, inner) for each in values) if inner else _by_slices(judge, node, values)
    told = [judge.bound(str(binding.get("valueSet", "")), each[1]) for each in values]
    if None in told:
        raise Undecided
    return any(told)


def _by_slices(judge: Judge, node: Node, values: list[Typed]) -> bool | None:
    """Whether the slices that must be there, or the only one, have a value each; None where they say nothing."""
    told = [_equal(judge, part, values) for part in _decisive(node)]
    return False if False in told else True if True in told else None


def _decisive(node: Node) -> list[Node]:
    listed = list(node.slices.values())
    return [part for part in listed if part.element.get("min", 0)] or (listed if len(listed) == 1 else [])


def _has_all(value: Typed, wanted: dict[str, Node]) -> bool:
    """What is fixed below an element that has nothing fixed itself."""
    return all(
        any(holds(each[1], stated(node.element), fixed=False) for each in children(value, name))
        for name, node in wanted.items()
    )


def _below(judge: Judge, values: list[Typed], step: str) -> list[Typed]:
    """The values one step on; raises Undecided for references that lead nowhere here."""
    if step == "resolve()":
        found = []
        for each in values:
            target = judge.resolve(each[1])
            if target is None:
                raise Undecided
            found.append(target)
        return found
    if call := _CALL.match(step):
        if call[1] == "ofType":
            return [each for each in values if each[0] == call[2]]
        extensions = (inner for each in values for inner in children(each, "extension"))
        return [each for each in extensions if isinstance(each[1], dict) and each[1].get("url") == call[2]]
    return [inner for each in values for inner in children(each, step)]


def _node(judge: Judge, node: Node, steps: list[str]) -> Node:
    """What the slice says of the element a path leads to, also by the profiles of the elements on the way."""
    for place, step in enumerate(steps):
        if step == "resolve()":
            if place + 1 == len(steps):
                return node
            node = _profile_tree(judge, node, "targetProfile")
            continue
        call = _CALL.match(step)
        if call is None:
            below = _child(node, step)
            node = below if below is not None else _child(_profile_tree(judge, node, "profile"), step) or Node()
        elif call[1] == "extension":
            slices = node.children.get("extension", Node()).slices.values()
            node = next((each for each in slices if call[2] in profiles_of(each, "profile")), Node())
    return node


def _child(node: Node, step: str) -> Node | None:
    """An element by its name; a choice also where it is named by its one type (`valueCode`), or a slice is."""
    found = node.children.get(step) or node.children.get(step + "[x]")
    if found is None or not _speaks(found):
        found = _of_a_slice(node, step) or found
    if found is not None:
        named = [part for name, part in found.slices.items() if _chosen(step, name)]
        return named[0] if len(named) == 1 == len(found.slices) else found
    named = [_typed(child, step, name) for name, child in node.children.items() if _chosen(step, name)]
    return named[0] if len(named) == 1 else None


def _speaks(node: Node) -> bool:
    """Whether an element or what is below it says anything of its value."""
    return bool(node.children or node.slices or node.element.keys() - {"id", "path", "min", "max", "mustSupport"})


def _of_a_slice(node: Node, step: str) -> Node | None:
    """What a slice that must be there, or the only one, says of an element: `code.coding.code` in R4's own bp."""
    return next((found for part in _decisive(node) if (found := _child(part, step)) is not None), None)


def _chosen(step: str, name: str) -> str:
    """The type that a choice's name states: `Code` of `valueCode`; empty when it is none of the choice."""
    rest = name.removeprefix(step)
    known = rest != name and (type_named(rest) or type_named(rest[:1].lower() + rest[1:]))
    return known.name if known else ""


def _typed(node: Node, step: str, name: str) -> Node:
    """The element with its type, which a differential may leave to the name."""
    listed = node.element.get("type") or [{"code": _chosen(step, name)}]
    return Node({**node.element, "type": listed}, node.children, node.slices)


def _profile_tree(judge: Judge, node: Node, key: str) -> Node:
    """The tree of the one profile an element names; raises Undecided for a part of a profile, named by an extension."""
    if any("_profile" in kind for kind in node.element.get("type", ())):
        raise Undecided
    found = [judge.definitions[url] for url in sorted(profiles_of(node, key)) if url in judge.definitions]
    return tree_of(chain_of(found[0], judge.definitions)[0]) if len(found) == 1 else Node()


def unknown_parts(root: Node, extension: Typed) -> bool:
    """Whether an extension has parts by relative addresses (R4 2.4.0.1) that its definition, which has some, lacks."""
    slices = root.children.get("extension", Node()).slices.values()
    known = {stated(part.children.get("url", Node()).element) for part in slices}
    urls = (part.value.get("url") for part in children(extension, "extension") if isinstance(part.value, dict))
    return bool(known) and None not in known and any(":" not in str(url) and url not in known for url in urls)


def is_coded(value: Any) -> bool:
    """Whether a CodeableConcept or Coding states a code with its system, or by an extension why it has none."""
    listed = [value, *(value.get("coding") or ())] if isinstance(value, dict) else []
    return any(each.keys() >= {"system", "code"} or "extension" in each for each in listed if isinstance(each, dict))


def adds(node: Node) -> bool:
    """Whether an element has slices somewhere below it."""
    return bool(node.slices) or any(adds(child) for child in node.children.values())


def profiles_of(node: Node, key: str) -> set[str]:
    """The profiles the types of an element name, by `profile` or `targetProfile`, without versions."""
    return {url.partition("|")[0] for kind in node.element.get("type", ()) for url in kind.get(key, ())}


def _by_name(node: Node) -> set[str]:
    """The type in the name of a slice of a choice (`valueQuantity`), which may go without saying it again."""
    path, name = str(node.element.get("path")), str(node.element.get("sliceName"))
    return {_chosen(path.rpartition(".")[2].removesuffix("[x]"), name)} - {""} if path.endswith("[x]") else set()


def _types(judge: Judge, node: Node) -> set[str]:
    """The types an element allows; of a reference, those of its targets."""
    found = {str(kind.get("code")) for kind in node.element.get("type", ())}
    for url in profiles_of(node, "targetProfile"):
        name = url.rsplit("/", 1)[-1]
        found.add(name if name in resource_types() else str(judge.definitions.get(url, {}).get("type", "")))
    return found
