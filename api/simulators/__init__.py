"""Simulators: a payer and a lab, real servers on loopback for trials; what they received can be asked for."""
