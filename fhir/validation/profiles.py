"""Profiles (R4 §5.1): what a StructureDefinition demands beyond R4, checked along its chain of base definitions.

Checked: type, occurrence, forbidden elements, types of choices, fixed and pattern values, lengths and numbers, targets
of references and their profiles where they are at hand, slices by every kind of discriminator, closed slicing, required
bindings to value sets that are known, profiles of values and FHIRPath constraints. A constraint that this engine cannot
read is named as not checked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from canonical.problem import Problem, Severity
from fhir.definitions.table import resource_types
from fhir.fhirpath.engine import compiled
from fhir.fhirpath.evaluation import Budget, PathError, Scope, boolean, deadline
from fhir.fhirpath.items import Item
from fhir.fhirpath.syntax import BadExpression
from fhir.validation import contexts, invariants, slicing
from fhir.validation.profile_tree import (
    BASE,
    Node,
    Typed,
    chain_of,
    children,
    elements,
    foreign,
    holds,
    narrowed,
    outside,
    stated,
    tree_of,
)

_PARTS = frozenset(("BackboneElement", "Element"))  # types of what has its own name in the table
MAXIMUM_FINDINGS = 100
_DEEPEST = 12
_MINISTRY = re.compile(r"https?://(?:www\.)?saude\.gov\.br/(.+)\Z")
Definitions = Mapping[str, dict[str, Any]]
Claim = tuple[Any, str, list[str]]  # a resource, its place, the profiles it claims
Member = Callable[[str, str, str], bool | None]  # value set, system (empty: any), code; None: not known


def needed(definition: dict[str, Any]) -> Iterator[str]:
    """The canonical addresses of other definitions this one rests on: its base, and profiles of its types."""
    if base := definition.get("baseDefinition"):
        yield str(base).partition("|")[0]
    listed = elements(definition)
    marks = [mark for element in listed for mark in element.get("slicing", {}).get("discriminator", ())]
    far = any(mark.get("type") == "profile" or "resolve()" in mark.get("path", "") for mark in marks)
    far = far or _adds_slices(definition, listed)
    for element in listed:
        for kind in element.get("type", ()):
            targets = kind.get("targetProfile", ()) if far else ()
            yield from (url.partition("|")[0] for url in (*kind.get("profile", ()), *targets))


def _adds_slices(definition: dict[str, Any], listed: Sequence[dict[str, Any]]) -> bool:
    """Whether slices stand here whose slicing is the base's: by what it tells them apart is not known yet."""
    sliced = {str(each.get("path")) for each in listed if "slicing" in each}
    named = {str(each.get("path")) for each in listed if "sliceName" in each or ":" in str(each.get("id", ""))}
    return foreign(str(definition.get("baseDefinition", ""))) and not named <= sliced


def spelled(url: str) -> tuple[str, ...]:
    """An address as it is, and the other ways the ministry's own are written: by http or https, with www or without."""
    found = _MINISTRY.match(url)
    if found is None:
        return (url,)
    others = (f"{scheme}://{host}saude.gov.br/{found[1]}" for scheme in ("http", "https") for host in ("www.", ""))
    return (url, *(name for name in others if name != url))


def by_spelling(definitions: Definitions) -> dict[str, dict[str, Any]]:
    """Definitions by every way their address is written."""
    return {**{name: body for url, body in definitions.items() for name in spelled(url)}, **definitions}


def claims(document: Any, asked: str = "") -> list[Claim]:
    """Who claims which profiles: the document, and the resources in the entries of a Bundle, each with its place."""
    found: list[Claim] = []
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


def judged(document: Any, claimed: Iterable[Claim], definitions: Definitions, member: Member) -> list[Problem]:
    """The findings of a document against the profiles its resources claim, and of its extensions."""
    found: list[Problem] = []
    done: set[int] = set()
    for resource, where, urls in claimed:
        within = document if resource is not document else None
        for url in urls:
            checker = _Checker(definitions, member, _item(resource), within)
            checker.done = done
            found += _against(checker, url, where)
    return [*found, *_extensions(document, definitions, member, done), *placed(document, definitions)]


