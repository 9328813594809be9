"""Uploaded files: large ones are checked while they arrive, small ones repaired; a payer's contract counts in all ways."""

from __future__ import annotations

import asyncio
import base64
import io
import random
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from billing_day import CNPJ, EXAM, GLUCOSE, IPE, JACARANDA, Visit, certificate, happen, many, partner_row, register
from cryptography.hazmat.primitives.serialization import Encoding

from api.http import inflow
from api.http.inflow import Inflow, TooMuch
from api.routes import tiss_files
from hub.billing.batch import batches
from hub.billing.guide import guides
from hub.guard import pools
from hub.world import Tenant, World
from signatures import keys
from tests.api.tiss.test_tiss_routes import BASE, calling


async def lote(world: World, tenant: Tenant, count: int, code: str = JACARANDA) -> bytes:
    """The exact file of a batch; Ipê's is signed."""
    await register(world, tenant, [partner_row(code)])
    await happen(world, tenant, many(Visit(payer=code, charges=(EXAM, GLUCOSE)), count))
    await guides.build_guides(world, tenant)
    (closed,) = await batches.close_batches(world, tenant)
    async with world.transaction(tenant) as tx:
        return await batches.document(tx, closed.id)


async def pieces(raw: bytes, size: int = 1000, sent: list[int] | None = None) -> AsyncIterator[bytes]:
    for start in range(0, len(raw), size):
        if sent is not None:
            sent.append(start)
        yield raw[start : start + size]


