"""What is asked of payers beside the bill: elegibilidade, autorização, comunicação, cancelamento, documentos.

A row is the state of one asking; its meaning stands in the FHIR record with the same id.
"""

from __future__ import annotations

from sqlalchemy import ForeignKeyConstraint, Index

from hub.store.schema.columns import flag, identity, moment, string, tenant_table

payer_request = tenant_table(
    "payer_request",
    ("id",),
    identity("id"),
    identity("payer_id"),
    string("kind"),
    string("detail", default=""),
    string("number", default=""),
    string("status"),
    string("payer_status", optional=True),
    string("protocol", optional=True),
    string("reason", optional=True),
    string("patient_id", optional=True),
    string("encounter_id", optional=True),
    string("coverage_id", optional=True),
    string("tiss_version"),
    string("tree", default="{}"),
    string("problems", default="[]"),
    string("hash", optional=True),
    string("actor", default=""),
    identity("message_id", optional=True),
    identity("delivery_id", optional=True),
    identity("replaced_by", optional=True),
    moment("polled_at", optional=True),
    moment("answered_at", optional=True),
    flag("settled"),
    moment("created_at", now=True),
    moment("updated_at", now=True),
    Index("payer_request_kind_idx", "tenant_id", "kind", "status"),
    Index("payer_request_number_idx", "tenant_id", "payer_id", "number"),
    Index("payer_request_open_idx", "tenant_id", "settled", "polled_at"),
)

payer_request_subject = tenant_table(
    "payer_request_subject",
    ("request_id", "type", "record_id"),
    identity("request_id"),
    string("type"),
    string("record_id"),
    ForeignKeyConstraint(["tenant_id", "request_id"], ["payer_request.tenant_id", "payer_request.id"]),
    Index("payer_request_subject_record_idx", "tenant_id", "type", "record_id"),
)
