"""Retention: how long what is kept stays, by rules a tenant sets within what the law allows, and what holds it back."""
