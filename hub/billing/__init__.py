"""Billing: from charges to guides, batches, protocols, statements, denials and appeals, payer by payer."""
