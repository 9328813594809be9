"""The records a document is made of, found from its subject: the scope that the plans' tables read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from canonical import codes, identifiers
from canonical.errors import NotFound
from hub.records.reading import MOST, Body, bodies, literal, referring
from hub.rnds import certificates, filters, prescriptions
from hub.rnds.settings import Settings
from hub.store.database import Transaction

_VITAL = "vital-signs"


def patient_of(body: Mapping[str, Any]) -> str:
    """`Patient/id` of a record: its subject, its patient, or the patient among an appointment's participants."""
    found = literal(body.get("subject")) or literal(body.get("patient"))
    actors = [literal(one.get("actor")) for one in body.get("participant", ()) if isinstance(one, Mapping)]
    return next((name for name in (found, *actors) if name.startswith("Patient/")), "")


async def gather(tx: Transaction, settings: Settings, kind: str, subject: str) -> dict[str, Any]:
    """The scope of a document; raises NotFound when its subject is gone."""
    body = (await bodies(tx, [subject])).get(subject)
    if body is None:
        raise NotFound("the record is not there any more")
    patient = patient_of(body)
    person = (await bodies(tx, [patient])).get(patient, {})
    scope: dict[str, Any] = {
        "subject": body,
        "patient": person,
        "unidentified": filters.unidentified(settings, person),
        "establishment": {"cnes": settings.cnes},
        "settings": dict(settings.of(kind).settings),
    }
    return {**scope, **await _GATHERERS[kind](tx, settings, body, dict(settings.of(kind).settings))}


async def _report(tx: Transaction, settings: Settings, body: Body, own: dict[str, str]) -> dict[str, Any]:
    """REL: results with a value (members of a panel too), their specimens, and what the suspicion was."""
    found = await bodies(tx, [literal(one) for one in body.get("result", ())])
    members = [literal(one) for result in found.values() for one in result.get("hasMember", ())]
    found |= await bodies(tx, [name for name in members if name not in found])
    order = [*(literal(one) for one in body.get("result", ())), *members]
    results = [found[name] for name in dict.fromkeys(order) if name in found and not found[name].get("hasMember")]
    results = [one for one in results if one.get("status") not in ("cancelled", "entered-in-error")]
    names = [literal(one.get("specimen")) for one in results] + [literal(one) for one in body.get("specimen", ())]
    specimens = await bodies(tx, [name for name in names if name])
    used = [name for name in dict.fromkeys(names) if name in specimens]
    direct = {literal(one.get("specimen")) for one in results}
    fallback = next((literal(one) for one in body.get("specimen", ()) if literal(one) in specimens), "")
    wanted = {name for name in used if name in direct} | ({fallback} if "" in direct and fallback else set())
    return {
        "report": body,
        "results": results,
        "specimens": [specimens[name] for name in used if name in wanted],
        "suspicion": await _suspicion(tx, body, own),
    }


async def _suspicion(tx: Transaction, body: Body, own: dict[str, str]) -> dict[str, Any]:
    """The condition under investigation: of the report, of its order, of the visit, else the settings' default."""
    orders = await bodies(tx, [literal(one) for one in body.get("basedOn", ())])
    concepts = [*body.get("conclusionCode", ())]
    concepts += [reason for order in orders.values() for reason in order.get("reasonCode", ())]
    reasons = [literal(one) for order in orders.values() for one in order.get("reasonReference", ())]
    concepts += [one.get("code", {}) for one in (await bodies(tx, reasons)).values()]
    visit = literal(body.get("encounter"))
    if visit and not concepts:
        concepts += [one.get("code", {}) for one in await _conditions(tx, visit, {})]
    known_as = codes.aliases(codes.CID10)
    coded = [c for c in concepts if any(one.get("system") in known_as for one in c.get("coding", ()))]
    found = (coded or concepts or ([_cid(own["suspicion"])] if own.get("suspicion") else [None]))[0]
    return {"code": found} if found else {}


