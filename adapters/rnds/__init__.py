"""The national network (RNDS): its addresses, what its errors ask for, and how its answers are kept."""
