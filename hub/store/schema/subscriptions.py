"""Subscriptions: how many events each has had, and which; what was sent of them lies in outbox and deliveries."""

from __future__ import annotations

from hub.store.schema.columns import moment, string, tenant_table, whole

subscription = tenant_table(
    "subscription", ("id",), string("id"), whole("events", default=0), moment("told_at", optional=True)
)

subscription_event = tenant_table(
    "subscription_event",
    ("subscription_id", "number"),
    string("subscription_id"),
    whole("number"),
    string("type"),
    string("record_id"),
    whole("version"),
    moment("at"),
)
