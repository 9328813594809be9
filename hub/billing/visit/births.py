"""Declarations of birth and death for the resumo de internação, told of the stay, the patient or her newborns.

A newborn is a Patient whose mother (RelatedPerson MTH) has a number of the inpatient, born during the stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from canonical import local
from canonical.codes import LOINC
from canonical.extensions import EXTENSIONS
from fhir import jsontext
from hub.billing.visit.stays import cids
from hub.billing.writing import Body, stored
from hub.records.index import key_of
from hub.records.projections import target
from hub.store.database import Transaction
from mappings.tables.table import codes

Declaration = dict[str, str]
Papers = dict[str, list[Declaration]]
_CAUSE = "69453-9"  # LOINC: cause of death
_CHILDREN = """
SELECT p.patient_id AS mother, r.body
FROM (SELECT patient_id, system, value FROM patient_identifier
      WHERE tenant_id = $1 AND patient_id = ANY($3::text[]) OFFSET 0) p
CROSS JOIN LATERAL (SELECT rid FROM idx_token WHERE tenant_id = $1 AND key = $2 AND code = p.value
                    AND (system || '') = p.system OFFSET 0) t
CROSS JOIN LATERAL (SELECT body FROM resource WHERE tenant_id = $1 AND rid = t.rid AND NOT deleted OFFSET 0) r
ORDER BY t.rid
"""
_CAUSES = """
SELECT x.patient_id, r.body FROM result x
JOIN resource r ON r.tenant_id = $1 AND r.type = 'Observation' AND r.id = x.id AND NOT r.deleted
WHERE x.tenant_id = $1 AND x.patient_id = ANY($2::text[]) AND x.code = $3 ORDER BY x.issued_at NULLS FIRST, x.id
"""
_MOST = 8


async def papers(tx: Transaction, stays: Mapping[str, Body], zone: str) -> Papers:
    """The declarations of stays (Encounters by id), by encounter; a birth is in a stay by the days of `zone`."""
    patients = {i: target(body.get("subject"), "Patient") or "" for i, body in stays.items()}
    mothers = sorted({patient for patient in patients.values() if patient})
    if not mothers:
        return {}
    children: dict[str, list[str]] = {}
    for row in await tx.rows(_CHILDREN, key_of("RelatedPerson", "identifier"), mothers):
        related = jsontext.stored(row["body"])
        child = target(related.get("patient"), "Patient")
        if child and _is_mother(related):
            children.setdefault(row["mother"], []).append(child)
    people = await stored(tx, "Patient", [*mothers, *(one for found in children.values() for one in found)])
    causes = await _causes(tx, sorted(people))
    found = {}
    for encounter, patient in patients.items():
        born = _born_in(stays[encounter], children.get(patient, ()), people, zone)
        found[encounter] = list(_of(stays[encounter], born, patient, people, causes))
    return {encounter: told[:_MOST] for encounter, told in found.items() if told}


async def _causes(tx: Transaction, patients: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for row in await tx.rows(_CAUSES, patients, _CAUSE):
        body = jsontext.stored(row["body"])
        codings = body["code"].get("coding", ())
        told = cids(body.get("valueCodeableConcept", {}).get("coding", ()))
        if told and any(coding.get("system") == LOINC for coding in codings):
            found[row["patient_id"]] = told[0]
    return found


def _born_in(stay: Body, children: Iterable[str], people: Mapping[str, Body], zone: str) -> list[str]:
    """Those of a mother's children who were born during a stay."""
    period = stay.get("period", {})
    first, last = (local.moment(period.get(name), zone).date for name in ("start", "end"))
    born = {child: str(people.get(child, {}).get("birthDate", "")) for child in dict.fromkeys(children)}
    return [child for child, on in born.items() if first <= on <= (last or "9999")]


def _of(
    stay: Body, born: Iterable[str], patient: str, people: Mapping[str, Body], causes: Mapping[str, str]
) -> Iterator[Declaration]:
    told: dict[str, None] = dict.fromkeys(_extended(stay, "birth-declaration"))
    deaths: list[Declaration] = []
    for child in born:
        body = people.get(child, {})
        told |= dict.fromkeys(_numbers(body, "born"))
        deaths += [_death(number, causes.get(child, "")) | {"newborn": "S"} for number in _numbers(body, "death")]
    yield from ({"born": number} for number in told)
    yield from deaths
    own = dict.fromkeys([*_extended(stay, "death-declaration"), *_numbers(people.get(patient, {}), "death")])
    yield from (_death(number, causes.get(patient, "")) for number in own)


def _death(number: str, cause: str) -> Declaration:
    return {"death": number, **({"cause": cause} if cause else {})}


def _extended(body: Body, name: str) -> list[str]:
    found = [e.get("valueString", "") for e in body.get("extension", ()) if e.get("url") == EXTENSIONS[name]]
    return [text for text in found if text]


def _numbers(patient: Body, kind: str) -> list[str]:
    """The patient's certificate numbers of a kind (`born`, `death`), by identifier type (HL7 0203)."""
    known = codes("tiss-declaracao")
    return [
        str(identifier["value"])
        for identifier in patient.get("identifier", ())
        if identifier.get("value")
        and any(known.get(str(c.get("code", ""))) == kind for c in identifier.get("type", {}).get("coding", ()))
    ]


def _is_mother(related: Mapping[str, Any]) -> bool:
    return any(c.get("code") == "MTH" for kind in related.get("relationship", ()) for c in kind.get("coding", ()))
