"""What follows for other records from a draft: orders called off, documents replaced, charges reversed, kin met."""
