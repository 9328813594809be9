"""Messages to a payer and back: numbered, built, sealed, signed; what came as answer."""
