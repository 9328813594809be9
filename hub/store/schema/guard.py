"""Guard: tenants, people, clients, keys, the audit trail and national terminology."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Date, Identity, Index, LargeBinary, Table, Uuid, text
from sqlalchemy.dialects.postgresql import TEXT

from hub.store.schema.columns import METADATA, flag, identity, moment, string, tenant_table, whole

tenant = Table(
    "tenant",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("slug", TEXT, nullable=False, unique=True),
    string("name"),
    string("zone", default="America/Sao_Paulo"),
    string("settings", default="{}"),
    flag("active", default=True),
    moment("created_at", now=True),
)

signing_key = Table(
    "signing_key",
    METADATA,
    Column("kid", TEXT, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    string("public_jwk"),
    moment("created_at", now=True),
    moment("retired_at", optional=True),
)

terminology = Table(
    "terminology",
    METADATA,
    Column("system", TEXT, primary_key=True),
    Column("code", TEXT, primary_key=True),
    Column("valid_from", Date, primary_key=True),
    Column("valid_until", Date),
    string("display"),
    string("folded"),
    Index("terminology_folded_idx", "system", "folded"),
)

user_account = tenant_table(
    "user_account",
    ("login",),
    string("login"),
    string("name"),
    string("roles"),
    string("password_hash", optional=True),
    moment("password_at", optional=True),
    flag("must_change"),
    Column("totp", LargeBinary),
    whole("totp_step", default=0),
    string("recovery", default=""),
    string("subject", default=""),
    flag("active", default=True),
    moment("created_at", now=True),
    moment("changed_at", now=True),
    moment("entered_at", optional=True),
    Index("user_account_subject_key", "tenant_id", "subject", unique=True, postgresql_where=text("subject <> ''")),
)

console_session = tenant_table(
    "console_session",
    ("id",),
    identity("id"),
    string("digest"),
    string("actor"),
    string("login", default=""),
    string("client_id", default=""),
    string("scopes", default=""),
    string("means"),
    moment("created_at"),
    moment("seen_at"),
    moment("ends_at"),
    string("address", default=""),
    string("agent", default=""),
    Index("console_session_login_idx", "tenant_id", "login"),
)

user_token = tenant_table(
    "user_token",
    ("jti",),
    string("jti"),
    string("login"),
    string("title"),
    string("scopes"),
    moment("created_at"),
    moment("ends_at"),
    Index("user_token_login_idx", "tenant_id", "login"),
)

sign_in_attempt = tenant_table(
    "sign_in_attempt",
    ("key",),
    string("key"),
    whole("failures"),
    moment("last_at"),
    moment("until"),
)

client = tenant_table(
    "client",
    ("client_id",),
    string("client_id"),
    string("name"),
    string("secret_hash", optional=True),
    string("jwks", optional=True),
    string("roles"),
    string("scopes"),
    flag("active", default=True),
    moment("created_at", now=True),
    string("jwks_url", default=""),
    whole("rate", optional=True),
    moment("changed_at", now=True),
)

used_assertion = tenant_table(
    "used_assertion",
    ("client_id", "digest"),
    string("client_id"),
    string("digest"),
    moment("expires_at"),
)

revoked_token = tenant_table(
    "revoked_token",
    ("jti",),
    string("jti"),
    moment("expires_at"),
)

audit_event = tenant_table(
    "audit_event",
    ("seq",),
    Column("seq", BigInteger, Identity(always=False), nullable=False),
    Column("transaction", BigInteger, nullable=False, server_default=text("(pg_current_xact_id()::text)::bigint")),
    moment("at", now=True),
    string("actor"),
    string("action"),
    string("entity"),
    string("outcome"),
    string("detail", default="{}"),
    Index("audit_event_entity_idx", "tenant_id", "entity", "at"),
    # Rows come nearly in the order of their transactions: a few pages of summary find those of a seal.
    Index(
        "audit_event_transaction_idx",
        "tenant_id",
        "transaction",
        postgresql_using="brin",
        postgresql_with={"pages_per_range": 32, "autosummarize": "on"},
    ),
)

audit_seal = tenant_table(
    "audit_seal",
    ("number",),
    whole("number"),
    whole("from_transaction"),
    whole("until_transaction"),
    whole("events"),
    string("previous_hash"),
    string("hash"),
    moment("sealed_at", now=True),
)

# Whose messages and requests no rule of retention removes: a person's (`patient_id`) or everybody's (empty).
legal_hold = tenant_table(
    "legal_hold",
    ("id",),
    identity("id"),
    string("patient_id", default=""),
    string("reason"),
    string("placed_by"),
    moment("placed_at", now=True),
    string("lifted_by", default=""),
    moment("lifted_at", optional=True),
)

# Stretches of the trail whose events were removed; their seals stay. Written by the tables' owner alone.
audit_removal = tenant_table(
    "audit_removal",
    ("until_seal",),
    whole("until_seal"),
    whole("until_transaction"),
    whole("events"),
    string("actor"),
    moment("removed_at", now=True),
)

# Tenants that were erased, as a hash chain. Written by the tables' owner alone.
erasure = Table(
    "erasure",
    METADATA,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("tenant", Uuid, nullable=False),
    string("slug"),
    string("actor"),
    string("counts"),
    string("last_seal"),
    moment("erased_at"),
    string("previous_hash"),
    string("hash"),
)
