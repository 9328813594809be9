"""The simulated national network: token by client certificate, documents judged by rules of its own, faults."""
