"""FHIRPath (normative 2.0.0, with R4's additions): an expression becomes a tree once, and the tree plain functions.

`fhir.fhirpath.engine.compiled(text)` gives a function; `evaluate(text, resource)` the values found.
"""
