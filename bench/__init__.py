"""Benchmarks, each beside its floor; run with `./ponte bench`. Not part of the distribution."""
