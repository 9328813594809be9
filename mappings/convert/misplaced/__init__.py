"""Contents that stand beside their own field: what a content shows (`plausible` and its kin), and how it is moved."""
