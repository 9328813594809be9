"""Every door: HTTP, MLLP, worker, scheduler, simulators, command line."""
