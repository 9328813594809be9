"""Documents to the national network (RNDS): which records make one, what it lacks, where it stands."""
