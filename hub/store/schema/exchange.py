"""Exchange: messages as received or sent, the lanes they wait in, deliveries, jobs, schedules and partners."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Computed,
    ForeignKeyConstraint,
    Identity,
    Index,
    LargeBinary,
    UniqueConstraint,
    text,
)

from hub.store.schema.columns import flag, identity, moment, small, string, tenant_table, whole

partner = tenant_table(
    "partner",
    ("id",),
    identity("id"),
    string("kind"),
    string("code"),
    string("name"),
    string("adapter"),
    string("settings", default="{}"),
    flag("active", default=True),
    moment("since", now=True),
    UniqueConstraint("tenant_id", "kind", "code"),
)

channel = tenant_table(
    "channel",
    ("id",),
    identity("id"),
    string("name"),
    string("door"),
    string("settings", default="{}"),
    whole("version", default=1),
    flag("active", default=True),
    moment("placed_at", now=True),
    UniqueConstraint("tenant_id", "name"),
)

# Append-only: what a channel said at each version, who said so and why. `channel` holds the active one.
channel_version = tenant_table(
    "channel_version",
    ("channel_id", "version"),
    identity("channel_id"),
    whole("version"),
    string("door"),
    string("settings", default="{}"),
    string("note", default=""),
    string("actor", default=""),
    moment("created_at", now=True),
    ForeignKeyConstraint(["tenant_id", "channel_id"], ["channel.tenant_id", "channel.id"]),
)

credential = tenant_table(
    "credential",
    ("name",),
    string("name"),
    string("kind"),
    Column("sealed", LargeBinary, nullable=False),
    moment("expires_at", optional=True),
    moment("updated_at", now=True),
)

lane = tenant_table(
    "lane",
    ("id",),
    whole("id"),
    string("kind"),
    string("name"),
    moment("next_at", now=True),
    whole("pending", default=0),
    moment("lease_until", optional=True),
    whole("lease_token", default=0),
    small("attempt", default=0),
    flag("paused"),
    string("last_error", optional=True),
    # A column, not a condition of the index: a change of `pending` alone must not touch any index.
    Column("ready", Boolean, Computed("pending > 0 AND NOT paused", persisted=True), nullable=False),
    Index("lane_ready_idx", "tenant_id", "next_at", postgresql_where=text("ready")),
    Index("lane_paused_idx", "tenant_id", postgresql_where=text("paused")),
)

message = tenant_table(
    "message",
    ("id",),
    identity("id"),
    string("direction"),
    string("format"),
    string("type", default=""),
    identity("channel_id", optional=True),
    whole("channel_version", optional=True),
    identity("partner_id", optional=True),
    whole("lane_id", optional=True),
    Column("seq", BigInteger, Identity(always=False), nullable=False),
    string("status"),
    small("attempt", default=0),
    string("control_id", default=""),
    whole("control_key", optional=True),
    whole("sender_key", optional=True),
    whole("payload_key", optional=True),
    string("charset", default=""),
    Column("content", LargeBinary, nullable=False),
    Column("reply", LargeBinary),
    string("problems", default="[]"),
    string("segments", default=""),
    small("receipts", default=1),
    flag("conflict"),
    string("owes", default=""),
    identity("answers", optional=True),
    moment("received_at", now=True),
    moment("finished_at", optional=True),
    moment("removed_at", optional=True),  # its bytes were removed by retention; the row tells that it was there
    Index("message_waiting_idx", "tenant_id", "lane_id", "seq", postgresql_where=text("status = 'RECEIVED'")),
    # One index finds a message by its MSH-10 and tells a resend: same id, same `control_key` (channel and bytes).
    Index("message_control_idx", "tenant_id", "control_id", "control_key", unique=True),
    Index("message_owes_idx", "tenant_id", "id", postgresql_where=text("owes <> ''")),
    Index("message_answers_idx", "tenant_id", "answers", postgresql_where=text("answers IS NOT NULL")),
    Index("message_conflict_idx", "tenant_id", "received_at", postgresql_where=text("conflict")),
    Index("message_error_idx", "tenant_id", "received_at", postgresql_where=text("status = 'ERROR'")),
)

# the bytes of a message too large for one row, in order, each piece packed (RFC 1950); `message.content` is empty then
message_piece = tenant_table(
    "message_piece",
    ("message_id", "position"),
    identity("message_id"),
    small("position"),
    Column("packed", LargeBinary, nullable=False),
    ForeignKeyConstraint(["tenant_id", "message_id"], ["message.tenant_id", "message.id"]),
)

receipt = tenant_table(
    "receipt",
    ("message_id", "id"),
    identity("message_id"),
    identity("id"),
    moment("at", now=True),
    ForeignKeyConstraint(["tenant_id", "message_id"], ["message.tenant_id", "message.id"]),
)

# Messages that are parts of others (2.5.1 §2.10.2). `follows` and `leads` stand for sender and pointer (MSH-14, DSC-1):
# the first part follows none, the last leads to none. `state`: open, joined (into `whole_id`, at `place`), closed.
fragment = tenant_table(
    "fragment",
    ("message_id",),
    identity("message_id"),
    identity("channel_id"),
    whole("sender_key"),
    whole("follows", optional=True),
    whole("leads", optional=True),
    whole("body_key"),
    string("state", default="open"),
    identity("whole_id", optional=True),
    small("place", default=0),
    ForeignKeyConstraint(["tenant_id", "message_id"], ["message.tenant_id", "message.id"]),
    Index("fragment_follows_idx", "tenant_id", "follows", postgresql_where=text("follows IS NOT NULL")),
    Index("fragment_leads_idx", "tenant_id", "leads", postgresql_where=text("leads IS NOT NULL")),
    Index("fragment_whole_idx", "tenant_id", "whole_id", postgresql_where=text("whole_id IS NOT NULL")),
    Index("fragment_open_idx", "tenant_id", "channel_id", "sender_key", postgresql_where=text("state = 'open'")),
)

# Messages about records that are not there: by the number under which they may come (`key` as in idx_token).
awaited = tenant_table(
    "awaited",
    ("key", "code", "system", "message_id"),
    whole("key"),
    string("code"),
    string("system"),
    identity("message_id"),
    flag("loose"),
    moment("since", now=True),
    ForeignKeyConstraint(["tenant_id", "message_id"], ["message.tenant_id", "message.id"]),
    Index("awaited_since_idx", "tenant_id", "since"),
)

sender_sequence = tenant_table(
    "sender_sequence",
    ("channel_id", "sender_key"),
    identity("channel_id"),
    whole("sender_key"),
    whole("expected", default=-1),
    moment("updated_at", now=True),
)

delivery = tenant_table(
    "delivery",
    ("id",),
    identity("id"),
    identity("message_id"),
    identity("partner_id"),
    whole("lane_id"),
    Column("seq", BigInteger, Identity(always=False), nullable=False),
    string("operation"),
    string("subject", default=""),
    string("status"),
    small("attempt", default=0),
    flag("in_doubt"),
    string("purpose", default="{}"),
    identity("reply_id", optional=True),
    string("application", default=""),
    string("last_error", optional=True),
    moment("created_at", now=True),
    moment("finished_at", optional=True),
    ForeignKeyConstraint(["tenant_id", "message_id"], ["message.tenant_id", "message.id"]),
    Index("delivery_waiting_idx", "tenant_id", "lane_id", "seq", postgresql_where=text("status = 'QUEUED'")),
    # Not for waiting ones: on stale statistics it would be taken instead of delivery_waiting_idx and read them all.
    Index("delivery_status_idx", "tenant_id", "status", "created_at", postgresql_where=text("status <> 'QUEUED'")),
    Index("delivery_subject_idx", "tenant_id", "subject", postgresql_where=text("subject <> ''")),
)

# the records a delivery is about beside its `subject`
delivery_subject = tenant_table(
    "delivery_subject",
    ("delivery_id", "subject"),
    identity("delivery_id"),
    string("subject"),
    ForeignKeyConstraint(["tenant_id", "delivery_id"], ["delivery.tenant_id", "delivery.id"]),
    Index("delivery_subject_record_idx", "tenant_id", "subject"),
)

schedule = tenant_table(
    "schedule",
    ("id",),
    identity("id"),
    string("name"),
    string("job"),
    string("cron"),
    string("zone"),
    string("arguments", default="{}"),
    string("catch_up", default="once"),
    moment("next_fire_at"),
    flag("active", default=True),
    UniqueConstraint("tenant_id", "name"),
    Index("schedule_due_idx", "tenant_id", "next_fire_at", postgresql_where=text("active")),
)

job = tenant_table(
    "job",
    ("id",),
    identity("id"),
    identity("schedule_id", optional=True),
    moment("fire_time", optional=True),
    string("name"),
    string("arguments", default="{}"),
    whole("lane_id"),
    Column("seq", BigInteger, Identity(always=False), nullable=False),
    string("status"),
    small("attempt", default=0),
    string("outcome", optional=True),
    string("last_error", optional=True),
    moment("created_at", now=True),
    moment("finished_at", optional=True),
    UniqueConstraint("tenant_id", "schedule_id", "fire_time"),
    Index("job_waiting_idx", "tenant_id", "lane_id", "seq", postgresql_where=text("status = 'QUEUED'")),
    Index("job_dead_idx", "tenant_id", "created_at", postgresql_where=text("status = 'DEAD'")),
)

# What stands now, or stood until `cleared_at`. `told_level` is the gravest level anybody was told of.
alarm = tenant_table(
    "alarm",
    ("rule", "place"),
    string("rule"),
    string("place"),
    small("level"),
    string("severity"),
    whole("value"),
    moment("since"),
    moment("seen_at"),
    small("told_level", default=0),
    moment("cleared_at", optional=True),
    moment("acknowledged_at", optional=True),
    string("acknowledged_by", default=""),
)
