"""A search as a value (R4 §3.1.1): conditions, result options, and what was not understood.

Unknown parameters are listed in `unknown`: the caller ignores them with a warning, or refuses under
`Prefer: handling=strict`. A known parameter with a bad value or modifier is always refused (§3.1.1.4.9).
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from zoneinfo import ZoneInfo

from canonical.problem import Problem
from fhir import values
from fhir.options import Include, Options, read_option
from fhir.parameters import IDENTIFIER, parameters_of, reference_types
from fhir.values import BadValue, Value

MOST_CONDITIONS = 50
MOST_ALTERNATIVES = 200
Form = Literal["match", "not", "missing", "present"]
_MODIFIERS = {
    "token": ("not", "missing"),
    "string": ("exact", "missing"),
    "reference": ("identifier", "missing"),
    "uri": ("below", "missing"),
    "date": ("missing",),
    "number": ("missing",),
    "quantity": ("missing",),
}


@dataclass(frozen=True, slots=True)
class Clause:
    """One occurrence of a parameter: any of `values` suffices. `kind` is the parameter type, or `id`, `updated`."""

    type_name: str
    code: str
    kind: str
    values: tuple[Value, ...]
    form: Form = "match"


@dataclass(frozen=True, slots=True)
class Chain:
    """`subject:Patient.name=…`: the reference `code` points to a record that meets the condition of its type."""

    type_name: str
    code: str
    targets: tuple[tuple[str, Condition], ...]


@dataclass(frozen=True, slots=True)
class Has:
    """`_has:Observation:patient:code=…`: a record of `source` meets the condition and points here by `code`."""

    type_name: str
    source: str
    code: str
    condition: Condition


Condition = Clause | Chain | Has


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A search of one type; `used` are the parameters that took effect, for the self link."""

    type_name: str
    conditions: tuple[Condition, ...]
    options: Options
    used: tuple[tuple[str, str], ...]
    unknown: tuple[Problem, ...]

    @property
    def includes(self) -> tuple[Include, ...]:
        """The `_include`s and `_revinclude`s."""
        return self.options.includes


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a value may depend on: the tenant's zone, the time, and our own base address."""

    zone: ZoneInfo
    now: datetime.datetime
    base: str


