"""Messages as bytes and trees: read, told apart, built, wrapped in SOAP, with their hash."""
