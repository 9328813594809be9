"""What stands behind a guide: the charges of a visit and all that is known around them."""
