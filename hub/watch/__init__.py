"""The watch: what is measured of a running hub, when a measure is an alarm, and who is told of it."""
