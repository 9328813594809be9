"""What happens to a message: pipeline, store, tenancy, lanes, schedules, audit."""
