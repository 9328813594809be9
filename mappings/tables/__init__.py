"""Tables, plans and overlays: read strictly from their files and made ready to run."""
