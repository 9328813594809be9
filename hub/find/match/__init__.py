"""Patient/$match: which stored patients may be the person described, and how alike each is."""
