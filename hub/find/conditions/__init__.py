"""What one condition of a search is in SQL: a set of `rid`s, found by a b-tree of its index or judged by reading."""
