"""Who is not told of: test patients, a person who said no, and records under a seal the tenant withholds."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from canonical.identity import fold
from canonical.names import whole
from hub.records.reading import bodies, literal, referring
from hub.rnds.settings import Settings
from hub.store.database import Transaction

TEST = "HTEST"  # v3-ActReason: test health data
UNIDENTIFIED = "BRIndividuoNaoIdentificado-1.0"
CONSENT = ("urn:ponte:codes:consent", "rnds")


async def reason(tx: Transaction, settings: Settings, scope: Mapping[str, Any], now: datetime.datetime) -> str:
    """Why a document is not sent, as the code of a finding; empty when it may be."""
    patient, subject = scope["patient"], scope["subject"]
    if is_test(settings, patient):
        return "rnds.skipped.test-patient"
    visit = literal(subject.get("encounter"))
    around = [subject, patient, *((await bodies(tx, [visit])).values() if visit else ())]
    if any(set(settings.withhold) & _labels(body) for body in around):
        return "rnds.skipped.withheld"
    return await _consent(tx, settings, patient, now)


def is_test(settings: Settings, patient: Mapping[str, Any]) -> bool:
    """Whether a patient is one of the tenant's trials: so labelled, or by the names and numbers the settings list."""
    meta = patient.get("meta") or {}
    if any(label.get("code") == TEST for name in ("tag", "security") for label in meta.get(name, ())):
        return True
    if called(patient, settings.test_patients.get("names", ())):
        return True
    numbers = {f"{one.get('system', '')}|{one.get('value', '')}" for one in patient.get("identifier", ())}
    listed = settings.test_patients.get("identifiers", ())
    return any(fnmatchcase(number, wanted) for number in numbers for wanted in listed)


def called(patient: Mapping[str, Any], patterns: Iterable[str]) -> bool:
    """Whether one of a patient's names is like one of the patterns (`*`, `?`; case and accents do not count)."""
    names = [fold(whole(name)) for name in patient.get("name", ())]
    return any(fnmatchcase(name, fold(wanted)) for name in names for wanted in patterns)


def unidentified(settings: Settings, patient: Mapping[str, Any]) -> dict[str, Any]:
    """What a document tells of a person who could not be identified: `gender`, `birthYear`, `reason`; else nothing.

    The record says so by BRIndividuoNaoIdentificado-1.0, or the person is called as the settings list.
    """
    own: dict[str, Any] = {"gender": patient.get("gender"), "birthYear": patient.get("birthDate")}
    for stated in patient.get("extension", ()):
        if str(stated.get("url", "")).rpartition("/")[2] == UNIDENTIFIED:
            said = {one.get("url"): _value(one) for one in stated.get("extension", ())}
            return {**own, **{name: said[name] for name in ("gender", "birthYear", "reason") if said.get(name)}}
    if settings.unidentified and called(patient, settings.unidentified["names"]):
        return {**own, "reason": settings.unidentified["reason"]}
    return {}


def _value(extension: Mapping[str, Any]) -> Any:
    return next((value for name, value in extension.items() if name.startswith("value")), None)


def _labels(body: Mapping[str, Any]) -> set[str]:
    return {str(one.get("code")) for one in (body.get("meta") or {}).get("security", ())}


async def _consent(tx: Transaction, settings: Settings, patient: Mapping[str, Any], now: datetime.datetime) -> str:
    """`opt-out`: an active Consent on RNDS that denies forbids; `opt-in`: one that permits is needed."""
    if settings.consent == "ignore":
        return ""
    found = await referring(tx, "Consent", "patient", f"Patient/{patient.get('id')}")
    said = [str((one.get("provision") or {}).get("type", "permit")) for one in found if _counts(one, now)]
    if "deny" in said[-1:]:
        return "rnds.skipped.opt-out"
    if settings.consent == "opt-in" and "permit" not in said[-1:]:
        return "rnds.skipped.no-consent"
    return ""


def _counts(consent: Mapping[str, Any], now: datetime.datetime) -> bool:
    """Whether a Consent is active now and speaks of RNDS (category `urn:ponte:codes:consent|rnds`)."""
    named = {
        (c.get("system"), c.get("code")) for category in consent.get("category", ()) for c in category.get("coding", ())
    }
    period = (consent.get("provision") or {}).get("period") or {}
    day = now.date().isoformat()
    within = str(period.get("start", ""))[:10] <= day <= (str(period.get("end", ""))[:10] or "9999")
    return consent.get("status") == "active" and CONSENT in named and within
