"""Which tables hold a tenant's rows, in the order in which they may be emptied, and which say nothing by themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Table

from hub.store.schema import METADATA
from hub.store.schema.records import INDEX_TABLES

LAST = ("legal_hold", "audit_removal", "audit_event", "audit_seal")
"""Emptied at the very end, so that an erasure that was interrupted can still be read about."""
LEFT_OUT: Mapping[str, str] = {
    **{table.name: "derived from the records; made anew where they are stored" for table in INDEX_TABLES.values()},
    **dict.fromkeys(("idx_word", "word_due", "word_state"), "derived from the records"),
    **dict.fromkeys(("bulk_file", "bulk_piece", "bulk_member"), "copies of records, sealed with this hub's key"),
    "bulk_job": "what was asked of an export is sealed with this hub's key",
    "credential": "secrets are sealed with this hub's key; ask their issuers for new ones",
    "used_assertion": "marks against the reuse of tokens",
    "revoked_token": "marks against the reuse of tokens",
    "console_session": "who is signed in at the moment",
    "user_token": "what people's programs may do at the moment",
    "sign_in_attempt": "marks against guessing",
}
"""Tables an export leaves out, and why."""
HIDDEN: Mapping[str, Mapping[str, str]] = {
    "client": {"secret_hash": "a hash of a secret"},
    "user_account": {
        "password_hash": "a hash of a password",
        "totp": "sealed with this hub's key",
        "recovery": "digests of codes",
    },
    "resource": {"body": "in registros/, one file for each type"},
}
"""Columns an export leaves out, and why."""


def tenant_tables() -> Sequence[Table]:
    """All tables of tenants' rows: those that refer to others before them, the audit trail last."""
    tables = [table for table in reversed(METADATA.sorted_tables) if "tenant_id" in table.columns]
    return [t for t in tables if t.name not in LAST] + [METADATA.tables[name] for name in LAST]
