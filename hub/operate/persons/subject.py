"""One person's data for that person (LGPD art. 9, 18, 19): all records, their messages, who saw them, who got them.

The person is named by number (CPF, CNS, the house's own) or record id; merged records are one person. What is told is
all of this tenant and nothing of another. Making it is an act of its own in the audit trail.
"""

from __future__ import annotations

import csv
import io
import json
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from uuid import UUID

from canonical.errors import Misconfigured, NotFound, Refused
from hub.ending.export import one_line
from hub.find.sight import of_patients
from hub.guard import audit
from hub.records.index import key_of
from hub.store.database import Row, Transaction
from hub.world import Tenant, World

MOST_RECORDS = 100_000
MOST_BYTES = 64 * 1024 * 1024
"""Of a copy that is made in memory; a larger one is made by command."""
_AT_ONCE = 500
_SUFFIX = {"hl7": "hl7", "tiss": "xml", "fhir": "json"}
_WORDS = """Dados de uma pessoa, reunidos pelo hub Ponte (LGPD, arts. 9, 18 e 19)

registros.ndjson   os registros de hoje, um recurso FHIR R4 por linha
versoes.ndjson     todas as versões de cada registro, com a data e a mensagem que a fez
mensagens/         as mensagens recebidas de que os registros foram feitos, byte a byte
acessos.csv        quem leu, escreveu ou pesquisou cada registro, quando e com que resultado
envios.csv         o que foi enviado sobre a pessoa, a quem e quando
guias.csv          as guias de cobrança: operadora, número, situação, lote

Contém dados pessoais sensíveis: entregue só à pessoa, por meio seguro, e apague a cópia.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """How much was gathered: patients' ids (merged ones included) and rows of each file."""

    patients: tuple[str, ...]
    files: dict[str, int]

    def as_json(self) -> dict[str, Any]:
        """One JSON object."""
        return {"patients": list(self.patients), "files": self.files}


async def patients_of(tx: Transaction, named: str) -> list[str]:
    """The ids of a person's patient records: by `Patient/id` or a number they hold, with those merged with them."""
    if named.startswith("Patient/"):
        rows = await tx.rows(
            "SELECT id FROM resource_version WHERE tenant_id = $1 AND type = 'Patient' AND id = $2 LIMIT 1",
            named.removeprefix("Patient/"),
        )
    else:
        rows = await tx.rows(
            "SELECT DISTINCT patient_id AS id FROM patient_identifier WHERE tenant_id = $1 AND value = $2 ORDER BY 1",
            named,
        )
    if not rows:
        raise NotFound("nobody here has that number or id", code="person.unknown")
    return await _merged(tx, [row["id"] for row in rows])


async def export(world: World, tenant: Tenant, named: str, target: Path, *, actor: str) -> Gathered:
    """Write all data about a person into a new ZIP that only its maker can read; raises NotFound, Misconfigured."""
    async with world.transaction(tenant, wide=True) as tx:
        patients = await patients_of(tx, named)
        try:
            descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise Misconfigured(f"cannot write {target}: {error.strerror}") from None
        with os.fdopen(descriptor, "wb") as file:
            return await _gather(tx, patients, file, actor)


async def exported(world: World, tenant: Tenant, named: str, *, actor: str) -> bytes:
    """The same ZIP, made in memory and never in a file of the hub's; raises NotFound, and Refused beyond MOST_BYTES."""
    async with world.transaction(tenant, wide=True) as tx:
        file = _Bounded()
        await _gather(tx, await patients_of(tx, named), file, actor)
        return file.getvalue()


class _Bounded(io.BytesIO):
    """A file in memory that takes no more than MOST_BYTES."""

    def write(self, data: Any, /) -> int:
        if self.tell() + len(data) > MOST_BYTES:
            raise Refused("the copy is too large to be made in memory", code="person.too-large")
        return super().write(data)


async def _gather(tx: Transaction, patients: Sequence[str], file: IO[bytes], actor: str) -> Gathered:
    records = await records_of(tx, patients)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("LEIA-ME.txt", _WORDS)
        files = {
            "registros.ndjson": await _bodies(tx, archive, records),
            **await _versions(tx, archive, records),
            "acessos.csv": await _accesses(tx, archive, records),
            "envios.csv": await _sent(tx, archive, records),
            "guias.csv": await _guides(tx, archive, patients),
        }
    for patient in patients:
        await audit.note(tx, actor, "person-export", f"Patient/{patient}", detail={"records": len(records)})
    return Gathered(patients=tuple(patients), files=files)


