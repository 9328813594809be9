"""Releases of terminologies: brought in, kept for those who use them, asked."""
