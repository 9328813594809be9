"""Terminology of a tenant: its own CodeSystem, ValueSet and ConceptMap records, the ANS tables, and what R4 brings."""
