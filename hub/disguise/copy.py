"""A copy of a tenant's records for tests: some patients with all of theirs, in disguise, as NDJSON for `$import`.

Raw messages, versions, the trail and what billing writes by itself are left out: they cannot be disguised field by
field with the same certainty, and an import refuses billing's records anyway. Each line is looked through before it is
written: one that would still name somebody is withheld and counted.
"""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from canonical.errors import NotFound
from canonical.problem import blocking
from fhir import jsontext
from fhir.links import references
from fhir.validation.validator import validate
from hub.bulk.wanted import SUPPORTING
from hub.disguise.canaries import Canaries
from hub.disguise.people import Invented
from hub.disguise.records import Disguise
from hub.ending import sealed_file
from hub.guard import audit
from hub.operate.persons import subject
from hub.records import blocked, owned
from hub.store.database import Transaction
from hub.world import Tenant, World

MOST_PATIENTS = 10_000
_AT_ONCE = 200
_LEFT_OUT = frozenset(("AuditEvent", "Binary", "Endpoint", "Provenance", "Subscription")) | owned.TYPES
_PERSONS = frozenset(("Patient", "Person", "Practitioner", "RelatedPerson"))
_STEPS = 3
Place = tuple[str, str]
_WORDS = """Cópia de registros para testes, sob disfarce

*.ndjson         registros FHIR R4 de pessoas inventadas, um por linha, um arquivo por tipo
manifesto.json   quantos de cada tipo e o que ficou de fora

Nomes, números, ids e datas foram trocados; textos livres, telefones, ruas e anexos retirados. A chave da troca não
existe mais. Os fatos clínicos são os de pessoas reais: quem os conhece pode reconhecê-las. Não é dado público; use só
em testes.
"""


@dataclass(slots=True, kw_only=True)
class Copied:
    """What a copy holds: patients, records by type, and by type how many were left out.

    `invalid` are no valid records any more without what went; `withheld` would still have named somebody.
    """

    patients: int
    records: Counter[str] = field(default_factory=Counter)
    invalid: Counter[str] = field(default_factory=Counter)
    withheld: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        """One JSON object."""
        return {
            "patients": self.patients,
            "records": dict(sorted(self.records.items())),
            "invalid": dict(sorted(self.invalid.items())),
            "withheld": dict(sorted(self.withheld.items())),
            "left_out": ["messages", "versions", "audit trail", *sorted(_LEFT_OUT)],
        }


async def copy(world: World, tenant: Tenant, target: Path, patients: int, *, actor: str) -> Copied:
    """Write the disguised records of so many patients, drawn by lot, into a new ZIP. Audited. Raises NotFound."""
    async with world.transaction(tenant, wide=True) as tx:
        owners = await _gathered(tx, await _drawn(tx, min(patients, MOST_PATIENTS)))
        canaries = await _watched(tx, owners)
        done = Copied(patients=sum(1 for kind, _ in owners if kind == "Patient"))
        with sealed_file.opened(target) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("LEIA-ME.txt", _WORDS)
            invented = Invented(canaries.numbers)
            for kind in sorted({kind for kind, _ in owners}):
                await _written(tx, archive, (kind, owners, invented, canaries), done)
            archive.writestr("manifesto.json", json.dumps(done.as_json(), ensure_ascii=False, indent=1))
        counts = {"patients": done.patients, "records": done.records.total()}
        await audit.note(tx, actor, "tenant-copy", f"tenant/{tenant.slug}", detail=counts)
    return done


async def _drawn(tx: Transaction, count: int) -> list[str]:
    """Patients by lot; blocked ones are left out."""
    rows = await tx.rows(
        "SELECT id FROM resource WHERE tenant_id = $1 AND type = 'Patient' AND NOT deleted AND id <> ALL ($3::text[]) "
        "ORDER BY md5(id || gen_random_uuid()::text) LIMIT $2",
        count,
        list(await blocked.within(tx)),
    )
    if not rows:
        raise NotFound("there are no patients to copy", code="tenant.no-patients")
    return [row["id"] for row in rows]


async def _gathered(tx: Transaction, patients: Sequence[str]) -> dict[Place, str]:
    """The records of the copy, each with the person whose dates it moves with (empty: of none)."""
    owners: dict[Place, str] = {("Patient", patient): f"Patient/{patient}" for patient in patients}
    for patient in patients:
        for kind, identity in await subject.records_of(tx, [patient]):
            if kind not in _LEFT_OUT and kind != "Patient":
                owners.setdefault((kind, identity), f"Patient/{patient}")
    fresh: Sequence[Place] = list(owners)
    for _ in range(_STEPS):  # what they name, and what that names
        fresh = [place for place in await _named(tx, fresh) if place not in owners]
        owners |= {(kind, one): f"{kind}/{one}" if kind in _PERSONS else "" for kind, one in fresh}
    return owners


async def _named(tx: Transaction, places: Sequence[Place]) -> list[Place]:
    """The supporting records that records refer to."""
    found: dict[Place, None] = {}
    async for _, _, body in _bodies(tx, places):
        for text in references(body, str(body["resourceType"])):
            kind, _, rest = text.partition("/")
            if kind in SUPPORTING and kind not in _LEFT_OUT and rest:
                found[kind, rest.partition("/")[0]] = None
    return list(found)


async def _watched(tx: Transaction, owners: dict[Place, str]) -> Canaries:
    canaries = Canaries()
    async for kind, _, body in _bodies(tx, [place for place, person in owners.items() if person]):
        if kind in _PERSONS or kind == "Coverage":
            canaries.watch(body)
    return canaries


Making = tuple[str, dict[Place, str], Invented, Canaries]


async def _written(tx: Transaction, archive: zipfile.ZipFile, making: Making, done: Copied) -> None:
    """One file of the copy."""
    kind, owners, invented, canaries = making
    with archive.open(f"{kind}.ndjson", "w", force_zip64=True) as file:
        async for _, identity, body in _bodies(tx, [place for place in owners if place[0] == kind]):
            disguise = Disguise(invented, owners[kind, identity], lambda *place: place in owners)
            made = disguise.record(body)
            if blocking(validate(made)):
                done.invalid[kind] += 1
                continue
            line = jsontext.text(made)
            if canaries.found(line):
                done.withheld[kind] += 1
                continue
            file.write(line.encode() + b"\n")
            done.records[kind] += 1


async def _bodies(tx: Transaction, places: Iterable[Place]) -> AsyncIterator[tuple[str, str, dict[str, Any]]]:
    """Type, id and body of those that are there, some at a time."""
    waiting = list(places)
    for start in range(0, len(waiting), _AT_ONCE):
        piece = waiting[start : start + _AT_ONCE]
        rows = await tx.rows(
            "SELECT r.type, r.id, r.body FROM unnest($2::text[], $3::text[]) AS k(type, id) "
            "JOIN resource r ON r.tenant_id = $1 AND r.type = k.type AND r.id = k.id WHERE NOT r.deleted",
            [kind for kind, _ in piece],
            [identity for _, identity in piece],
        )
        for row in rows:
            yield row["type"], row["id"], jsontext.stored(row["body"])
