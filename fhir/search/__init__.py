"""Search (R4 §3.1.1): parameters and paths, the entries of the index, conditions, and one record judged by them."""
