"""Exchange: what comes in is kept and processed in lanes, what goes out waits in the outbox; schedules start work."""
