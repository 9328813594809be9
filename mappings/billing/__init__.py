"""Billing by tables: charges to guides, guides and answers to FHIR records, a payer's sheet to a statement."""
