"""What works what waits: lanes and their leases, waves of messages, jobs, schedules."""
