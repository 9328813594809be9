"""Logical models of FHIR Shorthand (FSH 3.0 §3.5.6, §3.6.4) as StructureDefinitions that specialize Element."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fhir.definitions.table import type_named
from fhir.shorthand.entities import Item, Rule
from fhir.shorthand.profiles import BASE, CARD, FLAGS, Differential, World, head_rule, parts, targets
from fhir.shorthand.tokens import Token, Unreadable
from fhir.shorthand.values import Body, Unfit

_CHARACTERISTICS = f"{BASE}structuredefinition-type-characteristics"
_PARENTS = ("", "Base", "Element", f"{BASE}Base", f"{BASE}Element")


class _Model(Differential):
    """The elements of one model: each is there by the rule that adds it, and further rules are about those."""

    def _take(self, rule: Rule, words: list[Token]) -> None:
        adds = len(words) > 2 and CARD.match(words[1].text) and any(_is_type(word) for word in words[2:])
        if adds:
            self._add(rule, words)
        else:
            super()._take(rule, words)

    def _add(self, rule: Rule, words: list[Token]) -> None:
        """`* name 0..1 MS Type or Type "short" "definition"`."""
        path = ".".join(step for step in (self.root, rule.path, words[0].text) if step)
        match = CARD.match(words[1].text)
        texts = [word.text for word in words if word.kind == "string"]
        rest = [word for word in words[2:] if word.kind != "string"]
        flags = [word.text for word in rest if word.text in FLAGS]
        types = [word for word in rest if word.text not in FLAGS]
        above = path.rpartition(".")[0]
        if match is None or not (match[1] and match[2]) or above not in self.elements or not 1 <= len(texts) <= 2:
            raise Unfit
        made: dict[str, Any] = {"id": path, "path": path}
        made |= {"short": texts[0], "definition": texts[-1], "min": int(match[1]), "max": match[2]}
        if types[0].text == "contentReference":
            made["contentReference"] = types[1].text
        else:
            made["type"] = [self._typed(part) for part in parts(types, "or")]
        self.elements[path] = {**made, **{FLAGS[flag]: True for flag in flags if FLAGS[flag]}}

    def _typed(self, part: Sequence[Token]) -> dict[str, Any]:
        if len(part) != 1:
            raise Unfit
        if (found := targets(part[0].text, self.world.names)) is not None:
            return found
        if type_named(part[0].text) is not None:
            return {"code": part[0].text}
        return {"code": self.world.names(part[0].text)}

    def _place(self, above: str, path: str) -> str:
        """The element at a path, which must be there."""
        place = ".".join(step for step in (self.root, above, path if path != "." else "") if step)
        if place not in self.elements:
            raise Unfit
        return place

    def _kind(self, place: str) -> str:
        types = self.elements[place].get("type", ())
        if len(types) != 1:
            raise Unfit
        return str(types[0]["code"])


def _is_type(word: Token) -> bool:
    return word.kind != "string" and word.text not in FLAGS


def definition(item: Item, rules: Sequence[Rule], head: dict[str, Any], world: World) -> dict[str, Any]:
    """A Logical's StructureDefinition; raises Unreadable, also for a model that rests on another one."""
    if item.text("Parent") not in _PARENTS:
        raise Unreadable(item.line, "parent", name=item.text("Parent")[:200])
    body = Body("StructureDefinition", world.names)
    body.value = head
    root = str(head["id"])
    made = _Model(root, world)
    made.elements[root] = {
        "id": root,
        "path": root,
        "short": item.text("Title") or item.name,
        "definition": item.text("Description") or item.text("Title") or item.name,
    }
    for rule in rules:
        if rule.words and rule.words[0].text.startswith("^") and not rule.path:
            head_rule(body, rule)
        else:
            made.take(rule)
    told = [word.lstrip("#") for word in item.text("Characteristics").replace(" and ", " ").split()]
    if told:
        stated = [{"url": _CHARACTERISTICS, "valueCode": code} for code in told]
        body.value["extension"] = [*body.value.get("extension", ()), *stated]
    body.value |= {
        "fhirVersion": "4.0.1",
        "kind": "logical",
        "abstract": False,
        "type": head["url"],
        "baseDefinition": f"{BASE}Element",
        "derivation": "specialization",
        "differential": {"element": list(made.elements.values())},
    }
    return body.value
