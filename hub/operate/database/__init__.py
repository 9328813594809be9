"""The database as an operator keeps it: backed up, restored on trial, checked."""
