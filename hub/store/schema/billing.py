"""Billing: guia, lote, protocolo, demonstrativo, glosa and recurso. Money is whole cents."""

from __future__ import annotations

from sqlalchemy import Column, Date, Double, ForeignKeyConstraint, Index, UniqueConstraint

from hub.store.schema.columns import flag, identity, moment, small, string, tenant_table, whole

guide = tenant_table(
    "guide",
    ("id",),
    identity("id"),
    identity("payer_id"),
    string("kind"),
    string("number"),
    string("status"),
    string("tiss_version"),
    string("patient_id", optional=True),
    string("encounter_id", optional=True),
    string("coverage_id", optional=True),
    string("competence"),
    Column("executed_on", Date),
    whole("total_cents"),
    identity("batch_id", optional=True),
    string("tree"),
    string("problems", default="[]"),
    whole("version", default=1),
    moment("created_at", now=True),
    moment("updated_at", now=True),
    UniqueConstraint("tenant_id", "payer_id", "number"),
    Index("guide_batch_idx", "tenant_id", "batch_id"),
    Index("guide_open_idx", "tenant_id", "payer_id", "status", "kind", "competence"),
)

guide_item = tenant_table(
    "guide_item",
    ("guide_id", "sequence"),
    identity("guide_id"),
    small("sequence"),
    string("section"),
    string("tiss_table"),
    string("code"),
    string("description"),
    Column("executed_on", Date),
    Column("quantity", Double, nullable=False),
    whole("unit_cents"),
    whole("total_cents"),
    string("charge_id", optional=True),
    ForeignKeyConstraint(["tenant_id", "guide_id"], ["guide.tenant_id", "guide.id"]),
)

batch = tenant_table(
    "batch",
    ("id",),
    identity("id"),
    identity("payer_id"),
    whole("number"),
    string("kind"),
    string("status"),
    string("tiss_version"),
    small("guides"),
    whole("total_cents"),
    string("hash", optional=True),
    identity("message_id", optional=True),
    string("rule_set", optional=True),
    string("problems", default="[]"),
    moment("created_at", now=True),
    moment("updated_at", now=True),
    UniqueConstraint("tenant_id", "payer_id", "number"),
    Index("batch_status_idx", "tenant_id", "status", "updated_at"),
)

submission = tenant_table(
    "submission",
    ("id",),
    identity("id"),
    identity("payer_id"),
    identity("batch_id", optional=True),
    identity("delivery_id", optional=True),
    string("protocol", optional=True),
    string("status"),
    string("payer_status", optional=True),
    moment("sent_at", optional=True),
    moment("received_at", optional=True),
    moment("polled_at", optional=True),
    flag("settled"),
    Index("submission_protocol_idx", "tenant_id", "payer_id", "protocol"),
    Index("submission_batch_idx", "tenant_id", "batch_id"),
    Index("submission_open_idx", "tenant_id", "settled", "polled_at"),
)

statement_line = tenant_table(
    "statement_line",
    ("id",),
    identity("id"),
    identity("payer_id"),
    string("protocol"),
    string("guide_number"),
    small("sequence"),
    string("tiss_table", optional=True),
    string("code", optional=True),
    whole("billed_cents"),
    whole("processed_cents"),
    whole("paid_cents"),
    whole("denied_cents"),
    identity("guide_id", optional=True),
    identity("message_id", optional=True),
    flag("replaced"),
    moment("created_at", now=True),
    Index("statement_line_guide_idx", "tenant_id", "guide_id", "sequence"),
    Index("statement_line_protocol_idx", "tenant_id", "payer_id", "protocol"),
)

denial = tenant_table(
    "denial",
    ("id",),
    identity("id"),
    identity("statement_line_id"),
    identity("payer_id"),
    identity("guide_id", optional=True),
    string("glosa_code"),
    whole("amount_cents"),
    string("status"),
    Column("appeal_until", Date),
    identity("appeal_id", optional=True),
    moment("created_at", now=True),
    ForeignKeyConstraint(["tenant_id", "statement_line_id"], ["statement_line.tenant_id", "statement_line.id"]),
    Index("denial_status_idx", "tenant_id", "status", "appeal_until"),
)

appeal = tenant_table(
    "appeal",
    ("id",),
    identity("id"),
    identity("payer_id"),
    identity("batch_id", optional=True),
    string("batch_protocol"),
    whole("number"),
    string("status"),
    string("protocol", optional=True),
    whole("claimed_cents"),
    whole("granted_cents", optional=True),
    string("hash", optional=True),
    identity("message_id", optional=True),
    moment("created_at", now=True),
    moment("updated_at", now=True),
    UniqueConstraint("tenant_id", "payer_id", "number"),
)

payer_sequence = tenant_table(
    "payer_sequence",
    ("payer_id", "name"),
    identity("payer_id"),
    string("name"),
    whole("last"),
)
