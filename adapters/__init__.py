"""How bytes come and go: transports, payers, labs."""