async def accesses(tx: Transaction, named: str) -> list[dict[str, Any]]:
    """Who read, wrote or searched the records of a person, newest first; raises NotFound."""
    found = await _events(tx, await records_of(tx, await patients_of(tx, named)))
    return [{**dict(row), "at": row["at"].isoformat()} for row in found]


async def _merged(tx: Transaction, ids: Sequence[str]) -> list[str]:
    """The ids, and every record merged into or from one of them, however long the chain."""
    rows = await tx.rows(
        "WITH RECURSIVE one(id) AS (SELECT unnest($2::text[]) UNION SELECT l.id FROM one CROSS JOIN LATERAL ("
        "SELECT survivor_id AS id FROM patient_link WHERE tenant_id = $1 AND loser_id = one.id UNION ALL "
        "SELECT loser_id FROM patient_link WHERE tenant_id = $1 AND survivor_id = one.id OFFSET 0) l"
        ") SELECT id FROM one ORDER BY id",
        list(ids),
    )
    return [row["id"] for row in rows]


async def records_of(tx: Transaction, patients: Sequence[str]) -> list[tuple[str, str]]:
    """The patients, what lies in their compartments (R4 §2.1.28) and what else names them, by type and id."""
    keys = [key_of(name, code) for name, codes in of_patients().items() for code in codes]
    rows = await tx.rows(
        "SELECT DISTINCT r.type, r.id FROM idx_reference x JOIN resource r ON r.tenant_id = $1 AND r.rid = x.rid "
        "WHERE x.tenant_id = $1 AND x.target_type = 'Patient' AND x.target_id = ANY($2::text[]) "
        "AND x.key = ANY($3::bigint[]) ORDER BY 1, 2 LIMIT $4",
        list(patients),
        keys,
        MOST_RECORDS,
    )
    own = [("Patient", patient) for patient in patients]
    return own + [found for row in rows if (found := (row["type"], row["id"])) not in own]


async def _bodies(tx: Transaction, archive: zipfile.ZipFile, records: Sequence[tuple[str, str]]) -> int:
    count = 0
    with archive.open("registros.ndjson", "w") as file:
        for piece in _pieces(records):
            rows = await tx.rows(
                "SELECT r.body FROM unnest($2::text[], $3::text[]) AS k(type, id) JOIN resource r ON r.tenant_id = $1 "
                "AND r.type = k.type AND r.id = k.id WHERE NOT r.deleted",
                *_columns(piece),
            )
            file.write(b"".join(one_line(row["body"]) + b"\n" for row in rows))
            count += len(rows)
    return count


async def _versions(tx: Transaction, archive: zipfile.ZipFile, records: Sequence[tuple[str, str]]) -> dict[str, int]:
    count, messages = 0, set[UUID]()
    with archive.open("versoes.ndjson", "w") as file:
        for piece in _pieces(records):
            rows = await tx.rows(
                "SELECT v.type, v.id, v.version, v.updated_at, v.deleted, v.body, v.message_id "
                "FROM unnest($2::text[], $3::text[]) AS k(type, id) JOIN resource_version v ON v.tenant_id = $1 "
                "AND v.type = k.type AND v.id = k.id ORDER BY v.type, v.id, v.version",
                *_columns(piece),
            )
            file.write(b"".join(_version(row) for row in rows))
            messages |= {row["message_id"] for row in rows if row["message_id"] is not None}
            count += len(rows)
    return {"versoes.ndjson": count, "mensagens/": await _messages(tx, archive, sorted(messages))}


def _version(row: Row) -> bytes:
    told = {name: row[name] for name in ("type", "id", "version", "deleted")}
    message = str(row["message_id"]) if row["message_id"] else None
    told |= {"updated_at": row["updated_at"].isoformat(), "message": message}
    return json.dumps(told)[:-1].encode() + b', "body": ' + one_line(row["body"] or "null") + b"}\n"


async def _messages(tx: Transaction, archive: zipfile.ZipFile, ids: Sequence[UUID]) -> int:
    count = 0
    for identity in ids:
        row = await tx.row(
            "SELECT format, content FROM message WHERE tenant_id = $1 AND id = $2 AND removed_at IS NULL", identity
        )
        if row is not None:
            count += 1
            archive.writestr(f"mensagens/{identity}.{_SUFFIX.get(row['format'], 'bin')}", bytes(row["content"]))
    return count


