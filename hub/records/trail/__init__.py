"""The hub's own audit trail and lineage as records."""
