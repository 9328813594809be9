"""documents to RNDS: `rnds settings | check | status | failures | people | send | resend | delete | look | read …`"""

from __future__ import annotations

import argparse
import asyncio
import json
import tomllib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from api import running
from api.cli import output
from canonical.errors import NotFound

if TYPE_CHECKING:
    from hub.rnds.rows import Document
    from hub.world import Tenant, World

Action = Callable[[argparse.Namespace, "World", "Tenant"], Awaitable[int]]
_FAILED = ("pendente", "recusado", "parado")


def arguments(parser: argparse.ArgumentParser) -> None:
    """One action; each reaches the running hub's database."""
    actions = parser.add_subparsers(dest="action", required=True)
    own = running.action(actions, "settings", "show the tenant's settings, or store those of a TOML or JSON file")
    own.add_argument("file", type=Path, nargs="?")
    running.action(actions, "check", "ask RNDS whether certificate, establishment and professional hold there")
    seen = running.action(actions, "look", "what RNDS has of a person, a professional or an establishment")
    seen.add_argument("what", choices=["patient", "professional", "establishment"])
    seen.add_argument("number", help="CNS or CPF, CNES or CNPJ")
    running.action(actions, "people", "patients whose documents wait for a CNS or CPF, with what is to be done")
    for name, text in (
        ("context", "open a context of care: a professional sees a patient here"),
        ("read", "a whole document of RNDS, within a context of care that is opened for it"),
    ):
        meeting = running.action(actions, name, text)
        if name == "read":
            meeting.add_argument("document", help="the document's id at RNDS")
        meeting.add_argument("patient", help="CNS or CPF")
        meeting.add_argument(
            "--professional", default="", help="CNS of who sees the patient; default: the settings' own"
        )
    status = running.action(actions, "status", "how many documents stand where; with a record, its documents")
    status.add_argument("subject", nargs="?", default="", help="DiagnosticReport/1")
    failures = running.action(actions, "failures", "documents that wait for a person, with what is to be done")
    failures.add_argument("--kind", default="", help="REL, RIA, RIAC, RAC, SA or RIRA")
    failures.add_argument("--code", default="", help="only those with this finding (rnds.individual)")
    for name, text in (("preview", "the document of a record as it would be sent"), ("send", "make it and queue it")):
        made = running.action(actions, name, text)
        made.add_argument("kind", help="REL, RIA, RIAC, RAC, SA or RIRA")
        made.add_argument("subject", help="the record it is made from: DiagnosticReport/1")
    again = running.action(actions, "resend", "make documents again and send them")
    again.add_argument("id", nargs="?", help="the document's id")
    again.add_argument(
        "--code", default="", help="all that were refused or wait with this code (rnds.configure.ERR881)"
    )
    for name, text in (
        ("delete", "ask RNDS to delete a document"),
        ("answer", "the last answer of RNDS: what it found, a line each, and the answer as it was kept"),
    ):
        running.action(actions, name, text).add_argument("id", help="the document's id")


def run(given: argparse.Namespace) -> int:
    """0 good; 1 the data is wrong or documents failed; 2 a file or an id cannot be read."""
    try:
        if getattr(given, "id", None):
            UUID(given.id)
        return asyncio.run(_with_hub(given))
    except OSError as error:
        output.complain(f"{error.filename}: {error.strerror}")
    except ValueError as error:
        wrong = getattr(given, "file", None) or getattr(given, "id", None) or given.action
        output.complain(f"{wrong}: {error}")
    return 2


async def _with_hub(given: argparse.Namespace) -> int:
    from hub.rnds.settings import Faulty
    from hub.world import opened

    async with opened(running.located(given.data), size=2) as world:
        try:
            return await _ACTIONS[given.action](given, world, await world.tenant(given.tenant))
        except Faulty as error:
            for problem in error.problems:
                output.complain(f"{problem.text('pt')} {problem.remedy('pt')}")
            return 1


async def _settings(given: argparse.Namespace, world: World, tenant: Tenant) -> int:
    from hub.rnds import desk, settings

    if given.file is None:
        async with world.transaction(tenant) as tx:
            found = await settings.show(tx)
    else:
        found = await desk.configure(world, tenant, _document(given.file), output.actor(), by_operator=True)
    output.say(json.dumps(found.as_json(), ensure_ascii=False, indent=None if given.json else 2))
    return 0


def _document(file: Path) -> dict[str, Any]:
    text = file.read_text(encoding="utf-8")
    document = json.loads(text) if file.suffix == ".json" else tomllib.loads(text)
    if not isinstance(document, dict):
        raise ValueError("not one document")
    return document


async def _check(given: argparse.Namespace, world: World, tenant: Tenant) -> int:
    from hub.rnds import look

    found = await look.check(world, tenant, output.actor())
    for problem in found:
        if given.json:
            output.line(problem.as_json())
        else:
            output.say(f"{problem.where}: {problem.text('pt')} {problem.remedy('pt')}")
    if not found and not given.json:
        output.say("RNDS: certificado, estabelecimento e profissional conferem.")
    return 1 if found else 0


async def _look(given: argparse.Namespace, world: World, tenant: Tenant) -> int:
    from fhir import jsontext
    from hub.rnds import look

    found = await look.look(world, tenant, given.what, given.number, output.actor())
    for record in found:
        output.say(jsontext.text(record, pretty=not given.json))
    if not found and not given.json:
        output.complain("a RNDS não tem registro com este número / RNDS has no record of this number")
    return 0 if found else 1


