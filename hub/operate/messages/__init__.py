"""Messages as an operator handles them: found, accounted for, replayed, sent again, their lanes stopped and skipped."""
