"""Batches: closed, checked, sent, and what the payer says of them."""
