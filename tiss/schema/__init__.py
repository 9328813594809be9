"""The official schema as a check: what it refuses, why, and which texts it surely takes."""
