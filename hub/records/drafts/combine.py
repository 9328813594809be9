"""How a draft changes a stored body: what is stated replaces, what is silent stays, what is nulled goes.

A repeating element is replaced whole, except where several senders or fields add to one list (`_GROUPS`): there each
group is replaced by itself. Of how a medicine is taken, and of a tube, the parts not said stay (`_PARTS`). A draft
older than what the record tells only fills gaps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from canonical.records import Draft
from hub.records.drafts import coherence, nulls
from hub.records.drafts.backward import DONE, RESULTS, finishes, lags
from hub.records.drafts.marks import BEFORE_ALL, STATUS_TIME, mark, mark_time, told_at
from hub.records.drafts.visit import visits
from hub.records.drafts.who import professionals

TOLD_BY = "urn:ponte:told-by"
_PERSONS = frozenset(("RelatedPerson",))  # NK1, GT1, IN1 and PID make them, each a set of its own
_PARTS: dict[str, tuple[tuple[str, ...], ...]] = {  # of entries that several fields make: what is said together
    "dosageInstruction": (
        ("timing", "asNeededBoolean", "asNeededCodeableConcept", "text"),
        ("route", "site", "method"),
        ("doseAndRate",),
        ("additionalInstruction",),
        ("patientInstruction",),
        ("maxDosePerPeriod", "maxDosePerAdministration", "maxDosePerLifetime"),
    ),
    "container": (("identifier",), ("type",), ("capacity",), ("specimenQuantity",), ("additiveCodeableConcept",)),
}
_INNER = ("period", "hospitalization", "meta", "collection", "dispenseRequest")
_INNER_OF = (("DocumentReference", "context"),)
_INNER_CHOICES = ("collected", "fastingStatus")
_STATUS_PARTS = ("status", "_status", "period", "hospitalization")
_CHOICES = ("value", "effective", "deceased", "multipleBirth", "occurrence", "onset", "performed", "medication")
ORDERS = frozenset(("ServiceRequest", "MedicationRequest", "SupplyRequest"))
_BY_EVENTS = frozenset(("Encounter", "Appointment", *ORDERS))  # whose status some events tell and others leave
_WITHOUT_TIME = frozenset(("proposed", "cancelled", "waitlist"))
_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
_UNKNOWN = "http://terminology.hl7.org/CodeSystem/v3-NullFlavor"
_CONTENT = ("value", "component", "dataAbsentReason", "interpretation", "conclusion", "presentedForm")
_WITH_SIBLINGS = ("status", "birthDate", "category", "criticality")
_BY_SIBLING = ("category", "criticality")  # a code that the required ones cannot say stands in the extension alone
_ACTIVE = {
    "system": "http://terminology.hl7.org/CodeSystem/condition-clinical",
    "code": "active",
    "display": "Active",
}
LATE = {"system": "urn:ponte:history", "code": "late"}


def combine(
    present: dict[str, Any] | None, draft: Draft, *, stale: bool, gone: list[str] | None = None
) -> dict[str, Any]:
    """The new body (with resourceType, without id); `present` is not changed. `gone` gets the paths of what was left
    out because it contradicts the newer part."""
    body: dict[str, Any] = dict(present) if present else {"resourceType": draft.type}
    if lags(present, draft, stale=stale):  # a late older result is history, not a patchwork of two
        return _united_only(body, draft)
    stale = stale and not finishes(present, draft)
    status = _changed_after_final(present, draft)
    late_status = stale and _status_is_news(body, draft)
    if not stale or late_status:
        for name in draft.cleared:
            if not stale or name.partition(".")[0] in _STATUS_PARTS:
                _remove(body, name)
    gone_since = nulls.since(body, draft.event_at) if stale else frozenset()
    for name, value in visits.elements(body, draft, old=stale and not late_status):
        said = nulls.left(name, value, gone_since, _choice(name), _GROUPS) if gone_since else value
        if said is not None:
            _set(body, name, said, stale=stale and not (late_status and name in _STATUS_PARTS))
    _fill(body, draft.initial)
    if draft.type == professionals.TYPE and "identifier" in body:
        body["identifier"] = professionals.numbered(body, draft.initial)
    _drop_stale_siblings(present, body, draft, stale=stale and not late_status)
    if status:
        body["status"] = status
    if draft.type == "Encounter":
        visits.follow(present, body, draft, stale=stale)
    _tell_missing_times(body)
    coherence.agree(present, body, draft.body, stale=stale, gone=gone)
    _list_again(body)
    _stamp(present, body, draft, stale=stale, late_status=late_status)
    return body


def _tell_missing_times(body: dict[str, Any]) -> None:
    """R4 app-2 and app-3: an appointment has both its start and its end, or neither while it is asked for or is off.

    Schedules are sent with a start alone, or with no time that can be read; what is not known is said to be unknown.
    """
    if body["resourceType"] != "Appointment":
        return
    timeless = body.get("status") in _WITHOUT_TIME and not {"start", "end"} & body.keys()
    for name in ("start", "end"):
        if name in body or timeless:
            body.pop(f"_{name}", None)
        else:
            body[f"_{name}"] = {"extension": [{"url": _ABSENT, "valueCode": "unknown"}]}


def _list_again(body: dict[str, Any]) -> None:
    """R4 con-3: a problem of the list that is no error any more stands there as one that enters it does, as active."""
    if body["resourceType"] != "Condition" or "clinicalStatus" in body:
        return
    wrong = "entered-in-error" in _codes(body, "verificationStatus")
    listed = "problem-list-item" in _codes(body, "category")
    if listed and not wrong and not any(name.startswith("abatement") for name in body):
        body["clinicalStatus"] = {"coding": [dict(_ACTIVE)]}


def _codes(body: dict[str, Any], name: str) -> set[str]:
    """The codes of an element that is one CodeableConcept or several."""
    stated = body.get(name) or []
    concepts = [stated] if isinstance(stated, dict) else stated
    return {coding.get("code", "") for concept in concepts for coding in concept.get("coding", ())}


def _fill(body: dict[str, Any], initial: dict[str, Any]) -> None:
    """Put what only fills gaps into them; of the resources inside, those nobody needs go afterwards."""
    gone = nulls.since(body, None) if initial else frozenset()
    for name, stated in initial.items():
        value = nulls.left(name, stated, gone, _choice(name), _GROUPS) if gone else stated
        if value is None:
            continue
        if name == "contained":
            body[name] = _united(body.get(name, []), value, _GROUPS[name], stale=True)
        elif name not in body and not _has_choice(body, name):
            body[name] = value


def _drop_stale_siblings(present: dict[str, Any] | None, body: dict[str, Any], draft: Draft, *, stale: bool) -> None:
    """What an extension of a primitive said of the old value is not said of the new one (`_status`, `_birthDate`), nor
    is the old value where the extension alone is stated (`_criticality`). `stale`: the older word takes nothing away
    from the newer one, and adds nothing to another value than its own."""
    if stale:
        _keep_siblings(present or {}, body, draft)
        return
    for name in _BY_SIBLING:
        if f"_{name}" in draft.body and name not in draft.body:
            body.pop(name, None)
    for name in _WITH_SIBLINGS:
        changed = name == "status" or (present or {}).get(name) != body.get(name)
        if changed and f"_{name}" in body and name in draft.body and f"_{name}" not in draft.body:
            del body[f"_{name}"]


def _keep_siblings(present: dict[str, Any], body: dict[str, Any], draft: Draft) -> None:
    for name in _WITH_SIBLINGS:
        alone = name in _BY_SIBLING and name not in present and f"_{name}" in present
        if alone:
            body.pop(name, None)
        elif name in present and f"_{name}" not in present and present[name] != draft.body.get(name):
            body.pop(f"_{name}", None)


def late_version(present: dict[str, Any], draft: Draft) -> dict[str, Any]:
    """The record as a late, older result tells it: a version for the history, marked `late` in meta.tag."""
    body = combine(None, draft, stale=False)
    if "identifier" in present:
        body["identifier"] = present["identifier"]
    body["meta"] = {**body.get("meta", {}), "tag": [LATE]}
    return body


def _changed_after_final(present: dict[str, Any] | None, draft: Draft) -> str:
    """What a result that was final becomes when its sender says `final` again: `amended` when its content changed,
    else what it was (R4 observation-status: modified subsequent to being final). Empty when nothing is to be said."""
    told = str(present.get("status")) if present else ""
    if draft.type not in RESULTS or told not in DONE or draft.body.get("status") != "final":
        return ""
    said = {name: value for name, value in draft.body.items() if name.startswith(_CONTENT)}
    if any((present or {}).get(name) != value for name, value in said.items()):
        return "amended"
    return told if told != "final" else ""


def _set(body: dict[str, Any], name: str, value: Any, *, stale: bool) -> None:
    group = _GROUPS.get(name)
    if group is not None and isinstance(value, list):
        present = body.get(name, [])
        body[name] = _united(present, value, group, stale=stale) if present or len(value) > 1 else value
    elif isinstance(value, dict) and isinstance(body.get(name), dict) and _of_parts(body, name):
        body[name] = _inner(value, body[name]) if stale else _inner(body[name], value)
    elif not (stale and (name in body or _has_choice(body, name)) and not _is_unknown(body.get(name))):
        _drop_other_choices(body, name)
        body[name] = _with_silent_parts(body.get(name), value, _PARTS[name]) if name in _PARTS else value


def _of_parts(body: dict[str, Any], name: str) -> bool:
    """Whether an element is told in parts, each by itself: when a specimen was collected, and by whom."""
    return name in _INNER or (body["resourceType"], name) in _INNER_OF


def _inner(before: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """The parts of both, the later word first; of a choice (`collected[x]`) one form."""
    told = [choice for choice in _INNER_CHOICES if any(name.startswith(choice) for name in now)]
    return {**{name: part for name, part in before.items() if not name.startswith(tuple(told))}, **now}


def _with_silent_parts(
    present: Any, stated: list[dict[str, Any]], parted: Sequence[tuple[str, ...]]
) -> list[dict[str, Any]]:
    """How a medicine is taken, or a specimen's tube, with those parts of what was told before of which the newer
    message says nothing: a pharmacy's answer may repeat dose and route alone. Only of one entry each, since several
    are not told apart, and of no other tube."""
    if not present or len(present) > 1 or len(stated) > 1:
        return stated
    before, now = present[0], stated[0]
    if now.get("identifier", before.get("identifier")) != before.get("identifier"):
        return stated
    parts = [part for part in parted if not any(name in now for name in part)]
    return [{**{name: before[name] for part in parts for name in part if name in before}, **now}]


def _is_unknown(value: Any) -> bool:
    """Whether an element only says that nobody knows it, since R4 requires one (Encounter.class)."""
    return isinstance(value, dict) and value.get("system") == _UNKNOWN


def _remove(body: dict[str, Any], path: str) -> None:
    """Take out `period.end`, `extension:<url>`, `participant:ATND` or a whole element."""
    name, _, wanted = path.partition(":")
    if wanted:
        group = _GROUPS[name]
        kept = [item for item in body.get(name, ()) if group(item) != wanted]
        body[name] = kept
    elif path.endswith("[x]"):
        for other in [key for key in body if key.startswith(path[:-3]) and key[len(path) - 3 :][:1].isupper()]:
            del body[other]
        return
    else:
        first, _, last = path.partition(".")
        if not last:
            body.pop(first, None)
        elif isinstance(body.get(first), dict):
            body[first] = {key: value for key, value in body[first].items() if key != last}
        name = first
    if name in body and not body[name]:
        del body[name]


def _status_is_news(body: dict[str, Any], draft: Draft) -> bool:
    """Whether an older event is still the latest that speaks of the status (a cancellation behind an update)."""
    if "status" not in draft.body or draft.event_at is None:
        return False
    told = told_at(body, STATUS_TIME)
    return told is not None and draft.event_at > told


def _united_only(body: dict[str, Any], draft: Draft) -> dict[str, Any]:
    for name in ("identifier", "result"):
        if name in draft.body:
            body[name] = _united(body.get(name, []), draft.body[name], _GROUPS[name], stale=True)
    return body


def _united(present: list[Any], stated: list[Any], group: Callable[[Any], str], *, stale: bool) -> list[Any]:
    """Both lists by group: a stated group replaces the stored one, or gives way to it when stale."""
    told, said = _grouped(present, group), _grouped(stated, group)
    if stale:
        return [*present, *(item for name, items in said.items() if name not in told for item in items)]
    if not present:
        return [item for items in said.values() for item in items]
    merged: list[Any] = []
    for name in {**told, **said}:
        if name not in said:
            merged += told[name]
        else:
            used = [item for item in told.get(name, ()) if isinstance(item, dict) and "use" in item]
            merged += [_with_use(item, used[-1] if used else None) for item in said[name]]
    return merged


def _grouped(items: list[Any], group: Callable[[Any], str]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for item in items:
        found.setdefault(group(item), []).append(item)
    return found


def _with_use(item: Any, told: Any) -> Any:
    """An identifier keeps the use it has (`old` after a merge) when the sender states none, and so its end."""
    if not told or "use" not in told or "value" not in item or "use" in item:
        return item
    return {"use": told["use"], **({"period": told["period"]} if "period" in told else {}), **item}


def _identifier(item: Any) -> str:
    return f"{item.get('system', '')}|{item.get('value', '')}"


def _role(item: Any) -> str:
    codings = (item.get("type") or [{}])[0].get("coding") or [{}]
    return str(codings[0].get("code", ""))


def _link(item: Any) -> str:
    return f"{item.get('other', {}).get('reference', '')}|{item.get('type', '')}"


def _reference(item: Any) -> str:
    return str(item.get("reference") or _identifier(item.get("identifier") or {}))


_GROUPS: dict[str, Callable[[Any], str]] = {
    "contained": lambda item: str(item.get("id", "")),
    "identifier": _identifier,
    "extension": lambda item: str(item.get("url", "")),
    "link": _link,
    "participant": _role,
    "location": visits.group_of,
    "telecom": lambda item: "work" if item.get("use") == "work" else "home",
    "result": _reference,
    "basedOn": _reference,
    "hasMember": _reference,
    "derivedFrom": _reference,
    "replaces": _reference,
    "request": _reference,
}


@cache
def _choice(name: str) -> str:
    """The choice element that a JSON name is one form of (`value` of `valueString`); empty when it is none."""
    return next((c for c in _CHOICES if name.startswith(c) and name[len(c) : len(c) + 1].isupper()), "")


def _has_choice(body: dict[str, Any], name: str) -> bool:
    choice = _choice(name)
    return bool(choice) and any(_choice(key) == choice for key in body)


def _drop_other_choices(body: dict[str, Any], name: str) -> None:
    """A new `valueQuantity` ends an old `valueString`."""
    if choice := _choice(name):
        for other in [key for key in body if _choice(key) == choice]:
            del body[other]


def _stamp(
    present: dict[str, Any] | None, body: dict[str, Any], draft: Draft, *, stale: bool, late_status: bool
) -> None:
    """Remember in meta when the record and its status were last told of, so that an older message cannot undo them."""
    if draft.type in _PERSONS and draft.sources:
        names = {source.partition("#")[0] for source in draft.sources}
        mark(body, TOLD_BY, {"valueString": " ".join(sorted(names | told_by(body)))})
    moment = draft.event_at
    if moment is None:
        return
    if not stale:
        mark_time(body, moment)
        nulls.note(body, draft, _choice, _GROUPS)
    told = told_at(body, STATUS_TIME)
    if draft.type in _BY_EVENTS and (late_status or (not stale and ("status" in draft.body or told is None))):
        unsaid = (told_at(present) or moment) if present and draft.type in ORDERS else BEFORE_ALL
        mark_time(body, moment if "status" in draft.body else unsaid, STATUS_TIME)


def told_by(body: dict[str, Any]) -> set[str]:
    """The segments that told of a person; empty for records that say nothing of it."""
    for extension in body.get("meta", {}).get("extension", ()):
        if extension.get("url") == TOLD_BY:
            return set(str(extension.get("valueString", "")).split())
    return set()
