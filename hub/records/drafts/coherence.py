"""What two messages say of one record may contradict each other, where R4 has a constraint between its elements.

The newer word stands, and what it contradicts goes from the view (the version before keeps it): an end before the
beginning (per-1), the end of a problem that is active again (con-4), a clinical status of what was recorded in error
(con-5, ait-2), a reason why there is no value beside a value (obs-6), one value beside several (obs-7), a change
before the task was (inv-1), why a dose was not given beside one that was, details of an order for nothing (prr-1),
contained resources that nothing names (dom-3). And a word for no name (`IGNORADO`) takes no name away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from canonical.problem import Problem
from canonical.records import Draft
from fhir.periods import reverses
from hub.records.drafts.who import persons

Body = dict[str, Any]
_OVER = frozenset(("inactive", "remission", "resolved"))
_ERROR = "entered-in-error"
_CLINICAL, _VERIFICATION, _REASON = "clinicalStatus", "verificationStatus", "dataAbsentReason"


def agree(
    present: Body | None, body: Body, stated: Iterable[str], *, stale: bool, gone: list[str] | None = None
) -> None:
    """Take out of `body` what contradicts its newer part; `gone` gets the paths of what went, without the type.

    `present` is the record before, `stated` what the message says of it; when `stale`, the record is the newer one.
    """
    rules = _RULES.get(body["resourceType"])
    told = frozenset((present or ()) if stale else stated) if rules else frozenset()
    for rule in rules or ():
        left_out = [*rule(present or {}, body, told, stale)]
        if gone is not None:
            gone += left_out
    if "contained" in body:
        _drop_unnamed(body)


def contradiction(draft: Draft, path: str) -> Problem:
    """The finding for a part of a record that its newer part excludes."""
    return Problem("semantic.contradiction", draft.local, args=(("target", f"{draft.type}.{path}"),))


def _period(present: Body, body: Body, told: frozenset[str], stale: bool) -> Iterator[str]:
    period = body.get("period") or {}
    if "start" not in period or "end" not in period or not reverses(period["start"], period["end"]):
        return
    known = present.get("period") or {}
    changed = [name for name in ("start", "end") if period[name] != known.get(name)]
    old = [name for name in ("start", "end") if name not in changed]
    name = (changed if stale else old or ["end"])[-1]
    body["period"] = {key: value for key, value in period.items() if key != name}
    yield f"period.{name}"


def _in_error(present: Body, body: Body, told: frozenset[str], stale: bool) -> Iterator[str]:
    if _code(body, _VERIFICATION) != _ERROR or _CLINICAL not in body:
        return
    again = _CLINICAL in told and _VERIFICATION not in told
    name = _VERIFICATION if again else _CLINICAL
    del body[name]
    if name in told or name in present:
        yield name


def _ended(present: Body, body: Body, told: frozenset[str], stale: bool) -> Iterator[str]:
    if _code(body, _CLINICAL) in _OVER:
        return
    for name in [name for name in body if name.startswith("abatement")]:
        del body[name]
        yield name


def _valued(present: Body, body: Body, told: frozenset[str], stale: bool) -> Iterator[str]:
    if _REASON not in body and "component" not in body:
        return
    values = [name for name in body if name.startswith("value")]
    if values and _REASON in body:
        if _REASON in told and not told.intersection(values):
            for name in values:
                del body[name]
            yield from values
            return
        del body[_REASON]
        yield _REASON
    if values and _repeats_itself(body):
        for name in ["component"] if told.intersection(values) else values:
            del body[name]
            yield name


def _given(present: Body, body: Body, told: frozenset[str], stale: bool) -> Iterator[str]:
    """Why a dose was not given is no reason of one that was, unless one message says both (a part of it was)."""
    said_with_it = "statusReason" in told and ("statusReason" in present or not stale)
    known = present.get("status") == "completed" and "statusReason" in present
    if body.get("status") == "completed" and "statusReason" in body and not said_with_it and not known:
        del body["statusReason"]
        yield "statusReason"


def _modified(present: Body, body: Body, told: frozenset[str], stale: bool) -> Iterator[str]:
    if "authoredOn" in body and "lastModified" in body and reverses(body["authoredOn"], body["lastModified"]):
        del body["lastModified"]
        yield "lastModified"


def _detailed(present: Body, body: Body, told: frozenset[str], stale: bool) -> Iterator[str]:
    if "orderDetail" in body and "code" not in body:
        del body["orderDetail"]
        yield "orderDetail"


def _called(present: Body, body: Body, told: frozenset[str], stale: bool) -> Iterator[str]:
    """A patient known by name stays so where a later message has a word for none: its sender did not know."""
    if "name" in told and "name" in present and persons.nameless(body) and not persons.nameless(present):
        body["name"] = present["name"]
        yield "name"


def _repeats_itself(body: Body) -> bool:
    """Whether a component is of the very code of the observation: then it is one of several values of it."""
    own = _codings(body.get("code"))
    return any(own & _codings(part.get("code")) for part in body.get("component", ()))


def _codings(concept: Any) -> set[tuple[str, str]]:
    return {(c.get("system", ""), c.get("code", "")) for c in (concept or {}).get("coding", ())}


def _code(body: Body, name: str) -> str:
    return next((str(c.get("code", "")) for c in (body.get(name) or {}).get("coding", ())), "")


def _drop_unnamed(body: Body) -> None:
    """Keep of the contained resources those that are named."""
    named = set(_references(body))
    kept = [resource for resource in body["contained"] if f"#{resource.get('id', '')}" in named]
    if kept:
        body["contained"] = kept
    else:
        del body["contained"]


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("reference"), str):
            yield node["reference"]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


_Rule = Callable[[Body, Body, frozenset[str], bool], Iterator[str]]
_RULES: dict[str, tuple[_Rule, ...]] = {
    "Immunization": (_given,),
    "MedicationAdministration": (_given,),
    "AllergyIntolerance": (_in_error,),
    "Condition": (_in_error, _ended),
    "Coverage": (_period,),
    "Encounter": (_period,),
    "Observation": (_valued,),
    "Patient": (_called,),
    "PractitionerRole": (_period,),
    "RelatedPerson": (_period,),
    "ServiceRequest": (_detailed,),
    "Task": (_modified,),
}
