"""The tables by wing. Every table leads with `tenant_id` unless `GLOBAL_TABLES` names it and why.

Search columns are of leakproof types only (text, bigint, double precision, date, timestamptz, boolean, uuid): under
row-level security no other operator may use an index. Money is whole cents in bigint.
"""

from __future__ import annotations

from hub.store.schema import (
    billing,
    bulk,
    exchange,
    guard,
    network,
    projections,
    records,
    releases,
    requests,
    subscriptions,
    terms,
)
from hub.store.schema.columns import METADATA

GLOBAL_TABLES = {
    "tenant": "names the tenants themselves; doors read it before any tenant is known; holds no patient data",
    "signing_key": "the hub's own token keys, private parts encrypted; the same for all tenants",
    "terminology": "national code systems and ANS tables, the same for all tenants",
    "erasure": "that a tenant was erased outlives the tenant; holds its short name, counts and a seal, no patient data",
    "term_release": "releases of terminologies as their publishers wrote them; who uses one stands in term_use",
    "term_concept": "the concepts of such a release, the same for all tenants that use it",
    "term_map": "the maps of such a release",
    "term_relation": "the relationships of such a release with their groups",
    "term_name": "the descriptions of such a release",
    "term_member": "the members of the lists of such a release",
    "alembic_version": "the migration tool's own mark",
}

__all__ = [
    "GLOBAL_TABLES",
    "METADATA",
    "billing",
    "bulk",
    "exchange",
    "guard",
    "network",
    "projections",
    "records",
    "releases",
    "requests",
    "subscriptions",
    "terms",
]
