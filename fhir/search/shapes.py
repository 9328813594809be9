"""Which parameters of a record have values, as one short text: the record's shape.

A tenant has few shapes of a type, so "has no value for …" is looked up as "has one of these shapes" instead of
looking at every record.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache

from fhir.search import composites
from fhir.search.parameters import LEAD, parameters_of


@cache
def _bits(type_name: str) -> dict[str, int]:
    codes = [*sorted(parameters_of(type_name)), *sorted(composites.of(type_name))]
    return {code: 1 << place for place, code in enumerate(codes)}


def shape(type_name: str, codes: Iterable[str]) -> str:
    """The shape of a record whose entries stand under `codes`."""
    bits = _bits(type_name)
    found = 0
    for code in codes:
        found |= bits.get(code, 0) or bits.get(code.partition(LEAD)[0], 0)
    return f"{found:x}"


def is_known(type_name: str, code: str) -> bool:
    """Whether shapes tell about the parameter; a tenant's own ones they do not know."""
    return code in _bits(type_name)


def mask(type_name: str, code: str) -> int:
    """The bits of a shape of which one is set when the record has a value for the parameter."""
    bits = _bits(type_name)
    wanted = bits[code]
    for stored in composites.stored_as(code):
        wanted |= bits.get(stored, 0)
    return wanted


def lacking(type_name: str, code: str, shapes: Sequence[str]) -> list[str]:
    """Those of `shapes` whose records have no value for the parameter."""
    wanted = mask(type_name, code)
    return [text for text in shapes if not int(text, 16) & wanted]
