"""Bulk data: exports and imports of many records as NDJSON, run as jobs of the tenant."""
