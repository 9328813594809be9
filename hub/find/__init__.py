"""How records are found: conditions as SQL over b-trees, pages, sorting, includes, and what terminology adds."""
