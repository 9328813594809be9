"""Profiles and extensions of FHIR Shorthand (FSH 3.0 §3.5, §3.6) as StructureDefinitions with a differential."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from fhir.definitions.table import Type, choice_key, type_named
from fhir.shorthand import values
from fhir.shorthand.entities import Item, Rule
from fhir.shorthand.tokens import Token, Unreadable
from fhir.shorthand.values import Body, Names, Unfit

BASE = "http://hl7.org/fhir/StructureDefinition/"
CARD = re.compile(r"([0-9]*)\.\.([0-9]*|\*)\Z")
FLAGS = {"MS": "mustSupport", "SU": "isSummary", "?!": "isModifier", "N": "", "TU": "", "D": ""}
_STRENGTHS = ("required", "extensible", "preferred", "example")
_TARGETS = re.compile(r"(Reference|Canonical|CodeableReference)\s*\((.*)\)\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class World:
    """What rules may name: addresses of names, the type behind a profile's address, and the invariants."""

    names: Names
    type_of: Callable[[str], str]
    invariants: dict[str, dict[str, Any]]


class Differential:
    """The elements of one definition, built rule by rule; raises Unreadable at the rule it does not take."""

    def __init__(self, root: str, world: World) -> None:
        self.root = root
        self.world = world
        self.elements: dict[str, dict[str, Any]] = {}
        self._kinds: dict[str, str] = {root: root}  # the one type an element was narrowed to
        self._written: dict[str, Body] = {}

    def take(self, rule: Rule) -> None:
        """One rule that is about elements; raises Unreadable."""
        words = list(rule.words)
        try:
            self._take(rule, words)
        except (Unfit, IndexError):
            told = " ".join(word.text for word in words)[:100]
            raise Unreadable(rule.line, "rule", rule=told) from None

    def _take(self, rule: Rule, words: list[Token]) -> None:
        if words[0].text[0] == "^" or words[0].text == "obeys":
            words.insert(0, Token("word", ".", rule.line))
        paths = [words.pop(0).text]
        while words and words[0].text == "and":
            paths.append(words[1].text)
            del words[:2]
        places = [self._place(rule.path, path) for path in paths]
        if words and (match := CARD.match(words[0].text)):
            self._occurrence(places[0], match[1], match[2])
            del words[0]
        elif words and (found := _VERBS.get(words[0].text)):
            found(self, places[0], words[1:])
            return
        elif words and words[0].text.startswith("^"):
            self._caret(places[0], words)
            return
        for place in places:
            for flag in words:
                if flag.text not in FLAGS:
                    raise Unfit
                if name := FLAGS[flag.text]:
                    self.elements[place][name] = True

    def _place(self, above: str, path: str) -> str:
        """The id of the element at a path, made when it is new; raises Unfit."""
        full = ".".join(step for step in (above, path if path != "." else "") if step)
        identity, where, kind = self.root, self.root, self.root
        self.elements.setdefault(identity, {"id": identity, "path": where})
        for name, brackets in values.steps(full) if full else ():
            owner = type_named(kind)
            if owner is not None and owner.kind == "primitive":  # what stands beside a value: its id and extensions
                owner = type_named("Element")
            if owner is None:
                raise Unfit
            identity, where, kind = self._step(owner, identity, where, name, [b for b in brackets if not b.isdigit()])
        return identity

    def _step(self, owner: Type, identity: str, where: str, name: str, brackets: list[str]) -> tuple[str, str, str]:
        element, kind = values.element_named(owner, name)
        bare = f"{element.name}[x]" if element.choice else name
        slices = [b for b in brackets if b != "x"]
        if element.choice and kind:  # `valueQuantity`: the slice of that type
            slices.insert(0, name)
        elif element.choice and slices:
            kind = next((t for t in element.types if choice_key(element, t) == slices[0]), "")
        whole, where = f"{identity}.{bare}", f"{where}.{bare}"
        identity = ":".join((whole, "/".join(slices))) if slices else whole
        made = self.elements.setdefault(identity, {"id": identity, "path": where})
        if slices:
            made.setdefault("sliceName", "/".join(slices))
            if element.choice and kind:
                made.setdefault("type", [{"code": kind}])
        return identity, where, self._kinds.get(identity) or self._kinds.get(whole) or kind

    def _kind(self, place: str) -> str:
        """The one type an element has; raises Unfit when it may have several."""
        if kind := self._kinds.get(place):
            return kind
        owner, _, last = place.rpartition(".")
        name, _, sliced = last.partition(":")
        found = type_named(self._kind(owner))
        if found is None:
            raise Unfit
        whole = self._kinds.get(f"{owner}.{name}")
        element = found.elements.get(name.removesuffix("[x]"))
        if element is None:
            raise Unfit
        chosen = next((t for t in element.types if choice_key(element, t) == sliced.split("/")[0]), "")
        kind = whole or chosen or (element.types[0] if len(element.types) == 1 or not element.choice else "")
        if not kind:
            raise Unfit
        return kind

    def _occurrence(self, place: str, least: str, most: str) -> None:
        element = self.elements[place]
        if least:
            element["min"] = int(least)
        if most:
            element["max"] = most

    def _caret(self, place: str, words: Sequence[Token]) -> None:
        """`^short = "…"`: an element of the definition's element itself."""
        if len(words) < 3 or words[1].text != "=":
            raise Unfit
        body = self._written.setdefault(place, Body("ElementDefinition", self.world.names))
        body.value = self.elements[place]
        body.put(words[0].text[1:], words[2:])

    def bind(self, place: str, words: Sequence[Token]) -> None:
        """`from VS (strength)`."""
        strength = words[1].text.strip("()") if len(words) > 1 else "required"
        if strength not in _STRENGTHS or len(words) > 2:
            raise Unfit
        binding = self.elements[place].setdefault("binding", {})
        binding |= {"strength": strength, "valueSet": self.world.names(words[0].text)}

    def assign(self, place: str, words: Sequence[Token]) -> None:
        """`= value`, with `(exactly)` as fixed and otherwise as pattern."""
        exactly = words[-1].text == "(exactly)"
        kind = self._kind(place)
        made = values.value_of(words[:-1] if exactly else words, kind, self.world.names)
        self.elements[place][f"{'fixed' if exactly else 'pattern'}{kind[0].upper()}{kind[1:]}"] = made

    def contain(self, place: str, words: Sequence[Token]) -> None:
        """`contains X named x 0..1 MS and y 1..1`."""
        extension = place.rpartition(".")[2].partition(":")[0] in ("extension", "modifierExtension")
        if extension:
            mark = {"discriminator": [{"type": "value", "path": "url"}], "ordered": False, "rules": "open"}
            self.elements[place].setdefault("slicing", mark)
        for part in parts(words, "and"):
            texts = [word.text for word in part]
            named = texts[2] if texts[1:2] == ["named"] else texts[0]
            rest = part[3:] if texts[1:2] == ["named"] else part[1:]
            identity = f"{place}/{named}" if ":" in place.rpartition(".")[2] else f"{place}:{named}"
            base = self.elements[place]["path"]
            made = self.elements.setdefault(identity, {"id": identity, "path": base, "sliceName": named})
            if extension:
                self._extension(identity, made, texts[0] if texts[1:2] == ["named"] else "", named)
            match = CARD.match(rest[0].text)
            if match is None:
                raise Unfit
            self._occurrence(identity, match[1], match[2])
            for flag in rest[1:]:
                made |= {FLAGS[flag.text]: True} if FLAGS.get(flag.text) else {}

    def _extension(self, identity: str, made: dict[str, Any], profile: str, named: str) -> None:
        """An extension by its profile, or one that is defined in place and known by its name."""
        made["type"] = [{"code": "Extension", **({"profile": [self.world.names(profile)]} if profile else {})}]
        if not profile:
            self.elements[f"{identity}.url"] = {
                "id": f"{identity}.url", "path": f"{made['path']}.url", "fixedUri": named,
            }  # fmt: skip

    def narrow(self, place: str, words: Sequence[Token]) -> None:
        """`only A or Reference(B or C)`."""
        made: list[dict[str, Any]] = []
        for part in parts(words, "or"):
            if len(part) != 1:
                raise Unfit
            made.append(self._type(place, part[0].text))
        self.elements[place]["type"] = made
        if len(codes := {each["code"] for each in made}) == 1:
            self._kinds[place] = codes.pop()

    def _type(self, place: str, text: str) -> dict[str, Any]:
        if (found := targets(text, self.world.names)) is not None:
            return found
        if type_named(text) is not None:
            return {"code": text}
        url = self.world.names(text)
        return {"code": self.world.type_of(url) or self._kind(place), "profile": [url]}

    def obey(self, place: str, words: Sequence[Token]) -> None:
        """`obeys A and B`."""
        for part in parts(words, "and"):
            rule = self.world.invariants.get(part[0].text)
            if rule is None or len(part) != 1:
                raise Unfit
            self.elements[place].setdefault("constraint", []).append(rule)