def _extensions(document: Any, definitions: Definitions, member: Member, done: set[int]) -> list[Problem]:
    """The findings of extensions against their definitions, but those that a profile had judged."""
    name = str(document.get("resourceType")) if isinstance(document, dict) else ""
    found: list[Problem] = []
    for holder, url in contexts.known(document, definitions, name):
        if id(holder.value.value) in done or len(found) >= MAXIMUM_FINDINGS:
            continue
        checker = _Checker(definitions, member, holder.resource, document)
        checker.profile(url, holder.value, holder.where)
        found += checker.found
    return list(dict.fromkeys(found))[:MAXIMUM_FINDINGS]


def check(
    resource: Any, url: str, definitions: Definitions, member: Member, where: str = "", *, within: Any = None
) -> list[Problem]:
    """The findings of a resource (at `where`) against a profile; `within` is the Bundle it is an entry of."""
    return _against(_Checker(definitions, member, _item(resource), within), url, where)


def _item(resource: Any) -> Item:
    return Item(str(resource.get("resourceType")) if isinstance(resource, dict) else "", resource)


def _against(checker: _Checker, url: str, where: str) -> list[Problem]:
    name, resource = checker.resource.type, checker.resource.value
    checker.profile(url, Typed(name, resource), where or name)
    address, _, version = url.partition("|")
    present = str(checker.definitions.get(address, {}).get("version", ""))
    if version and present and version != present:
        checker.add("version", where or name, profile=address, version=present)
    return list(dict.fromkeys(checker.found))[:MAXIMUM_FINDINGS]


def placed(document: Any, definitions: Definitions) -> list[Problem]:
    """The extensions in a document and the resources in it that stand where their definitions do not have them."""
    name = str(document.get("resourceType")) if isinstance(document, dict) else ""
    found = dict.fromkeys(contexts.misplaced(document, definitions, name))
    listed = [Problem("fhir.profile.context", place, args=(("extension", url),)) for url, place in found]
    return listed[:MAXIMUM_FINDINGS]


def _is_base(url: str, type_name: str) -> bool:
    """Whether an address is that of a type of R4 itself."""
    return url.startswith(BASE) and url.removeprefix(BASE) in (*resource_types(), type_name)


@cache
def _published() -> frozenset[tuple[str, str]]:
    """The constraints of R4 by key and expression."""
    return frozenset((row[0], row[2]) for rows in invariants.table().values() for row in rows)


def _is_of_r4(rule: Mapping[str, Any]) -> bool:
    """Whether every resource is checked for a constraint anyway, as snapshots repeat them; a key alone is no proof."""
    key, text = str(rule.get("key")), str(rule.get("expression"))
    known = key.startswith(("dom-", "ele-", "ext-")) or (key, text) in _published()
    return known or (_is_base(str(rule.get("source", "")), "") and any(key == name for name, _ in _published()))


