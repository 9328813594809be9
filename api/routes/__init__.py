"""The HTTP doors, one module a surface; each has `router`."""
