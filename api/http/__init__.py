"""The HTTP application: what its routes share, and how failures, limits and the description are told."""
