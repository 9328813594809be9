"""The ANS tables, and the files they come in."""
