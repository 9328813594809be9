"""Checks: the TISS room asked about what goes out and about files of any system."""
