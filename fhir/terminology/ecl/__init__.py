"""Expression constraints (SNOMED CT ECL 2.2), brief and long: a text becomes a tree of `fhir.terminology.selection`."""

from __future__ import annotations

from fhir.terminology.ecl.expression import parse

__all__ = ["parse"]
