"""What is asked before a page, so that a search costs what it finds and not what is stored (decision 21)."""
