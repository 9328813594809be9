"""Guard: who may do what, what was done, and the secrets that stay sealed."""
