"""What a client tells of where its writes come from: the X-Provenance header (R4 §6.3.4.7) as one more record.

The header is a Provenance without target. Its target are the records that the request wrote, each by the version that
came of it, and it is stored with them or not at all.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from canonical.errors import Conflict
from canonical.identity import new_id
from canonical.problem import Problem
from fhir import jsontext
from hub.records.requests.entry import Entry
from hub.records.requests.refusal import Refusal, refused
from hub.records.saved import Saved

HEADER = "X-Provenance"
POSITION = -1  # of its entry, which is none of the Bundle's


def read(header: str) -> dict[str, Any] | None:
    """The Provenance of a header, as it came over HTTP (one character a byte); None without one. Raises Refusal."""
    if not header.strip():
        return None
    found: Any = jsontext.parse(header.encode("latin-1", "replace"))
    if isinstance(found, Problem):
        raise Refusal("malformed", [Problem(found.code, HEADER, args=found.args)])
    if not isinstance(found, dict) or found.get("resourceType") != "Provenance":
        raise refused("malformed", "fhir.provenance", HEADER)
    if not isinstance(found.get("target", []), list):
        raise refused("malformed", "fhir.structure", "Provenance.target")
    return found


def entry_of(stated: dict[str, Any], *, alone: bool) -> Entry:
    """The entry that stores what was stated; `alone`: of a request that is no Bundle."""
    return Entry(position=POSITION, method="POST", type_name="Provenance", resource=stated, alone=alone)


def placed(cause: Refusal | Conflict) -> Refusal | Conflict:
    """What is wrong with the entry, with its place in what was stated instead of in a Bundle."""
    if not isinstance(cause, Refusal):
        return cause
    own = [
        p if p.where.startswith("Provenance") else dataclasses.replace(p, where="Provenance") for p in cause.problems
    ]
    return Refusal(cause.kind, own)


def pointing(entry: Entry, written: Sequence[Saved]) -> Entry:
    """`entry` with what was written as its target, beside what it states itself, and with an id."""
    own = [{"reference": f"{saved.type}/{saved.id}/_history/{saved.version}"} for saved in written]
    stated = (entry.resource or {}).get("target", [])
    return dataclasses.replace(entry, id=str(new_id()), resource={**(entry.resource or {}), "target": [*stated, *own]})
