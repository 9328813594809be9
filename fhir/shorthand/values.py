"""Values of FHIR Shorthand (FSH 3.0 §3.4.5) as the JSON of the element's type, and bodies written by path."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from fhir import jsontext
from fhir.definitions.table import Element, Type, choice_key, type_named
from fhir.shorthand.tokens import Token, unescaped


class Names(Protocol):
    """What names in a project stand for."""

    def __call__(self, name: str, /) -> str:
        """The address of an alias, an item's name or an address; raises Unfit."""

    def instance(self, name: str, kind: str, /) -> Any:
        """The JSON of an instance of type `kind` (`Resource`: of any resource type), or None for no such instance."""


_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?\Z")
_CALL = re.compile(r"(Reference|Canonical|CodeableReference)\s*\((.*)\)\Z", re.DOTALL)
_STEP = re.compile(r"([A-Za-z][A-Za-z0-9]*)((?:\[[^\]]*\])*)\Z")
_DATES = frozenset(("date", "dateTime", "instant", "time"))
_TEXTS = frozenset(
    ("string", "markdown", "uri", "url", "canonical", "oid", "uuid", "id", "code", "base64Binary", "xhtml")
)
_WHOLE = frozenset(("integer", "positiveInt", "unsignedInt"))
UCUM = "http://unitsofmeasure.org"


class Unfit(Exception):
    """A value is none of its element's type, or a path leads nowhere."""


def code_of(word: str, names: Names) -> tuple[str, str, str] | None:
    """System, version and code of `SYSTEM|version#code`, or None for what is no code."""
    system, mark, code = word.partition("#")
    if not mark:
        return None
    name, _, version = system.partition("|")
    return names(name) if name else "", version, unescaped(code[1:-1]) if code.startswith('"') else code


def value_of(words: Sequence[Token], kind: str, names: Names) -> Any:
    """The JSON of a value as FHIR type `kind`; raises Unfit."""
    if not words:
        raise Unfit
    first = words[0]
    if first.kind == "string":
        if kind in _TEXTS or kind in _DATES:
            return first.text
        raise Unfit
    code = code_of(first.text, names)
    if kind in _CODED and code is not None:
        return _CODED[kind](code, words[1].text if len(words) > 1 and words[1].kind == "string" else "")
    made = _word(first.text, kind, names) if len(words) == 1 else None
    if made is None and len(words) == 1 and (found := type_named(kind)) is not None and found.kind != "primitive":
        made = names.instance(first.text, kind)
    if kind == "Quantity" and made is None:
        made = _quantity(words, names)
    if made is None:
        raise Unfit
    return made


def _word(text: str, kind: str, names: Names) -> Any:
    if kind == "boolean":
        return {"true": True, "false": False}.get(text)
    if kind == "decimal" or kind in _WHOLE:
        if _NUMBER.match(text) is None or (kind in _WHOLE and "." in text):
            return None
        return jsontext.parse(text.removeprefix("+").encode())
    if kind in _DATES:
        return text
    call = _CALL.match(text)
    if kind == "Reference" and call is not None and call[1] == "Reference":
        return {"reference": names(call[2].strip())}
    if kind in ("canonical", "uri", "url"):
        return names(call[2].strip() if call is not None else text)
    return None


def _coding(code: tuple[str, str, str], display: str) -> dict[str, Any]:
    parts = {"system": code[0], "version": code[1], "code": code[2], "display": display}
    return {name: value for name, value in parts.items() if value}


_CODED: dict[str, Callable[[tuple[str, str, str], str], Any]] = {
    "code": lambda code, display: code[2],
    "Coding": _coding,
    "CodeableConcept": lambda code, display: {"coding": [_coding(code, display)]},
    "Quantity": lambda code, display: {"system": code[0], "code": code[2], **({"unit": display} if display else {})},
}


def _quantity(words: Sequence[Token], names: Names) -> dict[str, Any] | None:
    """`5.4 'mg' "display"` or `5.4 SYSTEM#code`."""
    texts = [word.text for word in words]
    number = texts.pop(0) if _NUMBER.match(texts[0]) else ""
    made: dict[str, Any] = {"value": jsontext.parse(number.encode())} if number else {}
    if texts and (code := code_of(texts[0], names)) is not None:
        made |= {"system": code[0], "code": code[2]}
    elif texts and len(texts[0]) > 1 and texts[0][0] == texts[0][-1] == "'":
        made |= {"system": UCUM, "code": texts[0][1:-1]}
    elif texts:
        return None
    if len(texts) > 1:
        made["unit"] = texts[1]
    return made or None


def steps(path: str) -> list[tuple[str, list[str]]]:
    """A path's steps with what stands in brackets (`identifier[cpf].type` → identifier, [cpf]); raises Unfit."""
    found = []
    for step in re.findall(r"(?:[^.\[]|\[[^\]]*\])+", path):
        match = _STEP.match(step)
        if match is None:
            raise Unfit
        found.append((match[1], re.findall(r"\[([^\]]*)\]", match[2])))
    if not found:
        raise Unfit
    return found


def element_named(kind: Type, name: str) -> tuple[Element, str]:
    """The element of a type by its name, and of a choice its one type (`valueCode`; empty: not told); raises Unfit."""
    if found := kind.elements.get(name):
        return found, "" if found.choice else found.types[0]
    for element in kind.elements.values():
        for type_name in element.types if element.choice else ():
            if choice_key(element, type_name) == name:
                return element, type_name
    raise Unfit


class Body:
    """A resource or element under construction; `[+]` and `[=]` count as they are written (§3.5.4)."""

    def __init__(self, type_name: str, names: Names) -> None:
        self.value: dict[str, Any] = {}
        self.type = type_name
        self.names = names
        self._last: dict[str, int] = {}

    def put(self, path: str, words: Sequence[Token]) -> None:
        """Set the element at a path; empty words say nothing. Raises Unfit."""
        if len(words) == 1 and words[0].kind == "string" and not words[0].text.strip():
            return
        node, kind, place = self.value, self.type, ""
        parts = steps(path)
        for number, (name, brackets) in enumerate(parts, start=1):
            owner = type_named(kind)
            if owner is None:
                raise Unfit
            element, kind = element_named(owner, name)
            key = choice_key(element, kind) if element.choice and kind else name
            place += f".{key}"
            last = number == len(parts)
            if last and not element.repeats:
                node[key] = value_of(words, kind, self.names)
            elif not element.repeats:
                node = node.setdefault(key, {})
            else:
                position = self._position(place, brackets)
                listed = node.setdefault(key, [])
                if position > len(listed):
                    raise Unfit
                made = value_of(words, kind, self.names) if last else {}
                if position == len(listed):
                    listed.append(made)
                elif last:
                    listed[position] = made
                node = listed[position]
                place += f"[{position}]"

    def _position(self, place: str, brackets: Sequence[str]) -> int:
        mark = brackets[0] if brackets else "0"
        before = self._last.get(place, -1)
        if mark not in ("+", "=") and not mark.isdigit():
            raise Unfit
        self._last[place] = before + 1 if mark == "+" else max(before, 0) if mark == "=" else int(mark)
        return self._last[place]
