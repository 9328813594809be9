"""A search as a value (R4 §3.1.1): conditions, result options, and what was not understood.

Unknown parameters are listed in `unknown`: the caller ignores them with a warning, or refuses under
`Prefer: handling=strict`. A known parameter with a bad value or modifier is always refused (§3.1.1.4.9).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from canonical.problem import Problem
from fhir.definitions.table import Parameter, resource_types
from fhir.search import composites, filters, hierarchies, leading, nested, settling, special, values
from fhir.search.conditions import (
    BadQuery,
    Chain,
    Clause,
    Condition,
    Either,
    Form,
    Has,
    Inside,
    Setting,
    UnknownParameter,
    Without,
    problem,
)  # fmt: skip
from fhir.search.options import Include, NoEffect, Options, read_option
from fhir.search.parameters import IDENTIFIER, OF_TYPE, TEXT, VERSION, implied_systems, is_media
from fhir.search.values import BadValue, Value

MOST_CONDITIONS = 50
MOST_ALTERNATIVES = 200
MOST_LEAVES = 400
MOST_STEPS = 8
_MODIFIERS = {
    "token": ("not", "missing", "text", "in", "not-in", "above", "below", "of-type"),
    "string": ("exact", "contains", "missing"),
    "reference": ("identifier", "missing", "above", "below"),
    "uri": ("above", "below", "missing"),
    "date": ("missing",),
    "number": ("missing",),
    "quantity": ("missing",),
    "composite": ("missing",),
}
Branch = tuple[str, tuple[Condition, ...]]
_AS_USUAL = Options()
_COLUMNS = {"_id": "id", "_lastUpdated": "updated"}
_WORDLESS = ("_tag", "_security")  # every record has labels: their displays are not indexed


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A search; `used` are the parameters that took effect, for the self link.

    A search of one type has one branch. A search of several (system level, `_type`) has one for each; `address` is
    where it was asked, relative to the base. `held` are the conditions on resources that records contain, where those
    are searched for (`_contained`).
    """

    branches: tuple[Branch, ...]
    options: Options
    used: tuple[tuple[str, str], ...]
    unknown: tuple[Problem, ...]
    address: str
    held: tuple[Condition, ...] = ()

    @property
    def type_name(self) -> str:
        """The type of a search of one type."""
        return self.branches[0][0]

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The conditions of a search of one type."""
        return self.branches[0][1]

    @property
    def includes(self) -> tuple[Include, ...]:
        """The `_include`s and `_revinclude`s."""
        return self.options.includes


def parse(type_name: str, pairs: Sequence[tuple[str, str]], setting: Setting, inside: Inside | None = None) -> Query:
    """The search of one type that `pairs` (decoded names and values) ask for; raises BadQuery."""
    address = f"{inside.compartment}/{inside.id}/{type_name}" if inside else type_name
    return parse_many([type_name], pairs, setting, {type_name: inside} if inside else {}, address=address)


def parse_many(
    types: Sequence[str],
    pairs: Sequence[tuple[str, str]],
    setting: Setting,
    inside: Mapping[str, Inside],
    *,
    address: str,
) -> Query:
    """The search of all `types` together; raises BadQuery. A parameter must be one of every type to take effect."""
    stated: dict[str, Any] = {}
    used: list[tuple[str, str]] = []
    unknown: list[Problem] = []
    found: list[list[Condition]] = [[inside[name]] if name in inside else [] for name in types]
    for name, text in pairs:
        if "\0" in text or "\0" in name:
            raise BadQuery(problem("value", name))
        if not text:
            continue
        try:
            if not read_option(stated, types, name, text, setting.parameter):
                reader = _Reader(setting)
                read = [reader.condition(kind, name, text) for kind in types]
                for conditions, condition in zip(found, read, strict=True):
                    conditions.extend(filters.together(condition))
        except (UnknownParameter, NoEffect) as error:
            unknown.append(problem("no-effect" if isinstance(error, NoEffect) else "unknown-parameter", name))
            continue
        except (BadValue, LookupError):
            raise BadQuery(problem(_value_of(types, name, setting), name)) from None
        used.append((name, text))
    if any(len(conditions) > MOST_CONDITIONS for conditions in found):
        raise BadQuery(problem("too-many-conditions", "", limit=str(MOST_CONDITIONS)))
    used, wrong = settling.settled(stated, used, types, setting)
    branches = tuple((kind, tuple(conditions)) for kind, conditions in zip(types, found, strict=True))
    return Query(
        branches=branches,
        options=Options(**stated) if stated else _AS_USUAL,
        used=tuple(used),
        unknown=tuple(unknown + wrong),
        address=address,
        held=settling.held(branches, setting) if stated.get("contained") else (),
    )


def _value_of(types: Sequence[str], name: str, setting: Setting) -> str:
    """The finding of a value that cannot be read: by the parameter's type; in general with a modifier."""
    parameter = setting.parameter(types[0], name) if types else None
    return f"value.{parameter.type}" if parameter is not None else "value"


