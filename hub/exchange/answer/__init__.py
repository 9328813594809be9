"""Answers that come after the message: look-ups, orders, application acknowledgements owed or late."""
