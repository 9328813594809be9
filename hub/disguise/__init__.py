"""Disguise: records of real people as those of invented ones, for tests; what is not known to be harmless goes."""