class _Reader:
    """Reads one parameter as a condition; `leaves` bounds what chains over many types may grow to."""

    __slots__ = ("leaves", "setting")

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.leaves = 0

    def condition(self, type_name: str, name: str, text: str, depth: int = 0) -> Condition:
        """One parameter as a condition; raises BadQuery, BadValue, UnknownParameter."""
        self.leaves += 1
        if self.leaves > MOST_LEAVES or depth > MOST_STEPS:
            raise BadQuery(problem("chain", name))
        if name.startswith("_has:"):
            return self._has(type_name, name, text, depth)
        if name == "_query" or (name == "_list" and text.startswith("$")):
            raise BadQuery(problem("named", name))  # named queries and functional lists (R4 §3.1.1.6, §3.1.1.4.16)
        if name == "_list":
            return _listed(type_name, text)
        if name == filters.NAME:
            return filters.read(type_name, text, self.setting, partial(self.condition, depth=depth + 1))
        if (found := special.read(type_name, name, text)) is not None:
            return found
        head, dot, rest = name.partition(".")
        code, _, modifier = head.partition(":")
        parameter = self.setting.parameter(type_name, code)
        if parameter is None:
            raise UnknownParameter
        if dot:
            return self._chain(type_name, (code, modifier), (rest, text), depth)
        return self._plain(type_name, parameter, modifier, text)

    def _plain(self, type_name: str, parameter: Parameter, modifier: str, text: str) -> Condition:
        code = parameter.code
        kind = _COLUMNS.get(code, parameter.type)
        if modifier == "missing" and kind not in ("id", "updated"):
            if text not in ("true", "false"):
                raise BadValue
            return Clause(type_name, code, kind, (), "missing" if text == "true" else "present")
        if kind == "reference" and values.is_type(modifier) and modifier in self.setting.targets(type_name, code):
            return self._reference(type_name, code, text, (modifier,), only=True)
        if kind == "id" and modifier == "not":
            return Without(type_name, self._matching(type_name, (code, kind), "", text))
        if modifier and (modifier not in _MODIFIERS[parameter.type] or kind in ("id", "updated")):
            raise BadQuery(problem("modifier", f"{code}:{modifier}"))
        if modifier == "text" and code in _WORDLESS:
            raise BadQuery(problem("modifier", f"{code}:{modifier}"))
        if kind == "composite":
            return self._pairs(type_name, parameter, text)
        return self._matching(type_name, (code, kind), modifier, text)

    def _matching(self, type_name: str, named: tuple[str, str], modifier: str, text: str) -> Condition:
        code, kind = named
        if modifier == "identifier":
            return Clause(type_name, code, "token", _each(text, values.token), suffix=IDENTIFIER)
        if kind == "token":
            return _token_clause(type_name, code, modifier, text)
        if kind == "reference" and modifier:
            return self._kin(type_name, code, modifier, text)
        if kind in ("reference", "uri") and not modifier and "|" in text:
            return self._versioned(type_name, named, text)
        if kind == "reference":
            return self._reference(type_name, code, text, self.setting.targets(type_name, code))
        return Clause(type_name, code, kind, _each(text, self._reader(type_name, kind, modifier)))

    def _reader(self, type_name: str, kind: str, modifier: str) -> values.Reader:
        match kind:
            case "string":
                return lambda part: values.string(part, exact=modifier == "exact", inside=modifier == "contains")
            case "date" | "updated":
                return lambda part: values.date(part, self.setting.zone, self.setting.now)
            case "number":
                return values.number
            case "quantity":
                return values.quantity
            case "uri":
                return lambda part: values.uri(part, modifier)
            case _:
                return lambda part: values.Target((type_name,), values.plain(part))

    def _reference(self, type_name: str, code: str, text: str, types: tuple[str, ...], *, only: bool = False) -> Clause:
        found = _each(text, lambda part: values.reference(part, types, self.setting.base, only=only))
        return Clause(type_name, code, "reference", found)

    def _kin(self, type_name: str, code: str, relation: str, text: str) -> Clause:
        """`:above` and `:below` of a reference into a hierarchy; of others they are refused."""
        types = self.setting.targets(type_name, code)
        if not hierarchies.lead_there(types):
            raise BadQuery(problem("modifier", f"{code}:{relation}"))
        found = _each(text, lambda part: hierarchies.kin(part, types, self.setting.base, relation))
        return Clause(type_name, code, "reference", found)

    def _versioned(self, type_name: str, named: tuple[str, str], text: str) -> Condition:
        """Canonicals of which some name a version, which then must be that one (R4 §3.1.1.4.12)."""
        code, kind = named
        owned = code == "url" and self.setting.parameter(type_name, "version") is not None
        found: list[tuple[Condition, ...]] = []
        for part in values.alternatives(text):
            address, mark, version = part.partition("|")
            if mark and owned:
                dated = self._matching(type_name, ("version", "token"), "", version)
                found.append((self._addressed(type_name, named, address), dated))
                continue
            clause = self._addressed(type_name, named, part)
            if not mark or kind == "uri":
                found.append((clause,))
            if mark:
                found.append((replace(clause, suffix=VERSION),))
        return Either(type_name, tuple(found))

    def _addressed(self, type_name: str, named: tuple[str, str], text: str) -> Clause:
        code, kind = named
        if kind == "reference":
            return self._reference(type_name, code, text, self.setting.targets(type_name, code))
        return Clause(type_name, code, kind, _each(text, self._reader(type_name, kind, "")))

    def _pairs(self, type_name: str, parameter: Parameter, text: str) -> Condition:
        """A composite; a first part that names any code of a system is looked up as the parameters combined.

        That is the same where each record is one place; elsewhere it is refused.
        """
        found: list[tuple[Condition, ...]] = []
        halves = composites.codes_of(parameter) if composites.is_whole(type_name, parameter.code) else ()
        for part in values.alternatives(text):
            texts = values.split(part, "$")
            if halves and len(texts) == len(halves) and texts[0].endswith("|"):
                found.append(tuple(self.condition(type_name, *pair) for pair in zip(halves, texts, strict=True)))
        if not found:
            read = _each(text, lambda part: self._composite(type_name, parameter, part))
            return Clause(type_name, parameter.code, "composite", read)
        rest = [part for part in values.alternatives(text) if not values.split(part, "$")[0].endswith("|")]
        if rest:
            found.append((self._pairs(type_name, parameter, ",".join(rest)),))
        return Either(type_name, tuple(found))

    def _composite(self, type_name: str, parameter: Parameter, text: str) -> values.Composite:
        """`first$second`: the first part becomes part of the key, the others are compared like any value."""
        kinds, codes = composites.kinds_of(type_name, parameter), composites.codes_of(parameter)
        parts = values.split(text, "$")
        if len(parts) != len(kinds):
            raise BadValue
        first = None
        if kinds[0] == "reference":
            target = values.reference(parts[0], resource_types(), self.setting.base)
            lead = tuple(f"{kind}/{target.id}" if kind else target.id for kind in target.types)
        else:
            first = _token(type_name, codes[0], parts[0])
            lead = composites.leads(first)
        if not lead:
            raise BadValue
        rest = (
            _token(type_name, code, part) if kind == "token" else self._reader(type_name, kind, "")(part)
            for kind, code, part in zip(kinds[1:], codes[1:], parts[1:], strict=True)
        )
        return values.Composite(lead, tuple(rest), first)

    def _chain(self, type_name: str, head: tuple[str, str], rest: tuple[str, str], depth: int) -> Condition:
        """A chain of one or more steps, over every target type that has the next parameter."""
        code, wanted = head
        parameter = self.setting.parameter(type_name, code)
        if type_name == "Bundle" and code in leading.LEADERS:
            return leading.chained(head, rest[0], partial(self.condition, text=rest[1], depth=depth + 1))
        named = f"{code}:{wanted}.{rest[0]}" if wanted else f"{code}.{rest[0]}"
        allowed = self.setting.targets(type_name, code)
        if parameter is None or parameter.type != "reference" or (wanted and wanted not in allowed):
            raise BadQuery(problem("chain", named))
        targets = []
        for target in (wanted,) if wanted else allowed:
            try:
                targets.append((target, self.condition(target, rest[0], rest[1], depth + 1)))
            except (UnknownParameter, BadValue):
                continue
        if not targets:
            raise BadQuery(problem("chain", named))
        return nested.beside(Chain(type_name, code, tuple(targets)), self.setting)

    def _has(self, type_name: str, name: str, text: str, depth: int) -> Has:
        """`_has:Type:reference:parameter`, which may itself be a `_has`."""
        parts = name.split(":", 3)
        if len(parts) < 4 or not values.is_type(parts[1]):
            raise BadQuery(problem("has", name))
        _, source, code, rest = parts
        parameter = self.setting.parameter(source, code)
        if parameter is None or parameter.type != "reference" or type_name not in self.setting.targets(source, code):
            raise BadQuery(problem("has", name))
        try:
            return Has(type_name, source, code, self.condition(source, rest, text, depth + 1))
        except UnknownParameter:
            raise BadQuery(problem("has", name)) from None


