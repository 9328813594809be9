"""The official R4 (4.0.1) definitions as one compact generated table, and the tool that generates it.

`_r4.json` is generated (`python -m fhir.definitions.generate`); nothing else reads it but `fhir.definitions.table`.
"""
