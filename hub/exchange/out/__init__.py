"""What goes out: who wants a change, the outbox, delivery over a connection, and what its reply means."""
