"""A payer that takes files, over a real OpenSSH server: the batch leaves whole, its returns are collected, once each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest
import sftp_server
from billing_day import EXAM, IPE, Visit, happen, many, partner_row, register
from payer_server import settle, sides
from sftp_server import Server

from api.simulators.payer_book import Book
from hub.billing import jobs
from hub.exchange.partners import save_partner
from hub.guard import vault
from hub.requests import collecting
from hub.world import Tenant, World
from tests.hub.billing.test_requests_files import received, rows

pytestmark = pytest.mark.skipif(not sftp_server.SSHD, reason="no sshd here: install openssh-server")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with sftp_server.serving(tmp_path_factory.mktemp("sftp")) as found:
        yield found


async def known(world: World, tenant: Tenant, server: Server, place: Path, **changed: str) -> Any:
    """A payer whose folders lie on the server."""
    partner = partner_row(IPE)
    partner.settings["transport"] = {
        "kind": "sftp", "path": str(place / "saida"), "returns": str(place / "retorno"), "stable_s": 0,
        "host": "127.0.0.1", "port": server.port, "user": server.user, "secret": "payer-key",
        "host_key": server.host_key, **changed,
    }  # fmt: skip
    for folder in ("saida", "retorno"):
        (place / folder).mkdir(parents=True, exist_ok=True)
    await register(world, tenant, [partner])
    async with world.transaction(tenant) as tx:
        await vault.put(tx, world.settings, "payer-key", {"key": server.key}, kind="ssh")
    return partner


async def test_a_batch_and_its_returns(world: World, tenant: Tenant, server: Server) -> None:
    place = server.folder / tenant.slug
    out, back = place / "saida", place / "retorno"
    await known(world, tenant, server, place)
    await happen(world, tenant, many(Visit(payer=IPE, charges=(EXAM,)), 2))
    await jobs.close_batches(world, tenant, {})
    await settle(world, tenant)
    (batch,) = await rows(world, tenant, "SELECT * FROM batch WHERE tenant_id = $1")
    (file,) = out.iterdir()
    assert file.name == f"{batch['number']:020d}_{batch['hash'].upper()}.xml"
    book = Book(next(side for side in sides() if side.ans == IPE))
    lote, replies = received(file.read_bytes(), book)
    (back / "protocolo.xml").write_bytes(replies.protocol(lote))
    (back / "demonstrativo.xml").write_bytes(replies.statement([lote]))
    (back / "processing").mkdir()
    (back / "processing" / "deixado.xml").write_bytes(b"%PDF-1.4")  # left by a process that ended
    done = await collecting.collect(world, tenant)
    assert (done.files, done.failed, done.broken) == (3, 1, 0)
    assert sorted(one.name for one in (back / "processed").iterdir()) == ["demonstrativo.xml", "protocolo.xml"]
    told = json.loads((back / "failed" / "deixado.xml.findings.json").read_bytes())
    assert [one["code"] for one in told["findings"]] == ["encoding.other-kind"]
    (submission,) = await rows(world, tenant, "SELECT * FROM submission WHERE tenant_id = $1")
    assert submission["protocol"] == lote.protocol
    (sums,) = await rows(
        world, tenant, "SELECT sum(billed_cents)::bigint AS billed FROM statement_line WHERE tenant_id = $1"
    )
    assert sums["billed"] == batch["total_cents"]
    assert (await collecting.collect(world, tenant)).files == 0
    (back / "protocolo.xml").write_bytes(replies.protocol(lote))  # the payer puts it there once more
    assert (await collecting.collect(world, tenant)).files == 1
    assert len(list((back / "processed").iterdir())) == 3
    assert len(await rows(world, tenant, "SELECT id FROM submission WHERE tenant_id = $1")) == 1


async def test_a_server_that_is_not_the_one_we_know_is_not_asked(world: World, tenant: Tenant, server: Server) -> None:
    place = server.folder / tenant.slug
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
    partner = await known(world, tenant, server, place, host_key=other)
    (place / "retorno" / "a.xml").write_bytes(b"<a/>")
    done = await collecting.collect(world, tenant)
    assert (done.files, done.broken) == (0, 1) and (place / "retorno" / "a.xml").exists()
    partner.settings["transport"]["host_key"] = server.host_key
    async with world.transaction(tenant) as tx:
        await save_partner(tx, partner)
    done = await collecting.collect(world, tenant)
    assert (done.files, done.failed, done.broken) == (1, 1, 0)
