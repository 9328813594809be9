"""People of a house: accounts, roles, signing in, second factors and sessions. Programs are `hub.guard.clients`."""
