"""What stands in our books, to be held against those of partners: messages, bills, requests."""
