"""What a field means, as tables an analyst can read."""
