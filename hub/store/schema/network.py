"""The national network: what is sent of which record, and where it stands there."""

from __future__ import annotations

from sqlalchemy import Index, UniqueConstraint, text

from hub.store.schema.columns import identity, moment, small, string, tenant_table, whole

# One row for each document a record makes. `due_at`: it must be made (again) then; `wanted`: sent or deleted.
rnds_document = tenant_table(
    "rnds_document",
    ("id",),
    identity("id"),
    identity("partner_id"),
    string("kind"),
    string("subject"),
    string("patient_id", default=""),
    small("generation", default=1),
    string("status"),
    string("wanted", default="send"),
    moment("due_at", optional=True),
    whole("version", default=0),
    string("digest", default=""),
    string("rnds_id", default=""),
    string("replaced", default=""),
    identity("delivery_id", optional=True),
    string("code", default=""),
    string("problems", default="[]"),
    moment("created_at", now=True),
    moment("updated_at", now=True),
    moment("sent_at", optional=True),
    UniqueConstraint("tenant_id", "kind", "subject"),
    Index("rnds_document_due_idx", "tenant_id", "due_at", postgresql_where=text("due_at IS NOT NULL")),
    Index("rnds_document_subject_idx", "tenant_id", "subject"),
    Index("rnds_document_patient_idx", "tenant_id", "patient_id"),
    Index("rnds_document_status_idx", "tenant_id", "status", "updated_at"),
)
