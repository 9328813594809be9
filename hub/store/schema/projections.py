"""Projections: what the hub acts on, derived from a resource's body in the transaction that stores it."""

from __future__ import annotations

from sqlalchemy import Column, Date, Double, Index

from hub.store.schema.columns import flag, identity, moment, string, tenant_table, whole

patient = tenant_table(
    "patient",
    ("id",),
    string("id"),
    string("name_folded", optional=True),
    string("mother_folded", optional=True),
    Column("birth_date", Date),
    string("gender", optional=True),
    flag("active", default=True),
    flag("deceased"),
    Index("patient_name_idx", "tenant_id", "name_folded", "birth_date"),
)

patient_identifier = tenant_table(
    "patient_identifier",
    ("system", "value", "patient_id"),
    string("system"),
    string("value"),
    string("patient_id"),
    Index("patient_identifier_patient_idx", "tenant_id", "patient_id"),
)

patient_link = tenant_table(
    "patient_link",
    ("loser_id",),
    string("loser_id"),
    string("survivor_id"),
    moment("linked_at"),
    identity("message_id", optional=True),
    Index("patient_link_survivor_idx", "tenant_id", "survivor_id"),
)

encounter = tenant_table(
    "encounter",
    ("id",),
    string("id"),
    string("patient_id", optional=True),
    string("class"),
    string("status"),
    string("visit_number", optional=True),
    moment("start_at", optional=True),
    moment("end_at", optional=True),
    string("episode", optional=True),
    Index("encounter_patient_idx", "tenant_id", "patient_id", "start_at"),
    Index("encounter_episode_idx", "tenant_id", "episode"),
)

coverage = tenant_table(
    "coverage",
    ("id",),
    string("id"),
    string("patient_id", optional=True),
    string("payer_code"),
    string("member_number"),
    string("plan_name", optional=True),
    string("status"),
    Column("valid_from", Date),
    Column("valid_until", Date),
    Index("coverage_patient_idx", "tenant_id", "patient_id"),
)

service_order = tenant_table(
    "service_order",
    ("id",),
    string("id"),
    string("patient_id", optional=True),
    string("encounter_id", optional=True),
    string("placer_number", optional=True),
    string("filler_number", optional=True),
    string("code", optional=True),
    string("status"),
    moment("authored_at", optional=True),
    Index("service_order_placer_idx", "tenant_id", "placer_number"),
    Index("service_order_filler_idx", "tenant_id", "filler_number"),
)

result = tenant_table(
    "result",
    ("id",),
    string("id"),
    string("patient_id", optional=True),
    string("report_id", optional=True),
    string("code", optional=True),
    string("status"),
    moment("issued_at", optional=True),
    Index("result_patient_idx", "tenant_id", "patient_id", "code", "issued_at"),
)

charge = tenant_table(
    "charge",
    ("id",),
    string("id"),
    string("patient_id", optional=True),
    string("encounter_id", optional=True),
    string("tiss_table"),
    string("code"),
    Column("quantity", Double, nullable=False),
    whole("unit_cents", optional=True),
    whole("total_cents", optional=True),
    Column("occurred_on", Date),
    string("status"),
    string("performer", optional=True),
    identity("guide_id", optional=True),
    Index("charge_open_idx", "tenant_id", "guide_id", "status", "occurred_on"),
    Index("charge_encounter_idx", "tenant_id", "encounter_id"),
)