class _Checker:
    """Collects findings; `depth` ends profiles that refer to each other."""

    def __init__(self, definitions: Definitions, member: Member, resource: Item, within: Any) -> None:
        self.definitions = definitions
        self.member = member
        self.resource = resource
        self.current = resource  # the contained resource under way, or the resource itself
        self.within = within
        self.follow = invariants.resolver(resource, Item("Bundle", within) if within is not None else None)
        self.budget = Budget(until=deadline())
        self.found: list[Problem] = []
        self.asked: dict[tuple[str, int, int], bool] = {}
        self.depth = 0
        self.done: set[int] = set()

    def add(self, code: str, where: str, **named: str) -> None:
        """One finding."""
        self.found.append(Problem(f"fhir.profile.{code}", where, args=tuple(named.items())))

    def profile(self, url: str, value: Typed, where: str) -> None:
        """`value` (its type first) against a profile and all it is based on."""
        url = url.partition("|")[0]
        if _is_base(url, value[0]):
            if not self.conforms(url, value):
                self.add("type", where, expected=url.removeprefix(BASE))
            return
        definition = self.definitions.get(url)
        if definition is None:
            self.add("not-installed", where, profile=url)
            return
        if definition.get("type") != value[0]:
            self.add("type", where, expected=str(definition.get("type")))
            return
        if self.depth >= _DEEPEST:
            return
        chain, base = chain_of(definition, self.definitions)
        if base and not _is_base(base, value[0]):
            self.add("not-installed", where, profile=base)
        self.depth += 1
        self.done.add(id(value.value))
        root = tree_of(chain)
        if value.type == "Extension" and slicing.unknown_parts(root, value):
            self.add("slice", f"{where}.extension")
        self.stated(root.element, value, where)
        self.constraints(root.element, value, where)
        self.node(root, value, where)
        self.depth -= 1

    def node(self, node: Node, value: Typed, where: str) -> None:
        """The children of an element that is there."""
        for name, child in node.children.items():
            values = list(children(value, name))
            place = f"{where}.{name.removesuffix('[x]')}"
            self.occurrence(child.element, len(values), place)
            for each in values:
                self.value(child, each, place)
            self.sliced(name, child, values, place)

    def occurrence(self, element: dict[str, Any], count: int, where: str) -> None:
        """How often an element stands there."""
        if count < element.get("min", 0):
            self.add("missing", where, least=str(element["min"]))
        most = element.get("max", "*")
        if most == "0" and count:
            self.add("forbidden", where)
        elif most != "*" and most.isdigit() and count > int(most):
            self.add("too-many", where, most=most)

    def value(self, node: Node, value: Typed, where: str) -> None:
        """One value against what its element says, then its own children."""
        element = node.element
        self.stated(element, value, where)
        kinds = [str(kind.get("code")) for kind in element.get("type", ())]
        named = value[0] in kinds or (_PARTS & {*kinds} and "." in value[0])
        if kinds and not named and not kinds[0].startswith("http") and "Resource" not in kinds:
            self.add("choice", where, expected=", ".join(kinds))
        binding = element.get("binding", {})
        if binding.get("strength") == "required" and binding.get("valueSet"):
            self.binding(str(binding["valueSet"]), value, where)
        self.target(element, value, where)
        self.constraints(element, value, where)
        before = self.current
        if isinstance(value[1], dict) and "resourceType" in value[1]:
            self.current = Item(*value)
        for kind in element.get("type", ()):
            if kind.get("code") in (value[0], "Resource") and "_profile" not in kind:
                self.one_of([url.partition("|")[0] for url in kind.get("profile", ())], value, where)
        self.node(self._with_profile(node), value, where)
        self.current = before

    def _with_profile(self, node: Node) -> Node:
        """An element that adds to slices of the one profile of its type: with what that profile says they are."""
        urls = slicing.profiles_of(node, "profile")
        found = self.definitions.get(next(iter(urls))) if len(urls) == 1 else None
        if found is None or not slicing.adds(node):
            return node
        return narrowed(tree_of(chain_of(found, self.definitions)[0]), node)

    def stated(self, element: dict[str, Any], value: Typed, where: str) -> None:
        """What an element says of its value itself: fixed, a pattern, how long, how small or great a number."""
        wanted = stated(element)
        if wanted is not None and not holds(value[1], wanted, fixed=any(k.startswith("fixed") for k in element)):
            self.add("value", where)
        for code, limit in outside(element, value[1]):
            self.add(code, where, limit=limit)

    def one_of(self, urls: list[str], value: Typed, where: str) -> None:
        """A value meets one of the profiles of its type; nothing is said when one of several is not here."""
        if len(urls) == 1 and (urls[0] in self.definitions or _is_base(urls[0], value[0])):
            self.profile(urls[0], value, where)
        elif len(urls) > 1 and all(url in self.definitions for url in urls) and not self.meets(urls, value):
            self.add("none", where, profiles=", ".join(urls))

    def meets(self, urls: Iterable[str], value: Typed) -> bool:
        """Whether a value meets one of the profiles; one that is being asked already, in a circle, is taken to."""
        return any(self.conforms(url, value) for url in urls)

    def binding(self, value_set: str, value: Typed, where: str) -> None:
        """A code of the value set; nothing is said when that is not known."""
        coded = value.type not in ("CodeableConcept", "Coding") or slicing.is_coded(value.value)
        if not coded or self.bound(value_set, value.value) is False:
            self.add("code", where, set=value_set)

    def bound(self, value_set: str, value: Any) -> bool | None:
        """Whether one of the codes a value states is in the value set; None: no code, or not known."""
        codings = value.get("coding", [value]) if isinstance(value, dict) else [{"code": value}]
        listed = [c for c in codings if isinstance(c, dict) and isinstance(c.get("code"), str)]
        url = value_set.partition("|")[0]
        told = [self.member(url, str(c.get("system", "")), c["code"]) for c in listed]
        return True if True in told else None if None in told or not told else False

    def constraints(self, element: dict[str, Any], value: Typed, where: str) -> None:
        """The FHIRPath rules of an element, but those of R4 itself."""
        for each in element.get("constraint", ()):
            key, text = str(each.get("key", "")), each.get("expression")
            if not isinstance(text, str) or _is_of_r4(each):
                continue
            scope = Scope(Item(*value), self.current, self.resource, resolver=self.follow, budget=self.budget)
            scope.member = self._member_of
            try:
                held = boolean(compiled(text)(scope, scope.this))
            except (BadExpression, PathError):
                self.add("unchecked", where, key=key[:60])
                continue
            if not held:
                level: Severity = "error" if each.get("severity") == "error" else "warning"
                args = (("key", key[:60]), ("rule", str(each.get("human") or text)[:300]))
                self.found.append(Problem("fhir.profile.invariant", where, level=level, args=args))

    def _member_of(self, item: Item, url: str) -> bool | None:
        return self.bound(url, item.value)

    def resolve(self, reference: Any) -> Typed | None:
        """The resource a reference leads to, in the resource or its Bundle."""
        found = self.follow(Item("Reference", reference))
        return Typed(found.type, found.value) if found is not None else None

    def conforms(self, url: str, value: Typed) -> bool:
        """Whether a value meets a profile; where profiles ask for each other in a circle, it is taken to."""
        if _is_base(url, value[0]):
            return url.removeprefix(BASE) in (value[0], "Resource", "DomainResource", "Element")
        key = (url, id(value.value), id(value.beside))
        if key in self.asked:
            return self.asked[key]
        if self.depth > _DEEPEST:
            return False
        self.asked[key] = True
        inner = _Checker(self.definitions, self.member, self.resource, self.within)
        inner.depth, inner.budget, inner.asked, inner.current = self.depth + 1, self.budget, self.asked, self.current
        inner.profile(url, value, "")
        self.asked[key] = not any(problem.blocks for problem in inner.found)
        return self.asked[key]

    def target(self, element: dict[str, Any], value: Typed, where: str) -> None:
        """A literal reference names a type the element allows."""
        if value[0] != "Reference" or not isinstance(value[1], dict):
            return
        urls = [url.partition("|")[0] for kind in element.get("type", ()) for url in kind.get("targetProfile", ())]
        names = {url.removeprefix(BASE) if url.startswith(BASE) else self._type_of(url) for url in urls}
        literal = str(value[1].get("reference", "")).partition("/_history/")[0].split("/")
        stated = value[1].get("type") or (literal[-2] if len(literal) > 1 and literal[-2] in resource_types() else "")
        if urls and stated and "Resource" not in names and "" not in names and stated not in names:
            self.add("target", where, expected=", ".join(sorted(names)))
            return
        found = self.resolve(value[1]) if urls and all(url in self.definitions for url in urls) else None
        if found is None or any(slicing.claims(found, url) for url in urls):
            return  # what claims a profile is checked against it where it stands
        if not self.meets(urls, found):
            self.add("target-profile", where, profiles=", ".join(urls))

    def _type_of(self, url: str) -> str:
        return str(self.definitions.get(url, {}).get("type", ""))

    def sliced(self, name: str, node: Node, values: list[Typed], where: str) -> None:
        """Each slice by its own count; in closed slicing nothing may be left over."""
        if not node.slices:
            return
        parts = {name: part for name, part in node.slices.items() if "/" not in name}
        try:
            marks = slicing.marks_of(name, node)
            told = {key: [slicing.belongs(self, part, marks, v) for v in values] for key, part in parts.items()}
        except slicing.Undecided:
            return
        silent = {key for key, verdicts in told.items() if None in verdicts}  # nothing tells what is of them
        for key in (key for key in parts if key not in silent):
            mine = [value for value, verdict in zip(values, told[key], strict=True) if verdict]
            self.occurrence(parts[key].element, len(mine), f"{where}:{key}")
            for each in mine:
                self.value(parts[key], each, f"{where}:{key}")
        left = [place for place in range(len(values)) if not any(verdicts[place] for verdicts in told.values())]
        if node.element.get("slicing", {}).get("rules") == "closed" and left and not silent:
            self.add("slice", where)