def _token_clause(type_name: str, code: str, modifier: str, text: str) -> Clause:
    form: Form = "not" if modifier in ("not", "not-in") else "match"
    match modifier:
        case "text":
            return Clause(type_name, code, "string", _each(text, values.string), suffix=TEXT)
        case "of-type":
            return Clause(type_name, code, "token", _each(text, values.of_type), suffix=OF_TYPE)
        case "in" | "not-in":
            return Clause(type_name, code, "token", (values.concepts(text, "in"),), form)
        case "above" | "below" if is_media(type_name, code):
            return Clause(type_name, code, "token", _each(text, lambda part: values.media(part, modifier)))
        case "above" | "below":
            return Clause(type_name, code, "token", _each(text, lambda part: values.concepts(part, modifier)))
        case _:
            return Clause(type_name, code, "token", _each(text, lambda part: _token(type_name, code, part)), form)


def _token(type_name: str, code: str, text: str) -> values.Token:
    """A token; a system that is implied by the element is as none, since the record does not state it."""
    found = values.token(text)
    if found.systems and implied_systems(type_name, code).intersection(found.systems):
        return replace(found, systems=("",))
    return found


def _listed(type_name: str, text: str) -> Has:
    """`_list`: what the items of a List refer to."""
    lists = _each(text, lambda part: values.Target(("List",), values.plain(part).removeprefix("List/")))
    return Has(type_name, "List", "item", Clause("List", "_id", "id", lists))


def _each(text: str, read: values.Reader) -> tuple[Value, ...]:
    parts = values.alternatives(text)
    if len(parts) == 1:
        return (read(parts[0]),)
    if not parts:
        raise BadValue
    if len(parts) > MOST_ALTERNATIVES:
        raise BadQuery(problem("too-many-values", "", limit=str(MOST_ALTERNATIVES)))
    return tuple(dict.fromkeys(read(part) for part in parts))
