"""The structures of HL7 v2, one table per version: what a version changes against the one before it.

`_2.1.toml` to `_2.8.2.toml` are generated (`python -m hl7.versions.generate`); `structures.csv` and `lengths.csv` are
written by hand. Nothing else reads them but `hl7.versions.table`.
"""
