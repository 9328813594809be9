"""Terminology without a store: code systems, what value sets hold, and how concept maps translate (R4 §4.0-§4.10)."""
