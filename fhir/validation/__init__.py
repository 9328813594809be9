"""Validation (R4 §2.29): structure and primitives, the constraints of R4, profiles with their slices."""
