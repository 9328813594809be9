"""Which stored record a draft is: by its numbers, and by what is told of a person. `identify` and `bearers` lead."""