async def _people(given: argparse.Namespace, world: World, tenant: Tenant) -> int:
    from hub.rnds import desk

    found = await desk.people(world, tenant)
    for one in found:
        if given.json:
            output.line(one)
            continue
        output.say(f"{one['patient']}  {one['documents']} ({', '.join(one['kinds'])})  {one['since']}")
        for problem in one["problems"]:
            output.say(f"    {problem['text']} {problem['remedy']}")
    return 1 if found else 0


async def _context(given: argparse.Namespace, world: World, tenant: Tenant) -> int:
    from fhir import jsontext
    from hub.rnds import context

    meeting = context.Meeting(patient=given.patient, professional=given.professional)
    found = await context.opened(world, tenant, meeting, output.actor())
    output.say(jsontext.text(found, pretty=not given.json))
    return 0


async def _read(given: argparse.Namespace, world: World, tenant: Tenant) -> int:
    from fhir import jsontext
    from hub.rnds import context

    meeting = context.Meeting(patient=given.patient, professional=given.professional)
    found = await context.document(world, tenant, given.document, meeting, output.actor())
    output.say(jsontext.text(found, pretty=not given.json))
    return 0


async def _status(given: argparse.Namespace, world: World, tenant: Tenant) -> int:
    from hub.rnds import rows

    async with world.transaction(tenant) as tx:
        if given.subject:
            for document in await rows.listed(tx, subject=given.subject):
                _line(document, given.json)
            return 0
        found = await rows.counts(tx)
    for one in found:
        if given.json:
            output.line(one)
        else:
            output.say(f"{one['kind']:<5} {one['status']:<12} {one['count']:>8}  {one['code']}")
    if not found and not given.json:
        output.say("no document to RNDS yet / nenhum documento para a RNDS ainda")
    return 0


async def _failures(given: argparse.Namespace, world: World, tenant: Tenant) -> int:
    from hub.rnds import rows

    found = 0
    for status in _FAILED:
        after: UUID | None = None
        while True:
            async with world.transaction(tenant) as tx:
                page = await rows.listed(tx, status=status, kind=given.kind, after=after, limit=200)
            told = [one for one in page if not given.code or given.code in (p.code for p in one.findings())]
            for document in told:
                _line(document, given.json)
            found += len(told)
            if len(page) < 200:
                break
            after = page[-1].id
    return 1 if found else 0


async def _preview(given: argparse.Namespace, world: World, tenant: Tenant) -> int:
    from fhir import jsontext
    from hub.rnds import flow

    found = await flow.preview(world, tenant, given.kind, given.subject, output.actor())
    said = found.as_json()
    if given.json:
        output.say(jsontext.text(said))
    else:
        output.say(jsontext.text(said["bundle"], pretty=True))
        for problem in said["problems"]:
            output.complain(f"{problem['where']}: {problem['text']} {problem['remedy']}")
    return 0 if said["complete"] else 1


async def _send(given: argparse.Namespace, world: World, tenant: Tenant) -> int:
    from hub.rnds import flow

    return _told(await flow.send(world, tenant, given.kind, given.subject, output.actor()), given.json)


async def _resend(given: argparse.Namespace, world: World, tenant: Tenant) -> int:
    from hub.rnds import flow, rows

    if given.id:
        return _told(await flow.resend(world, tenant, UUID(given.id), output.actor()), given.json)
    if not given.code:
        raise NotFound("name a document or --code")
    worst, after = 0, None
    while True:
        async with world.transaction(tenant) as tx:
            page = await rows.listed(tx, after=after, limit=200)
        for one in page:
            if (
                given.code in (one.code, *(problem.code for problem in one.problems))
                and one.delivery_status != "QUEUED"
            ):
                worst = max(worst, _told(await flow.resend(world, tenant, one.id, output.actor()), given.json))
        if len(page) < 200:
            return worst
        after = page[-1].id


async def _delete(given: argparse.Namespace, world: World, tenant: Tenant) -> int:
    from hub.rnds import flow

    return _told(await flow.delete(world, tenant, UUID(given.id), output.actor()), given.json)


async def _answer(given: argparse.Namespace, world: World, tenant: Tenant) -> int:
    from adapters.rnds import answers
    from hub.rnds import flow

    content = await flow.answer(world, tenant, UUID(given.id), output.actor())
    text = content.decode("utf-8", "replace")
    said = answers.read(content)
    if given.json:
        output.line({"answer": text, "status": said.status, "said": list(said.words)})
        return 0
    for words in said.words:  # what RNDS found, a line each, before the answer as it came
        output.say(f"HTTP {said.status}: {words}")
    output.say(text)
    return 0


_ACTIONS: dict[str, Action] = {
    "settings": _settings,
    "check": _check,
    "look": _look,
    "people": _people,
    "context": _context,
    "read": _read,
    "status": _status,
    "failures": _failures,
    "preview": _preview,
    "send": _send,
    "resend": _resend,
    "delete": _delete,
    "answer": _answer,
}


def _told(document: Document, as_json: bool) -> int:
    _line(document, as_json)
    return 1 if document.status in _FAILED else 0


def _line(document: Document, as_json: bool) -> None:
    said = document.as_json()
    if as_json:
        output.line(said)
        return
    output.say(f"{said['id']}  {said['kind']:<5} {said['status']:<12} {said['subject']}  {said['rnds_id']}".rstrip())
    for problem in said["problems"]:
        output.say(f"    {problem['where']}: {problem['text']} {problem['remedy']}")
