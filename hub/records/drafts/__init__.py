"""How drafts of records meet what is stored: which record each is and what it becomes."""
