"""Subscriptions: who is told of changed records, admitted when they are written and told through the outbox."""
