"""The rooms where messages are worked, as machine code: the same sources compiled, for whoever has a C compiler."""
