"""Code systems (R4 §4.8): concepts by code, their hierarchy, and the lists a record or R4 itself gives.

A hierarchy is what nesting and the properties `parent`, `child` and `subsumedBy` say; circles in it are walked once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from canonical.identity import fold

_SUPPLEMENT_TYPE = "/codesystem-supplement-type"
_UP = frozenset(("parent", "subsumedBy"))
_DOWN = frozenset(("child",))
_URIS = "http://hl7.org/fhir/concept-properties#"
_DISPLAYED = frozenset(("display", "preferredForLanguage"))
_RETIRED = frozenset(("retired", "inactive", "deprecated", "withdrawn"))


class Unanswered(Exception):
    """A terminology question that cannot be answered: `kind` is not-found, too-costly, unsupported or malformed.

    `code` is the dotted problem code, `named` what its words name (canonical addresses, limits; no patient data).
    """

    def __init__(self, kind: str, code: str, **named: str) -> None:
        super().__init__(code)
        self.kind = kind
        self.code = code
        self.named = tuple((name, value[:200]) for name, value in named.items())


@dataclass(frozen=True, slots=True)
class Designation:
    """Another name of a concept; `use` is the Coding as it stands."""

    value: str
    language: str = ""
    use: Any = None

    @property
    def is_display(self) -> bool:
        """Whether it is the name to show in its language, and not a synonym or another use."""
        return not self.use or (isinstance(self.use, dict) and self.use.get("code") in _DISPLAYED)


@dataclass(frozen=True, slots=True)
class Property:
    """A stated property; `kind` is its JSON key (`valueCode`, `valueString` …)."""

    code: str
    kind: str
    value: Any

    @property
    def text(self) -> str:
        """The value as filters compare it."""
        if isinstance(self.value, bool):
            return str(self.value).lower()
        if isinstance(self.value, dict):
            return str(self.value.get("code", ""))
        return str(self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Concept:
    """One concept. `inactive`: not for new records; `abstract`: only for grouping."""

    code: str
    display: str = ""
    definition: str = ""
    designations: tuple[Designation, ...] = ()
    properties: tuple[Property, ...] = ()
    abstract: bool = False
    inactive: bool = False
    language: str = ""  # of the display

    def shown(self, languages: str) -> str:
        """The name in the first of the languages (`de, pt-BR`) that has one, else the display.

        `pt` also finds `pt-BR`, and the other way round; a synonym comes after the names that are meant to be shown.
        """
        wanted = (language.strip().lower() for language in languages.split(","))
        return next((name for language in wanted if language and (name := self._in(language))), self.display)

    def others(self, languages: str) -> tuple[Designation, ...]:
        """The names beside the one shown in these languages: its own display first, where another is shown instead."""
        name = self.shown(languages)
        if name == self.display:
            return self.designations
        rest = (each for each in self.designations if each.value != name or not each.is_display)
        return (Designation(self.display, self.language), *rest) if self.display else tuple(rest)

    def _in(self, wanted: str) -> str:
        """The name in one language; empty when there is none."""
        if self.language.lower() == wanted:
            return self.display
        near = [each for each in self.designations if _near(each.language, wanted)]
        exact = [each for each in near if each.language.lower() == wanted]
        if not exact and _near(self.language, wanted):
            return self.display
        return min(exact or near, key=lambda each: not each.is_display, default=Designation("")).value

    def named(self, words: Sequence[str]) -> bool:
        """Whether code or any name has all of the folded `words`."""
        text = " ".join((self.code.lower(), fold(self.display), *(fold(each.value) for each in self.designations)))
        return all(word in text for word in words)


def _near(one: str, other: str) -> bool:
    return bool(one) and one.lower().split("-")[0] == other.lower().split("-")[0]


class System(Protocol):
    """What the questions ask of a code system, wherever its concepts are kept."""

    @property
    def url(self) -> str:
        """Its canonical address."""

    @property
    def version(self) -> str:
        """Its version, or the empty text."""

    @property
    def name(self) -> str:
        """Its name for machines."""

    @property
    def complete(self) -> bool:
        """Whether all its concepts are here."""

    @property
    def value_set(self) -> str:
        """The address of the value set of all its codes."""

    def find(self, code: str) -> Concept | None:
        """The concept, or None."""

    def concepts(self, words: Sequence[str] = ()) -> Iterable[Concept]:
        """All concepts in order, or those whose code or name has all of the folded `words`."""

    def parents(self, code: str) -> Sequence[str]:
        """The codes right above."""

    def children(self, code: str) -> Sequence[str]:
        """The codes right below."""


class Listed:
    """A code system whose concepts are in memory."""

    def __init__(self, stated: dict[str, Any]) -> None:
        self.url = str(stated.get("url", ""))
        self.version = str(stated.get("version", ""))
        self.name = str(stated.get("name", ""))
        self.value_set = str(stated.get("valueSet", ""))
        self.complete = stated.get("content", "complete") == "complete"
        self.fragment = stated.get("content") == "fragment"
        self.supplements = str(stated.get("supplements", "")) if stated.get("content") == "supplement" else ""
        self.languages = _is_language_pack(stated)
        self.sensitive = stated.get("caseSensitive", True) is not False
        self._found: dict[str, Concept] = {}
        self._folded: dict[str, str] = {}
        self._up: dict[str, list[str]] = {}
        self._down: dict[str, list[str]] = {}

    def add(self, concept: Concept, parents: Iterable[str], children: Iterable[str] = ()) -> None:
        """One concept more; a repeated code only adds places in the hierarchy."""
        self._found.setdefault(concept.code, concept)
        if not self.sensitive:
            self._folded.setdefault(concept.code.lower(), concept.code)
        for parent in parents:
            self._link(parent, concept.code)
        for child in children:
            self._link(concept.code, child)

    def _link(self, parent: str, child: str) -> None:
        if parent != child and parent not in self._up.setdefault(child, []):
            self._up[child].append(parent)
            self._down.setdefault(parent, []).append(child)

    def find(self, code: str) -> Concept | None:
        """The concept; without regard to case where the system has none."""
        return self._found.get(code) or self._found.get(self._folded.get(code.lower(), ""))

    def concepts(self, words: Sequence[str] = ()) -> Iterable[Concept]:
        """All concepts in order, or those with all of the words."""
        found = self._found.values()
        return (concept for concept in found if concept.named(words)) if words else found

    def parents(self, code: str) -> Sequence[str]:
        """The codes right above."""
        return self._up.get(code, ())

    def children(self, code: str) -> Sequence[str]:
        """The codes right below."""
        return self._down.get(code, ())


def _is_language_pack(stated: dict[str, Any]) -> bool:
    told = (each for each in stated.get("extension", ()) if str(each.get("url", "")).endswith(_SUPPLEMENT_TYPE))
    return any(each.get("valueCode") == "lang-pack" for each in told)


def of_body(body: dict[str, Any]) -> Listed:
    """The code system of a CodeSystem record."""
    found = Listed(body)
    roles = {str(p.get("code")): str(p.get("uri", "")).removeprefix(_URIS) for p in body.get("property", ())}
    up = _UP | {code for code, role in roles.items() if role in _UP}
    down = _DOWN | {code for code, role in roles.items() if role in _DOWN}
    language = str(body.get("language", ""))
    for concept, parent in _nested(body.get("concept", ())):
        stated = tuple(_properties(concept))
        above = [p.text for p in stated if p.code in up]
        below = [p.text for p in stated if p.code in down]
        found.add(_concept(concept, stated, language), [*([parent] if parent else []), *above], below)
    return found


def _nested(concepts: Iterable[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], str]]:
    """Concepts in the order of the list, each before those inside it, with the code above."""
    stack = [(concept, "") for concept in reversed(list(concepts))]
    while stack:
        concept, parent = stack.pop()
        code = str(concept.get("code", ""))
        if code:
            yield concept, parent
        stack += [(inner, code) for inner in reversed(list(concept.get("concept", ())))]


def _properties(concept: dict[str, Any]) -> Iterator[Property]:
    for item in concept.get("property", ()):
        kind = next((key for key in item if key.startswith("value")), "")
        if kind:
            yield Property(str(item.get("code", "")), kind, item[kind])


def _concept(concept: dict[str, Any], stated: tuple[Property, ...], language: str) -> Concept:
    facts = {each.code: each.text for each in stated}
    return Concept(
        code=concept["code"],
        display=str(concept.get("display", "")),
        definition=str(concept.get("definition", "")),
        designations=designations(concept.get("designation", ())),
        properties=stated,
        language=language,
        abstract="true" in (facts.get("notSelectable"), facts.get("abstract")),
        inactive=facts.get("inactive") == "true" or facts.get("status", "").lower() in _RETIRED,
    )


def designations(listed: Iterable[dict[str, Any]]) -> tuple[Designation, ...]:
    """The designations of a concept as a record states them."""
    return tuple(
        Designation(str(each.get("value", "")), str(each.get("language", "")), each.get("use")) for each in listed
    )


def below(system: System, code: str) -> dict[str, None]:
    """The code and all under it, nearest first."""
    own = getattr(system, "descendants", None)
    return own(code) if own is not None else _reached(code, system.children)


def above(system: System, code: str) -> dict[str, None]:
    """The code and all it stands under, nearest first."""
    own = getattr(system, "ancestors", None)
    return own(code) if own is not None else _reached(code, system.parents)


def _reached(code: str, step: Any) -> dict[str, None]:
    found = {code: None}
    waiting = [code]
    for current in waiting:  # grows while it is walked
        fresh = [each for each in step(current) if each not in found]
        found.update(dict.fromkeys(fresh))
        waiting += fresh
    return found


def subsumption(system: System, one: str, other: str) -> str:
    """How two codes of a system lie to each other, in the words of $subsumes (R4 CodeSystem-subsumes)."""
    if one == other:
        return "equivalent"
    if one in above(system, other):
        return "subsumes"
    return "subsumed-by" if other in above(system, one) else "not-subsumed"
