"""National documents (RNDS) by tables: canonical records become a Composition and its entries."""
