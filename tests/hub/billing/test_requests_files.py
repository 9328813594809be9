"""Payers without web service: batches leave as files of the standard's name; what comes back is collected and matched."""

from __future__ import annotations

import io
import json
import uuid
import zipfile
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from billing_day import (
    EXAM,
    GLUCOSE,
    IPE,
    JACARANDA,
    Visit,
    happen,
    many,
    order,
    partner_row,
    put_records,
    register,
    rows,
)
from lxml import etree
from payer_server import settle, sides

from api.simulators.payer_book import Batch, Book
from api.simulators.payer_replies import Replies
from canonical.errors import Conflict
from hub.billing import jobs, listing
from hub.billing.appeal import appeals
from hub.billing.writing import origin
from hub.requests import authorisation, collecting, sending
from hub.requests import jobs as request_jobs
from hub.requests.matter import Named
from hub.store.database import Row
from hub.world import Tenant, World
from tiss.checking import report
from tiss.rules.contract import Contract
from tiss.tables import tables
from tiss.wire import build, message, tree

BOTH = pytest.mark.parametrize("payer", [IPE, JACARANDA])


def folders(world: World, tenant: Tenant) -> tuple[Path, Path]:
    root = world.settings.folders / tenant.slug
    for name in ("saida", "retorno"):
        (root / name).mkdir(parents=True, exist_ok=True)
    return root / "saida", root / "retorno"


def by_file(payer: str) -> Any:
    partner = partner_row(payer)
    partner.settings["transport"] = {"kind": "folder", "path": "saida", "returns": "retorno", "stable_s": 0}
    return partner


def received(raw: bytes, book: Book) -> tuple[Batch, Replies]:
    """What a payer makes of a file: it reads the message of the file form as if it had come by its web service."""
    found = message.read(raw)
    assert isinstance(found, message.Tiss) and not found.service
    told = tree.description(found)["message"]
    body = {"cabecalho": told["cabecalho"], "loteGuias": told["prestadorParaOperadora"]["loteGuias"], "hash": ""}
    root = etree.fromstring(build.build("loteGuiasWS", body, found.version, service=True))
    return book.take(root, raw, signed=False), Replies(book, root)


def put(folder: Path, name: str, raw: bytes) -> None:
    (folder / name).write_bytes(raw)


@BOTH
async def test_a_batch_leaves_as_a_file_and_its_returns_are_collected(world: World, tenant: Tenant, payer: str) -> None:
    out, back = folders(world, tenant)
    await register(world, tenant, [by_file(payer)])
    await happen(world, tenant, many(Visit(payer=payer, charges=(EXAM, GLUCOSE)), 3))
    await jobs.close_batches(world, tenant, {})
    await settle(world, tenant)
    (batch,) = await rows(world, tenant, "SELECT * FROM batch WHERE tenant_id = $1")
    (file,) = list(out.iterdir())
    assert file.name == f"{batch['number']:020d}_{batch['hash'].upper()}.xml"
    judged = report.validate(
        file.read_bytes(),
        tables=tables.installed(),
        today=world.now().astimezone(ZoneInfo(tenant.zone)).date(),
        contract=Contract(known_operator=True),
    )
    assert judged.ok and judged.guides == 3
    (submission,) = await rows(world, tenant, "SELECT status, sent_at FROM submission WHERE tenant_id = $1")
    assert (submission["status"], submission["sent_at"] is None) == ("enviado", False), (
        "a file that was written is sent"
    )
    assert (await rows(world, tenant, "SELECT status FROM batch WHERE tenant_id = $1"))[0]["status"] == "enviado"
    book = Book(next(side for side in sides() if side.ans == payer))
    known, replies = received(file.read_bytes(), book)
    put(back, "protocolo.xml", replies.protocol(known))
    assert (
        await request_jobs.collect_returns(world, tenant, {})
        == "1 arquivos recolhidos; 0 sem destino; 0 pastas inacessíveis"
    )
    (submission,) = await rows(world, tenant, "SELECT * FROM submission WHERE tenant_id = $1")
    assert (submission["protocol"], submission["status"]) == (known.protocol, "recebido")
    put(back, "demonstrativo.xml", replies.statement([known]))
    put(back, "notas.txt", b"not for us")
    await request_jobs.collect_returns(world, tenant, {})
    (sums,) = await rows(
        world,
        tenant,
        "SELECT sum(billed_cents)::bigint AS billed, count(*) FILTER (WHERE orphan <> '') AS orphans FROM statement_line WHERE tenant_id = $1 AND NOT replaced",
    )
    assert (sums["billed"], sums["orphans"]) == (known.total("billed"), 0)
    assert sorted(p.name for p in (back / "processed").iterdir()) == ["demonstrativo.xml", "protocolo.xml"]
    assert (back / "notas.txt").exists() and list((back / "failed").iterdir()) == []
    await _appealed(world, tenant, (out, back), submission, book)


