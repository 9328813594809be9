"""Interactions a caller asks for: who acts, what the policy allows, what became of each."""
