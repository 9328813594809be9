"""Conditions of a search as values, and what reading them depends on."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from zoneinfo import ZoneInfo

from canonical.problem import Problem
from fhir.definitions.table import Parameter, resource_types
from fhir.search import composites
from fhir.search.parameters import parameters_of, reference_types
from fhir.search.values import Value

Form = Literal["match", "not", "other", "missing", "present"]


@dataclass(frozen=True, slots=True)
class Clause:
    """One occurrence of a parameter: any of `values` suffices. `kind` is the parameter type, or `id`, `updated`.

    `suffix` tells the entries that only a modifier asks for from those of the parameter itself.
    """

    type_name: str
    code: str
    kind: str
    values: tuple[Value, ...]
    form: Form = "match"
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Inside:
    """A record within the compartment of another: one of `codes` refers to it. Without an `id` that of any other."""

    type_name: str
    compartment: str
    id: str
    codes: tuple[str, ...]


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


@dataclass(frozen=True, slots=True)
class Either:
    """A record that meets all conditions of one of `alternatives`: what a token narrowed to some records may see."""

    type_name: str
    alternatives: tuple[tuple[Condition, ...], ...]


@dataclass(frozen=True, slots=True)
class Without:
    """A record that does not meet the condition."""

    type_name: str
    condition: Condition


@dataclass(frozen=True, slots=True)
class Words:
    """A record that says these words (PostgreSQL's web search syntax): in its narrative, or anywhere."""

    type_name: str
    text: str
    narrative: bool


@dataclass(frozen=True, slots=True)
class Near:
    """A Location not farther from a point than `metres` along the surface of the earth; degrees of WGS 84."""

    type_name: str
    latitude: float
    longitude: float
    metres: float


Condition = Clause | Chain | Has | Inside | Either | Without | Words | Near


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a value may depend on: the tenant's zone and own parameters, the time, and our own base address.

    `held` are the places where the tenant's records name resources contained in them
    (`MedicationRequest.medication:Medication`). `inner`: contained resources can be searched for (`_contained`).
    """

    zone: ZoneInfo
    now: datetime.datetime
    base: str
    custom: Mapping[str, Mapping[str, Parameter]] = field(default_factory=dict)
    held: frozenset[str] = frozenset()
    inner: bool = False

    def parameter(self, type_name: str, code: str) -> Parameter | None:
        """The parameter `code` of a type, published or the tenant's own."""
        found = parameters_of(type_name).get(code) or composites.of(type_name).get(code)
        return found or self.custom.get(type_name, {}).get(code)

    def targets(self, type_name: str, code: str) -> tuple[str, ...]:
        """The types a reference parameter may point to."""
        if code in parameters_of(type_name):
            return reference_types(type_name, code)
        parameter = self.parameter(type_name, code)
        return (parameter.targets if parameter else ()) or resource_types()


class BadQuery(Exception):
    """The search cannot be carried out as written."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


class UnknownParameter(Exception):
    """The parameter is not one of this type."""


def problem(code: str, name: str, *, limit: str = "") -> Problem:
    """A finding about a search, with the parameter's name cut to what can be shown."""
    return Problem(f"fhir.search.{code}", name[:64], args=(("name", name[:64]), ("limit", limit)))
