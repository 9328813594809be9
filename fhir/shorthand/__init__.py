"""FHIR Shorthand (FSH 3.0): profiles, extensions, code lists and invariants as their authors write them."""
