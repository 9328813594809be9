"""Bulk: exports and imports asked for over FHIR, their files in sealed pieces, and which records an export holds.

`request` is sealed: filters of an export may name a person. What stands in the clear is ids, counts and times.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, Identity, Index, LargeBinary, text

from hub.store.schema.columns import identity, moment, small, string, tenant_table, whole

bulk_job = tenant_table(
    "bulk_job",
    ("id",),
    identity("id"),
    Column("seq", BigInteger, Identity(always=False), nullable=False),
    string("kind"),
    string("owner"),
    string("status"),
    Column("request", LargeBinary, nullable=False),
    string("progress", default="{}"),
    whole("step", default=0),
    whole("records", default=0),
    string("problem", optional=True),
    moment("bound_at", optional=True),
    moment("created_at", now=True),
    moment("finished_at", optional=True),
    moment("expires_at"),
    Index(
        "bulk_job_open_idx", "tenant_id", "kind", postgresql_where=text("status IN ('UPLOADING', 'QUEUED', 'RUNNING')")
    ),
    Index("bulk_job_expiry_idx", "tenant_id", "expires_at"),
)

bulk_file = tenant_table(
    "bulk_file",
    ("job_id", "number"),
    identity("job_id"),
    small("number"),
    string("kind"),
    string("type"),
    whole("records"),
    whole("plain_bytes"),
    whole("packed_bytes"),
    whole("crc"),
    small("pieces"),
    ForeignKeyConstraint(["tenant_id", "job_id"], ["bulk_job.tenant_id", "bulk_job.id"]),
)

bulk_piece = tenant_table(
    "bulk_piece",
    ("job_id", "number", "position"),
    identity("job_id"),
    small("number"),
    small("position"),
    Column("sealed", LargeBinary, nullable=False),
    ForeignKeyConstraint(["tenant_id", "job_id"], ["bulk_job.tenant_id", "bulk_job.id"]),
)

bulk_member = tenant_table(
    "bulk_member",
    ("job_id", "type", "rid"),
    identity("job_id"),
    string("type"),
    whole("rid"),
    ForeignKeyConstraint(["tenant_id", "job_id"], ["bulk_job.tenant_id", "bulk_job.id"]),
)