async def test_a_large_batch_is_checked_while_it_arrives(
    world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = await lote(world, tenant, 60)
    raw = raw.replace(b"<ans:valorTotalGeral>", b"<ans:valorTotalGeral>1", 1)
    await register(
        world, tenant, [partner_row(JACARANDA, until={"4.03.00": "2026-11-01"}, levels={"sum.total": "off"})]
    )
    async with calling(world, tenant, "tiss/read") as client:
        (whole,) = (await client.post(f"{BASE}/files", content=raw)).json()["files"]
        monkeypatch.setattr(tiss_files, "LARGEST_UPLOAD", len(raw) // 4)
        (streamed,) = (await client.post(f"{BASE}/files", content=pieces(raw))).json()["files"]
    codes = {p["code"] for p in streamed.pop("problems")}
    assert codes >= {"header.version-expired"} and {c.partition(".")[0] for c in codes} == {"header", "hash"}, codes
    whole.pop("problems")
    assert streamed == whole and streamed["guides"] == 60 and streamed["hash"]["computed"]


async def test_a_body_beyond_the_limits_is_not_received_to_its_end(
    world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = await lote(world, tenant, 8)
    monkeypatch.setattr(tiss_files, "LARGEST_UPLOAD", len(raw) // 4)
    monkeypatch.setattr(tiss_files, "LARGEST_STREAM", len(raw) // 2)
    async with calling(world, tenant, "tiss/read") as client:
        for path, content in (("", raw), ("", b"PK\x03\x04" + raw), ("/repair", raw)):
            sent: list[int] = []
            answer = await client.post(f"{BASE}/files{path}", content=pieces(content, 500, sent))
            assert (answer.status_code, answer.json()["problems"][0]["code"]) == (413, "failure.too-large")
            assert max(sent) < 3 * len(raw) // 4


async def test_a_sender_that_falls_silent_keeps_no_thread(
    world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = await lote(world, tenant, 8)
    monkeypatch.setattr(tiss_files, "LARGEST_UPLOAD", 2000)
    monkeypatch.setattr(inflow, "IDLE_SECONDS", 0.1)

    async def silent() -> AsyncIterator[bytes]:
        yield raw[:3000]
        await asyncio.Event().wait()

    async with calling(world, tenant, "tiss/read") as client, asyncio.timeout(60):
        for _ in range(3):
            assert (await client.post(f"{BASE}/files", content=silent())).status_code == 503


@pytest.mark.parametrize("seed", range(5))
async def test_a_body_reads_as_the_file_it_is(seed: int) -> None:
    dice = random.Random(seed)
    raw = dice.randbytes(dice.randrange(1, 20_000))
    begun = dice.randrange(len(raw) + 1)

    def read(file: Inflow) -> bytes:
        file.read(dice.randrange(begun + 1))
        file.seek(0)
        found = bytearray()
        while piece := file.read(dice.choice((-1, 1, 700, 100_000))):
            found += piece
        if begun < len(raw):
            with pytest.raises(io.UnsupportedOperation):
                file.seek(0)
        return bytes(found)

    body = Inflow(raw[:begun], pieces(raw[begun:], dice.randrange(1, 3000)), len(raw))
    assert await asyncio.to_thread(read, body) == raw
    if begun < len(raw):
        body = Inflow(raw[:begun], pieces(raw[begun:]), len(raw) - 1)
        with pytest.raises(TooMuch):
            await asyncio.to_thread(read, body)


async def test_a_file_is_repaired_and_told_what_changed(world: World, tenant: Tenant) -> None:
    raw = await lote(world, tenant, 2)
    wrong = raw.replace(b"<ans:valorTotalGeral>", b"<ans:valorTotalGeral>1", 1)
    assert wrong != raw
    async with calling(world, tenant, "tiss/read") as client:
        answer = await client.post(f"{BASE}/files/repair?name=a.xml", content=wrong)
        done: dict[str, Any] = answer.json()
        assert answer.status_code == 200 and done["ok"] and done["file"] == "a.xml", answer.text
        assert {change["kind"] for change in done["changes"]} == {"total", "hash"}
        content = base64.b64decode(done["content"])
        assert (await client.post(f"{BASE}/files", content=content)).json()["files"][0]["ok"]
        alone = await client.post(f"{BASE}/files/repair", content=wrong, headers={"accept": "application/xml"})
        assert alone.headers["content-type"] == "application/xml" and alone.content == content


async def test_what_is_not_repaired_is_refused_by_name(world: World, tenant: Tenant) -> None:
    signed = await lote(world, tenant, 1, IPE)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("a.xml", signed)
    async with calling(world, tenant, "tiss/read") as client:
        for content, code in (
            (signed, "repair.signed"),
            (archive.getvalue(), "repair.zip"),
            (b"<a/>", "header.namespace"),
        ):
            answer = await client.post(f"{BASE}/files/repair", content=content)
            assert answer.status_code == 422, answer.text
            assert answer.json()["problems"][0]["code"] == code
    async with calling(world, tenant, "system/*.read") as client:
        assert (await client.post(f"{BASE}/files/repair", content=signed)).status_code == 403


async def test_signatures_are_judged_by_the_trusted_roots(
    world: World, tenant: Tenant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed = await lote(world, tenant, 2, IPE)
    async with calling(world, tenant, "tiss/read") as client:

        async def checked(raw: bytes) -> dict[str, Any]:
            (found,) = (await client.post(f"{BASE}/files", content=raw)).json()["files"]
            return dict(found)

        undecided = await checked(signed)
        (seal,) = undecided["signatures"]
        assert undecided["ok"] and seal["verdict"] == "indeterminate" and seal["signer"]["cnpj"] == CNPJ
        assert [p["severity"] for p in undecided["problems"] if p["code"] == "signature.trust.none"] == ["information"]
        chain = keys.from_pkcs12(bytes.fromhex(certificate(world.now())["pkcs12"]), "demo").chain
        for number, one in enumerate(chain):
            (tmp_path / f"{number}.cer").write_bytes(one.public_bytes(Encoding.DER))
        monkeypatch.setattr(pools, "of_settings", lambda _: pools.of_folder(tmp_path))
        passed = await checked(signed)
        assert [one["verdict"] for one in passed["signatures"]] == ["passed"] and passed["problems"] == []
        changed = await checked(signed.replace(b"ENVIO_LOTE_GUIAS", b"ENVIO_LOTE_GUIA5"))
        assert not changed["ok"] and changed["signatures"][0]["reason"].startswith("HASH_FAILURE")
        assert ("signature.hash", "5022") in {(p["code"], p.get("glosa")) for p in changed["problems"]}