async def _appealed(world: World, tenant: Tenant, places: tuple[Path, Path], submission: Row, book: Book) -> None:
    out, back = places
    async with world.transaction(tenant) as tx:
        wish = appeals.Wish(payer_id=submission["payer_id"], protocol=submission["protocol"])
        appeal = await appeals.draft(tx, wish, origin(world, tenant, "test"))
        await appeals.send(world, tenant, tx, appeal, "test")
    await settle(world, tenant)
    sent = next(p for p in out.iterdir() if b"guiaRecursoGlosa" in p.read_bytes())
    raw = sent.read_bytes()
    sent.unlink()  # the payer says that it never came
    async with world.transaction(tenant) as tx:
        assert (await listing.one(tx, "appeals", appeal))["status"] == "enviado"
        assert await appeals.document(tx, appeal) == raw
        await appeals.resend(tx, appeal, "test")
    await settle(world, tenant)
    assert sent.read_bytes() == raw
    async with world.transaction(tenant) as tx:  # as one of a release that did not follow written files up
        await tx.run("UPDATE appeal SET status = 'enviando' WHERE tenant_id = $1")
    await jobs.poll_protocols(world, tenant, {})
    async with world.transaction(tenant) as tx:
        assert (await listing.one(tx, "appeals", appeal))["status"] == "enviado"
    found = message.read(sent.read_bytes())
    assert isinstance(found, message.Tiss)
    told = tree.description(found)["message"]
    body = {"cabecalho": told["cabecalho"], "loteRecurso": told["prestadorParaOperadora"]["recursoGlosa"], "hash": ""}
    root = etree.fromstring(build.build("loteRecursoGlosaWS", body, found.version, service=True))
    replies = Replies(book, root)
    taken = book.appeal(root, sent.read_bytes())
    for name, raw in (("1.xml", replies.appeal_protocol(taken)), ("2.xml", replies.appeal_answer(taken))):
        put(back, name, raw)
        await request_jobs.collect_returns(world, tenant, {})
    async with world.transaction(tenant) as tx:
        one = await listing.one(tx, "appeals", appeal)
    assert (one["status"], one["protocol"]) == ("respondido", taken.protocol)
    async with world.transaction(tenant) as tx:
        with pytest.raises(Conflict):
            await appeals.resend(tx, appeal, "test")


async def test_an_authorisation_by_file(world: World, tenant: Tenant) -> None:
    from api.simulators import payer_decisions

    out, back = folders(world, tenant)
    await register(world, tenant, [by_file(JACARANDA)])
    (patient,) = await happen(world, tenant, [Visit(payer=JACARANDA, charges=())])
    (one,) = await put_records(world, tenant, order(patient, EXAM[1]))
    async with world.transaction(tenant) as tx:
        asked = await authorisation.ask(world, tenant, tx, authorisation.Wish(named=Named(), orders=(one,)), "test")
    await settle(world, tenant)
    (file,) = list(out.iterdir())
    found = message.read(file.read_bytes())
    assert isinstance(found, message.Tiss)
    told = tree.description(found)["message"]
    body = {
        "cabecalho": told["cabecalho"],
        "solicitacaoProcedimento": told["prestadorParaOperadora"]["solicitacaoProcedimento"],
        "hash": "",
    }
    root = etree.fromstring(build.build("solicitacaoProcedimentoWS", body, found.version, service=True))
    book = Book(next(side for side in sides() if side.ans == JACARANDA))
    put(
        back,
        "senha.XML",
        payer_decisions.HANDLERS["solicitacaoProcedimentoWS"](book, Replies(book, root), file.read_bytes(), False),
    )
    await request_jobs.collect_returns(world, tenant, {})
    async with world.transaction(tenant) as tx:
        row = await sending.row_of(tx, asked.id)
    assert (row["status"], row["protocol"][0]) == ("autorizado", "S")