class BadQuery(Exception):
    """The search cannot be carried out as written."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


class _Unknown(Exception):
    """The parameter is not one of this type."""


def parse(type_name: str, pairs: Sequence[tuple[str, str]], setting: Setting) -> Query:
    """The search that `pairs` (decoded names and values) ask for; raises BadQuery."""
    conditions: list[Condition] = []
    used: list[tuple[str, str]] = []
    unknown: list[Problem] = []
    options = Options()
    for name, text in pairs:
        if "\0" in text or "\0" in name:
            raise BadQuery(_problem("value", name))
        if not text:
            continue
        try:
            changed = read_option(options, type_name, name, text)
            if changed is not None:
                options = changed
            else:
                conditions.append(condition(type_name, name, text, setting))
        except _Unknown:
            unknown.append(_problem("unknown-parameter", name))
            continue
        except (BadValue, LookupError):
            raise BadQuery(_problem("value", name)) from None
        used.append((name, text))
    if len(conditions) > MOST_CONDITIONS:
        raise BadQuery(_problem("too-many-conditions", "", limit=str(MOST_CONDITIONS)))
    if options.sort is None:
        used = [pair for pair in used if pair[0] != "_sort"]
    unknown += [_problem("unsupported-sort", name) for name in options.ignored_sort]
    return Query(
        type_name=type_name, conditions=tuple(conditions), options=options, used=tuple(used), unknown=tuple(unknown)
    )


def _problem(code: str, name: str, *, limit: str = "") -> Problem:
    return Problem(f"fhir.search.{code}", name[:64], args=(("name", name[:64]), ("limit", limit)))


def condition(type_name: str, name: str, text: str, setting: Setting) -> Condition:
    """One parameter as a condition; raises BadQuery, BadValue."""
    if name.startswith("_has:"):
        return _has(type_name, name, text, setting)
    head, dot, rest = name.partition(".")
    code, _, modifier = head.partition(":")
    parameter = parameters_of(type_name).get(code)
    if parameter is None:
        raise _Unknown
    if dot:
        return _chain(type_name, (code, modifier), (rest, text), setting)
    kind = {"_id": "id", "_lastUpdated": "updated"}.get(code, parameter.type)
    if modifier == "missing" and kind not in ("id", "updated"):
        if text not in ("true", "false"):
            raise BadValue
        return Clause(type_name, code, kind, (), "missing" if text == "true" else "present")
    if kind == "reference" and values.is_type(modifier):
        return _clause(type_name, code, _targets(text, (modifier,), setting))
    if modifier and (modifier not in _MODIFIERS[parameter.type] or kind in ("id", "updated")):
        raise BadQuery(_problem("modifier", name))
    return _matching(type_name, (code, kind), modifier, text, setting)


def _matching(type_name: str, named: tuple[str, str], modifier: str, text: str, setting: Setting) -> Clause:
    code, kind = named
    if modifier == "identifier":
        return Clause(type_name, code + IDENTIFIER, "token", _each(text, values.token))
    form: Form = "not" if modifier == "not" else "match"
    found: tuple[Value, ...]
    match kind:
        case "token":
            found = _each(text, values.token)
        case "string":
            found = _each(text, lambda part: values.string(part, exact=modifier == "exact"))
        case "date" | "updated":
            found = _each(text, lambda part: values.date(part, setting.zone, setting.now))
        case "number":
            found = _each(text, values.number)
        case "quantity":
            found = _each(text, values.quantity)
        case "uri":
            found = _each(text, lambda part: values.uri(part, below=modifier == "below"))
        case "id":
            found = _each(text, lambda part: values.Target((type_name,), values.plain(part)))
        case _:
            return _clause(type_name, code, _targets(text, reference_types(type_name, code), setting))
    return Clause(type_name, code, kind, found, form)


def _clause(type_name: str, code: str, found: tuple[Value, ...]) -> Clause:
    return Clause(type_name, code, "reference", found)


def _targets(text: str, types: tuple[str, ...], setting: Setting) -> tuple[Value, ...]:
    return _each(text, lambda part: values.reference(part, types, setting.base))


def _each(text: str, read: values.Reader) -> tuple[Value, ...]:
    parts = values.alternatives(text)
    if not parts:
        raise BadValue
    if len(parts) > MOST_ALTERNATIVES:
        raise BadQuery(_problem("too-many-values", "", limit=str(MOST_ALTERNATIVES)))
    return tuple(dict.fromkeys(read(part) for part in parts))


def _chain(type_name: str, head: tuple[str, str], rest: tuple[str, str], setting: Setting) -> Chain:
    """A chain of one or more steps, over every target type that has the next parameter."""
    code, wanted = head
    if parameters_of(type_name)[code].type != "reference":
        raise BadQuery(_problem("chain", f"{code}.{rest[0]}"))
    allowed = reference_types(type_name, code)
    if rest[0].count(".") > 2 or (wanted and wanted not in allowed):
        raise BadQuery(_problem("chain", f"{code}:{wanted}.{rest[0]}"))
    targets = []
    for target in (wanted,) if wanted else allowed:
        try:
            targets.append((target, condition(target, rest[0], rest[1], setting)))
        except (_Unknown, BadValue):
            continue
    if not targets:
        raise BadQuery(_problem("chain", f"{code}.{rest[0]}"))
    return Chain(type_name, code, tuple(targets))


def _has(type_name: str, name: str, text: str, setting: Setting) -> Has:
    """`_has:Type:reference:parameter`, which may itself be a `_has`."""
    parts = name.split(":", 3)
    if len(parts) < 4 or not values.is_type(parts[1]) or name.count("_has:") > 2:
        raise BadQuery(_problem("has", name))
    _, source, code, rest = parts
    parameter = parameters_of(source).get(code)
    if parameter is None or parameter.type != "reference" or type_name not in reference_types(source, code):
        raise BadQuery(_problem("has", name))
    try:
        return Has(type_name, source, code, condition(source, rest, text, setting))
    except _Unknown:
        raise BadQuery(_problem("has", name)) from None