async def _events(tx: Transaction, records: Sequence[tuple[str, str]]) -> list[Row]:
    """Events on the records and on each of their versions, by the index of what events tell of."""
    found: list[Row] = []
    for piece in _pieces(records):
        found += await tx.rows(
            "WITH k AS (SELECT * FROM unnest($2::text[], $3::text[]) AS k(type, id)), places AS ("
            "SELECT type || '/' || id AS entity FROM k UNION SELECT v.type || '/' || v.id || '/_history/' || v.version "
            "FROM k JOIN resource_version v ON v.tenant_id = $1 AND v.type = k.type AND v.id = k.id) "
            "SELECT a.at, a.actor, coalesce(u.name, '') AS person, a.action, a.entity, a.outcome FROM places p "
            "JOIN audit_event a ON a.tenant_id = $1 AND a.entity = p.entity "
            "LEFT JOIN user_account u ON u.tenant_id = $1 AND a.actor = 'user:' || u.login",
            *_columns(piece),
        )
    return sorted(found, key=lambda row: row["at"], reverse=True)


async def _accesses(tx: Transaction, archive: zipfile.ZipFile, records: Sequence[tuple[str, str]]) -> int:
    return _sheet(
        archive, "acessos.csv", ("at", "actor", "person", "action", "entity", "outcome"), await _events(tx, records)
    )


async def _sent(tx: Transaction, archive: zipfile.ZipFile, records: Sequence[tuple[str, str]]) -> int:
    """Deliveries about one of the records: to whom, what for, when, with what end."""
    found: list[Row] = []
    for piece in _pieces(records):
        found += await tx.rows(
            "SELECT d.created_at, d.finished_at, p.kind, p.code, p.name, d.operation, x.subject, d.status FROM ("
            "SELECT id, subject FROM delivery WHERE tenant_id = $1 AND subject <> '' AND subject = ANY($2::text[]) "
            "UNION SELECT delivery_id, subject FROM delivery_subject WHERE tenant_id = $1 AND subject = ANY($2::text[])"
            ") x JOIN delivery d ON d.tenant_id = $1 AND d.id = x.id "
            "JOIN partner p ON p.tenant_id = $1 AND p.id = d.partner_id ORDER BY d.seq, x.subject",
            [f"{kind}/{identity}" for kind, identity in piece],
        )
    columns = ("created_at", "finished_at", "kind", "code", "name", "operation", "subject", "status")
    return _sheet(archive, "envios.csv", columns, found)


async def _guides(tx: Transaction, archive: zipfile.ZipFile, patients: Sequence[str]) -> int:
    rows = await tx.rows(
        "SELECT p.name AS payer, p.code AS ans, g.number, g.kind, g.status, g.executed_on, g.total_cents, "
        "b.number AS batch, b.status AS batch_status, b.updated_at AS batch_at "
        "FROM guide g JOIN partner p ON p.tenant_id = $1 AND p.id = g.payer_id "
        "LEFT JOIN batch b ON b.tenant_id = $1 AND b.id = g.batch_id "
        "WHERE g.tenant_id = $1 AND g.patient_id = ANY($2::text[]) ORDER BY g.created_at",
        list(patients),
    )
    columns = ("payer", "ans", "number", "kind", "status", "executed_on", "total_cents", "batch", "batch_status")
    return _sheet(archive, "guias.csv", (*columns, "batch_at"), rows)


def _sheet(archive: zipfile.ZipFile, name: str, columns: Sequence[str], rows: Sequence[Row]) -> int:
    """A table for a spreadsheet; a text that such a program would take for a formula gets a leading apostrophe."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row[column]) for column in columns])
    archive.writestr(name, "\ufeff" + text.getvalue())
    return len(rows)


def _cell(value: Any) -> str:
    text = "" if value is None else value.isoformat() if hasattr(value, "isoformat") else str(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t") else text


def _pieces(records: Sequence[tuple[str, str]]) -> list[Sequence[tuple[str, str]]]:
    return [records[start : start + _AT_ONCE] for start in range(0, len(records), _AT_ONCE)]


def _columns(piece: Sequence[tuple[str, str]]) -> tuple[list[str], list[str]]:
    return [kind for kind, _ in piece], [identity for _, identity in piece]