def _cid(code: str) -> Body:
    return {"coding": [{"system": codes.CID10, "code": code}]}


async def _dose(tx: Transaction, settings: Settings, body: Body, own: dict[str, str]) -> dict[str, Any]:
    """RIA and RIA-C: the dose, given here or transcribed, its group, strategy and indication."""
    transcribed = body.get("primarySource") is False
    protocol = [extension for one in body.get("protocolApplied", ()) for extension in one.get("extension", ())]
    extensions = [*body.get("extension", ()), *protocol]
    reasons = [c for c in body.get("reasonCode", ()) if _has_cid(c)]
    reasons += [
        c.get("code", {}) for c in (await bodies(tx, [literal(r) for r in body.get("reasonReference", ())])).values()
    ]
    indications = [
        {"resourceType": "Condition", "id": f"{body.get('id')}-{n}", "code": concept}
        for n, concept in enumerate(reasons[:1], start=1)
    ]
    return {
        "administered": [] if transcribed else [body],
        "transcribed": [body] if transcribed else [],
        "vaccination": {
            name: [*_named(extensions, url), *([own[name]] if own.get(name) else [])]
            for name, url in (
                ("group", "BRGrupoAtendimento"),
                ("maternal", "BRCondicaoMaternal"),
                ("strategy", "BREstrategiaVacinacao-1.0"),
            )
        },
        "indications": indications,
    }


def _named(extensions: Sequence[Mapping[str, Any]], name: str) -> list[Mapping[str, Any]]:
    return [one for one in extensions if str(one.get("url", "")).rpartition("/")[2] == name]


def _has_cid(concept: Mapping[str, Any]) -> bool:
    known_as = codes.aliases(codes.CID10)
    return any(one.get("system") in known_as for one in concept.get("coding", ()))


async def _attendance(tx: Transaction, settings: Settings, body: Body, own: dict[str, str]) -> dict[str, Any]:
    """RAC: the visit with all that was prescribed in it, and its sick notes."""
    visit = f"Encounter/{body.get('id')}"
    prescribed = await prescriptions.of_visit(tx, visit, leaving=False)
    notes = await certificates.of_visit(tx, await referring(tx, "CarePlan", "encounter", visit))
    return {**await _visit(tx, body), **prescribed, **notes}


async def _stay(tx: Transaction, settings: Settings, body: Body, own: dict[str, str]) -> dict[str, Any]:
    """Discharge summary: the stay with what was prescribed for the time after it."""
    leaving = own.get("prescriptions") != "all"
    return {
        **await _visit(tx, body),
        **await prescriptions.of_visit(tx, f"Encounter/{body.get('id')}", leaving=leaving),
    }


async def _visit(tx: Transaction, body: Body) -> dict[str, Any]:
    """The visit with its diagnoses, procedures, measures, allergies and texts."""
    visit, patient = f"Encounter/{body.get('id')}", patient_of(body)
    procedures = [
        one for one in await referring(tx, "Procedure", "encounter", visit) if one.get("status") == "completed"
    ]
    measures = [one for one in await referring(tx, "Observation", "encounter", visit) if _is_vital(one)]
    allergies = await referring(tx, "AllergyIntolerance", "patient", patient) if patient else []
    impressions = await referring(tx, "ClinicalImpression", "encounter", visit)
    plans = [one for one in await referring(tx, "CarePlan", "encounter", visit) if not certificates.is_one(one)]
    return {
        "encounter": body,
        "conditions": await _conditions(tx, visit, body),
        "procedures": once_a_day(procedures),
        "measures": measures,
        "allergies": [one for one in allergies if _holds(one)],
        "evolutions": [one for one in impressions if one.get("summary") and one.get("status") == "completed"][-1:],
        "care_plans": [one for one in plans if one.get("description") and one.get("status") != "entered-in-error"][-1:],
    }


