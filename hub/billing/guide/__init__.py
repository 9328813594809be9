"""Guides: which of them the charges of a visit become, complete or waiting, and as FHIR Claim."""
