"""What things mean: Problem, errors, identifiers, code systems, billing values, identity rules."""
