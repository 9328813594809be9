"""The import job: each line of its input is one record, validated and written by the hub's one write path.

Records keep their ids; one without gets an id of its place in the input, so that doing a piece twice adds nothing.
References need no order: those by id are stored as they are, those by a condition wait until all else is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from canonical.errors import Conflict, NotFound, Refused
from canonical.identity import record_id
from canonical.problem import Problem
from canonical.records import Key
from fhir import jsontext, links
from fhir.definitions.table import resource_types
from fhir.outcome import outcome
from hub.bulk import desk, pieces, run
from hub.bulk.pieces import File
from hub.bulk.run import Run
from hub.exchange import handlers
from hub.guard import scopes
from hub.records import custom
from hub.records.requests.acting import Actor
from hub.records.requests.bundle import transact
from hub.records.requests.entry import Entry, Failed, is_id, problems_of
from hub.world import Tenant, World

LINE = "urn:ponte:import:line"
FILE = "urn:ponte:import:file"
BATCH = 100
_TRIES = 3
Finding = tuple[int, list[Problem]]


@handlers.job(desk.IMPORT)
async def job(world: World, tenant: Tenant, arguments: dict[str, Any]) -> str:
    """Run the import named by `id`."""
    return await run.carry_out(world, tenant, arguments, bring_in)


async def bring_in(at: Run) -> None:
    """Write all records of an import, from where it stands; raises Stopped, TryLater."""
    await run.settled(at, wait=False)
    at.progress.setdefault("place", [0, 0, 1])
    at.progress.setdefault("round", 1)
    async with at.world.transaction(at.tenant) as tx:
        files = [file for file in await pieces.files(tx, at.job.id) if file.kind == "input"]
    at.progress["last_file"] = max([at.progress.get("last_file", 0), *(file.number for file in files)])
    while at.progress["round"] <= 2:
        while at.progress["place"][0] < len(files):
            await _piece(at, files[at.progress["place"][0]])
        again = at.progress["round"] == 1 and at.progress.get("waiting", 0) > 0
        at.progress.update(place=[0, 0, 1], round=2 if again else 3)
    async with at.world.transaction(at.tenant) as tx:
        await at.close(tx, "DONE")


async def _piece(at: Run, file: File) -> None:
    """One piece of a file: its records, then the step that remembers it with what was wrong."""
    index, position, line = at.progress["place"]
    try:
        plain = await pieces.piece(at.world, at.tenant, at.job.id, (file.number, position))
    except NotFound:
        raise run.Stopped from None
    lines = plain.removesuffix(b"\n").split(b"\n")
    batch = _Batch(at, file)
    for number, raw in enumerate(lines, start=line):
        if raw.strip():
            await batch.take(number, raw)
    await batch.flush()
    made = (
        await at.sealed("error", "OperationOutcome", [_told(file, f) for f in batch.findings])
        if batch.findings
        else None
    )
    at.records += batch.written
    at.progress["waiting"] = at.progress.get("waiting", 0) + batch.waiting
    at.progress["place"] = [index, position + 1, line + len(lines)] if position + 1 < file.pieces else [index + 1, 0, 1]
    async with at.world.transaction(at.tenant) as tx:
        await at.write(tx, [made] if made else [])


def _told(file: File, finding: Finding) -> str:
    """What is wrong with a line, as an OperationOutcome that names it."""
    line, problems = finding
    places = [{"url": FILE, "valueInteger": file.number}, {"url": LINE, "valueInteger": line}]
    return jsontext.text({**outcome(problems[:20]), "extension": places})


class _Batch:
    """Lines on their way to the write path, up to BATCH of them together."""

    def __init__(self, at: Run, file: File) -> None:
        held = frozenset(str(scope) for scope in at.job.request["scopes"])
        self.at = at
        self.file = file
        self.actor = Actor(
            tenant=at.tenant, subject=at.job.owner, permits=lambda kind, action: scopes.permits(held, kind, action)
        )
        self.entries: dict[tuple[str, str], Entry] = {}
        self.findings: list[Finding] = []
        self.written = self.waiting = 0

    async def take(self, line: int, raw: bytes) -> None:
        """One line; a second one of the same record waits for the first."""
        found = self._entry(line, raw)
        if isinstance(found, Problem):
            self._note(line, [found])
            return
        conditional = found.resource is not None and _is_conditional(found.resource)
        if conditional != (self.at.progress["round"] == 2):
            self.waiting += conditional
            return
        place = (found.type_name, found.id)
        if place in self.entries or len(self.entries) >= BATCH:
            await self.flush()
        self.entries[place] = found

    def _note(self, line: int, problems: Sequence[Problem]) -> None:
        """Findings are told once, in the round in which a line is written."""
        if problems and (self.at.progress["round"] == 1 or line in {e.position for e in self.entries.values()}):
            self.findings.append((line, list(problems)))

    def _entry(self, line: int, raw: bytes) -> Entry | Problem:
        body = jsontext.parse(raw)
        if isinstance(body, Problem):
            return body
        kind = body.get("resourceType") if isinstance(body, dict) else None
        if kind not in resource_types():
            return Problem("fhir.structure.resource-type", "$this.resourceType")
        if self.file.type not in ("mixed", kind):
            return Problem("fhir.bulk.other-type", "$this.resourceType", args=(("type", self.file.type),))
        stated = body.get("id")
        if stated is None:
            stated = record_id(kind, Key(f"import:{self.at.job.id}", f"{self.file.number}:{line}"))
        if not isinstance(stated, str) or not is_id(stated):
            return Problem("fhir.primitive", f"{kind}.id")
        resource = {**body, "id": stated}
        return Entry(position=line, method="PUT", type_name=kind, id=stated, resource=resource, alone=True)

    async def flush(self) -> None:
        """Write what was taken; what the write path refuses is told, the rest is written."""
        await custom.known(self.at.world, self.at.tenant)
        left = list(self.entries.values())
        for _ in range(_TRIES):
            if not left:
                break
            causes = await self._tried(left)
            if causes is None:
                left = []
                break
            for line, problems in causes.items():
                self._note(line, problems)
            left = [entry for entry in left if entry.position not in causes]
            if not causes:
                break
        for entry in left:  # a batch that meets one trouble after the other goes line by line
            for line, problems in (await self._tried([entry]) or {}).items():
                self._note(line, problems)
        self.entries = {}

    async def _tried(self, entries: Sequence[Entry]) -> dict[int, list[Problem]] | None:
        """None when all are written; else what is wrong, by line: nothing when it does not show which is meant."""
        try:
            done = await transact(self.at.world, self.actor, entries)
        except Failed as failed:
            return {line: problems_of(cause) for line, cause in failed.causes.items()}
        except (Conflict, Refused) as error:
            return {entries[0].position: [Problem(error.code, level="error")]} if len(entries) == 1 else {}
        self.written += len(done)
        return None


def _is_conditional(body: dict[str, Any]) -> bool:
    return any("?" in literal for literal in _literals(body))


def _literals(body: dict[str, Any]) -> Iterable[str]:
    return links.references(body, str(body["resourceType"]))