async def test_what_is_not_ours_or_not_readable_lies_in_failed_with_its_findings(world: World, tenant: Tenant) -> None:
    _, back = folders(world, tenant)
    await register(world, tenant, [by_file(IPE)])
    book = Book(next(side for side in sides() if side.ans == IPE))
    root = etree.fromstring(b'<x xmlns="http://www.ans.gov.br/padroes/tiss/schemas"/>')
    strange = Batch(number="7", protocol="P7", digest="", kind="", guides=[], sequence="1", signed=False, at=0.0)
    foreign = Replies(book, root).error("protocoloRecebimentoWS", "PROTOCOLO_RECEBIMENTO", "recebimentoLote", "5001")
    status = Replies(book, root).status(strange)
    for name, raw in (("a.xml", b"<html/>"), ("b.xml", b""), ("c.xml", foreign), ("d.xml", status)):
        put(back, name, raw)
    (back / "processing").mkdir(exist_ok=True)
    put(back / "processing", "e.xml", b"\xff\xfe<")  # left by a process that ended
    done = await collecting.collect(world, tenant)
    assert (done.files, done.failed, done.broken) == (5, 5, 0)
    told = {p.name: json.loads(p.read_bytes())["findings"][0]["code"] for p in (back / "failed").glob("*.json")}
    assert told["c.xml.findings.json"] == "returned.fault" and told["d.xml.findings.json"] == "returned.unknown"
    assert len(told) == 5
    kept = await rows(world, tenant, "SELECT status FROM message WHERE tenant_id = $1 AND direction = 'in'")
    assert [row["status"] for row in kept] == ["ERROR"] * 5


async def test_returns_in_a_zip_are_taken_one_by_one(world: World, tenant: Tenant) -> None:
    out, back = folders(world, tenant)
    await register(world, tenant, [by_file(IPE)])
    await happen(world, tenant, many(Visit(payer=IPE, charges=(EXAM,)), 2))
    await jobs.close_batches(world, tenant, {})
    await settle(world, tenant)
    (file,) = list(out.iterdir())
    book = Book(next(side for side in sides() if side.ans == IPE))
    known, replies = received(file.read_bytes(), book)
    made = {
        "protocolo.xml": replies.protocol(known),
        "demonstrativo.xml": replies.statement([known]),
        "capa.pdf": b"%PDF",
    }
    for name, members in (("retorno.zip", made), ("ruim.zip", {"a.xml": b"<a", "b.xml": made["protocolo.xml"]})):
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as opened:
            for member, raw in members.items():
                opened.writestr(member, raw)
        put(back, name, archive.getvalue())
    done = await collecting.collect(world, tenant)
    assert (done.files, done.failed) == (2, 1)
    (submission,) = await rows(world, tenant, "SELECT protocol FROM submission WHERE tenant_id = $1")
    assert submission["protocol"] == known.protocol
    lines = await rows(world, tenant, "SELECT id FROM statement_line WHERE tenant_id = $1 AND orphan = ''")
    assert len(lines) == 2
    assert (back / "processed" / "retorno.zip").exists() and (back / "failed" / "ruim.zip").exists()
    told = json.loads((back / "failed" / "ruim.zip.findings.json").read_bytes())["findings"]
    assert [(one["code"], one["where"].partition(": ")[0]) for one in told] == [("soap.not-xml", "ruim.zip/a.xml")]


async def test_a_folder_that_is_gone_delays_no_other(world: World, tenant: Tenant) -> None:
    _, back = folders(world, tenant)
    lost = by_file(IPE)
    lost.settings["transport"]["returns"] = f"nowhere-{uuid.uuid4().hex}"
    await register(world, tenant, [lost, by_file(JACARANDA)])
    put(back, "x.xml", b"<html/>")
    done = await collecting.collect(world, tenant)
    assert (done.files, done.broken) in ((1, 1), (1, 0))


async def test_files_of_before_that_still_stand_as_being_sent_are_taken_on_by_the_poll(
    world: World, tenant: Tenant
) -> None:
    """Written by a release that followed a written file up only at its next poll, which never came."""
    folders(world, tenant)
    await register(world, tenant, [by_file(JACARANDA)])
    (patient,) = await happen(world, tenant, [Visit(payer=JACARANDA, charges=(EXAM,))])
    (one,) = await put_records(world, tenant, order(patient, EXAM[1]))
    async with world.transaction(tenant) as tx:
        await authorisation.ask(world, tenant, tx, authorisation.Wish(named=Named(), orders=(one,)), "test")
    await jobs.close_batches(world, tenant, {})
    states = (
        "SELECT status FROM submission WHERE tenant_id = $1 UNION ALL SELECT status FROM batch WHERE tenant_id = $1 "
        "UNION ALL SELECT status FROM payer_request WHERE tenant_id = $1"
    )

    async def polled() -> list[str]:
        await jobs.poll_protocols(world, tenant, {})
        await request_jobs.poll_requests(world, tenant, {})
        return [row["status"] for row in await rows(world, tenant, states)]

    assert await polled() == ["enviando"] * 3, "not written yet"
    await settle(world, tenant)
    async with world.transaction(tenant) as tx:
        for table in ("submission", "batch", "payer_request"):
            await tx.run(f"UPDATE {table} SET status = 'enviando' WHERE tenant_id = $1")
    assert await polled() == ["enviado"] * 3
