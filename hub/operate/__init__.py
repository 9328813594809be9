"""Operate: what an operator asks of a running hub: find messages, replay them, explain a record, check and back up."""
