"""What happens at a door: a message is read, judged, kept and answered; batches, strict channels, files, TLS."""