def once_a_day(procedures: Sequence[Body]) -> list[Body]:
    """The same procedure done several times on one date is one, with its `quantity` (ERR789)."""
    found: dict[tuple[str, ...], Body] = {}
    for one in procedures:
        when = str(one.get("performedDateTime") or (one.get("performedPeriod") or {}).get("start") or "")[:10]
        said = sorted(f"{c.get('system')}|{c.get('code')}" for c in one.get("code", {}).get("coding", ()))
        key = (when, *said) if said else (str(one.get("id")),)
        before = found.setdefault(key, {**one, "quantity": 0})
        before["quantity"] += 1
    return list(found.values())


def _is_vital(body: Mapping[str, Any]) -> bool:
    found = {c.get("code") for category in body.get("category", ()) for c in category.get("coding", ())}
    return _VITAL in found and body.get("status") in ("final", "amended", "corrected") and "valueQuantity" in body


def _holds(allergy: Mapping[str, Any]) -> bool:
    """An allergy that is neither refuted nor entered by mistake."""
    found = {c.get("code") for c in (allergy.get("verificationStatus") or {}).get("coding", ())}
    return not found & {"refuted", "entered-in-error"}


async def _conditions(tx: Transaction, visit: str, body: Mapping[str, Any]) -> list[Body]:
    """The visit's diagnoses, the principal one first: by rank, then final before provisional, as they came."""
    found = {f"Condition/{one['id']}": one for one in await referring(tx, "Condition", "encounter", visit)}
    ranks = {literal(one.get("condition")): one.get("rank", MOST) for one in body.get("diagnosis", ())}
    missing = [name for name in ranks if name.startswith("Condition/") and name not in found]
    found |= await bodies(tx, missing)
    kept = {name: one for name, one in found.items() if "entered-in-error" not in _verification(one)}
    ordered = sorted(
        kept, key=lambda name: (int(str(ranks.get(name, MOST))), "confirmed" not in _verification(kept[name]))
    )
    seen: dict[str, Body] = {}
    for name in ordered:  # the same diagnosis at admission and at discharge is one (ERR787)
        code = next(
            (identifiers.compact(c.get("code", "")) for c in kept[name].get("code", {}).get("coding", ())), name
        )
        seen.setdefault(code, kept[name])
    return list(seen.values())


def _verification(body: Mapping[str, Any]) -> set[str]:
    return {str(c.get("code")) for c in (body.get("verificationStatus") or {}).get("coding", ())}


async def _regulation(tx: Transaction, settings: Settings, body: Body, own: dict[str, str]) -> dict[str, Any]:
    """RIRA: the appointment, the request it answers and the request's reason."""
    orders = await bodies(tx, [literal(one) for one in body.get("basedOn", ())])
    request = next((one for one in orders.values() if one.get("resourceType") == "ServiceRequest"), {})
    reasons = [c for c in (*request.get("reasonCode", ()), *body.get("reasonCode", ())) if _has_cid(c)]
    given = await bodies(tx, [literal(r) for r in request.get("reasonReference", ())])
    reasons += [one.get("code", {}) for one in given.values()]
    done = body.get("status") in ("fulfilled", "noshow")
    settled = done or body.get("status") in ("booked", "arrived", "checked-in")
    return {
        "appointment": body,
        "request": request,
        "indications": [
            {"resourceType": "Condition", "id": f"{request.get('id')}-1", "code": concept} for concept in reasons[:1]
        ],
        "performer": {"cnes": own.get("performer", settings.cnes)} if settled else {},
        "requester": {"cnes": own.get("requester", settings.cnes)},
        "performed": body.get("start", "") if done else "",
    }


_GATHERERS: dict[str, Callable[[Transaction, Settings, Body, dict[str, str]], Awaitable[dict[str, Any]]]] = {
    "REL": _report,
    "RIA": _dose,
    "RIAC": _dose,
    "RAC": _attendance,
    "SA": _stay,
    "RIRA": _regulation,
}
