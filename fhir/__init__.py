"""FHIR R4 (4.0.1) on the wire: definitions, validator, search parameters, bundle, outcome, capability."""
