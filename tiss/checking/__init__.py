"""The full check of a file, in memory or as a stream, what a set of files bills twice, and safe repairs."""
