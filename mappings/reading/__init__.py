"""A message read by its plan: grouped, mapped, put right, and every field of it accounted for."""
