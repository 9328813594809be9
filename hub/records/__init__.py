"""Records: the one write path, the search index, the projections, and how drafts meet stored records."""