_VERBS: dict[str, Callable[[Differential, str, Sequence[Token]], None]] = {
    "from": Differential.bind,
    "=": Differential.assign,
    "contains": Differential.contain,
    "only": Differential.narrow,
    "obeys": Differential.obey,
}


def targets(text: str, names: Names) -> dict[str, Any] | None:
    """The type of `Reference(A or B)` or `Canonical(A)`; None for what is neither. Raises Unfit."""
    match = _TARGETS.match(text)
    if match is None:
        return None
    code = {"Reference": "Reference", "Canonical": "canonical"}.get(match[1])
    if code is None:
        raise Unfit
    return {"code": code, "targetProfile": [names(name) for name in re.split(r"\s+or\s+|\s*\|\s*", match[2].strip())]}


def parts(words: Iterable[Token], between: str) -> list[list[Token]]:
    """The words between `and` or `or`; raises Unfit for an empty part."""
    found: list[list[Token]] = [[]]
    for word in words:
        if word.text == between and word.kind == "word":
            found.append([])
        else:
            found[-1].append(word)
    if not all(found):
        raise Unfit
    return found


def definition(item: Item, rules: Sequence[Rule], head: dict[str, Any], parent: str, world: World) -> dict[str, Any]:
    """A Profile's or Extension's StructureDefinition; `parent` is an address. Raises Unreadable."""
    kind = world.type_of(parent)
    if not kind:
        raise Unreadable(item.line, "parent", name=parent[:200])
    body = Body("StructureDefinition", world.names)
    body.value = head
    made = Differential(kind, world)
    for rule in rules:
        words = rule.words
        if words and words[0].text.startswith("^") and not rule.path:
            head_rule(body, rule)
        else:
            made.take(rule)
    if item.kind == "Extension":
        _extension(made, str(head["url"]))
    found = type_named(kind)
    for element in made.elements.values():  # words about a binding of the base are none of one's own
        if "strength" not in element.get("binding", {"strength": ""}):
            del element["binding"]
    whole = found is not None and found.kind == "resource"
    body.value |= {
        "fhirVersion": "4.0.1",
        "kind": "resource" if whole else "complex-type",
        "abstract": False,
        "type": kind,
        "baseDefinition": parent,
        "derivation": "constraint",
        "differential": {"element": list(made.elements.values()) or [{"id": kind, "path": kind}]},
    }
    return body.value


def head_rule(body: Body, rule: Rule) -> None:
    """A rule about the definition itself (`^status = #active`); raises Unreadable."""
    words = rule.words
    try:
        if len(words) < 3 or words[1].text != "=":
            raise Unfit
        body.put(words[0].text[1:], words[2:])
    except Unfit:
        raise Unreadable(rule.line, "rule", rule=" ".join(word.text for word in words)[:100]) from None


def _extension(made: Differential, url: str) -> None:
    """What every extension says of itself: its address, and a value or parts but not both."""
    made.elements.setdefault("Extension", {"id": "Extension", "path": "Extension"})
    made.elements["Extension.url"] = {"id": "Extension.url", "path": "Extension.url", "fixedUri": url}
    complex_ = any(name.startswith("Extension.extension:") for name in made.elements)
    closed = "Extension.value[x]" if complex_ else "Extension.extension"
    if closed not in made.elements:
        made.elements[closed] = {"id": closed, "path": closed, "max": "0"}
