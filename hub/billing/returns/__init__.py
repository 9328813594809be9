"""What comes back for a guide: payments, their reconciliation, statements as sheets, the history of denials."""
