"""What a patch makes of a stored record (R4 §3.1.0.7): JSON, XML or FHIRPath Patch, or a function of the body."""

from __future__ import annotations

from typing import Any

from canonical.problem import Problem
from fhir import jsontext, pathpatch
from fhir import patch as jsonpatch
from hub.records.requests.refusal import Kind, Refusal, refused


def patched(stored: str, patch: Any) -> dict[str, Any]:
    """The stored text changed by a JSON Patch (a list), a FHIRPath Patch (Parameters) or a function; raises Refusal."""
    before = jsontext.stored(stored)
    try:
        if callable(patch):
            after: Any = patch(before)
        else:
            after = jsonpatch.apply(before, patch) if isinstance(patch, list) else pathpatch.apply(before, patch)
    except jsonpatch.Unpatched as error:
        kind: Kind = "unprocessable" if error.problem.code == "fhir.patch.test" else "malformed"
        raise Refusal(kind, [error.problem]) from None
    if isinstance(after, Problem):
        raise Refusal("unprocessable", [after])
    identity = ("resourceType", "id")
    if not isinstance(after, dict) or any(after.get(key) != before.get(key) for key in identity):
        raise refused("unprocessable", "fhir.patch.identity")
    if jsontext.depth(after) > jsontext.DEEPEST:  # operations may put one thing into another
        raise refused("unprocessable", "fhir.json.too-deep", limit=str(jsontext.DEEPEST))
    return after
