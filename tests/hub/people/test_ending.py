"""A tenant's end: all of it in one file whose hashes hold, then nothing of it here, and nothing of others touched."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from api.cli.main import main
from canonical.errors import Conflict, Misconfigured, NotFound, Refused
from hub import tenants
from hub.ending import erase, export, sealed_file
from hub.ending.tables import HIDDEN, LEFT_OUT, tenant_tables
from hub.guard import audit, vault
from hub.retention import holds
from hub.store import owned
from hub.store.schema import GLOBAL_TABLES, METADATA
from hub.world import Tenant, World
from tests.hub.test_operate import GOOD, put, work


async def lived(world: World, tenant: Tenant) -> None:
    """Some of everything: messages, records, a secret, a folder."""
    for number in range(3):
        await put(world, tenant, GOOD.format(control=f"c{number}", mrn=f"88100{number}"))
    await work(world, tenant)
    async with world.transaction(tenant) as tx:
        await vault.put(tx, world.settings, "payer", {"password": "CANARY-SECRET"}, kind="login")
        await audit.note(tx, "dr.ana", "read", "Patient/p1")
    folder = world.settings.folders / tenant.slug / "in"
    folder.mkdir(parents=True)
    (folder / "a.hl7").write_text("MSH|", encoding="utf-8")


async def counts(world: World, tenant: Tenant) -> dict[str, int]:
    async with world.transaction(tenant) as tx:
        return {t.name: await tx.value(f"SELECT count(*) FROM {t.name} WHERE tenant_id = $1") for t in tenant_tables()}


def held(world: World, cluster: Any) -> Any:
    return owned.opened(dataclasses.replace(world.settings, owner_database_url=cluster[1].owner_url))


def test_every_tenant_table_has_its_turn_and_its_place_in_the_export() -> None:
    names = [table.name for table in tenant_tables()]
    assert sorted(names) == sorted(set(METADATA.tables) - set(GLOBAL_TABLES)) and len(set(names)) == len(names)
    assert set(LEFT_OUT) <= set(names)
    for table in tenant_tables():
        for key in table.foreign_keys:
            other = key.column.table.name
            assert other not in names or names.index(table.name) < names.index(other)


def test_no_column_that_may_hold_a_secret_is_exported() -> None:
    """A new one must be hidden, or named here with why it is none."""
    harmless = {
        ("audit_seal", "hash"), ("audit_seal", "previous_hash"), ("audit_seal", "sealed_at"),  # the trail's own chain
        ("batch", "hash"), ("appeal", "hash"), ("payer_request", "hash"),  # the epilogo of a TISS message
        ("statement", "digest"), ("remittance", "digest"), ("rnds_document", "digest"),  # of what was received or sent
        ("lane", "lease_token"), ("user_account", "totp_step"), ("user_account", "password_at"),  # a counter, a step, a day
    }  # fmt: skip
    telling = re.compile(r"hash|secret|password|totp|recovery|sealed|digest|token")
    found = {
        (table.name, column.name)
        for table in tenant_tables()
        for column in table.columns
        if telling.search(column.name) and table.name not in LEFT_OUT and column.name not in HIDDEN.get(table.name, {})
    }
    assert found == harmless


async def test_an_export_holds_everything_and_no_secret(
    world: World, tenant: Tenant, other_tenant: Tenant, tmp_path: Path
) -> None:
    await lived(world, tenant)
    await put(world, other_tenant, GOOD.format(control="x", mrn="FOREIGN"))
    target = tmp_path / "all.zip"
    before = await counts(world, tenant)
    told = await export.export(world, tenant, target, actor="dpo")
    assert target.stat().st_mode & 0o077 == 0
    with zipfile.ZipFile(target) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(files.pop("manifest.json"))
    assert hashlib.sha256(json.dumps(manifest, ensure_ascii=False, indent=1).encode()).hexdigest() == told.manifest
    assert set(manifest["files"]) == set(files) - {"LEIA-ME.txt"} and manifest["closed"] is False
    for name, said in manifest["files"].items():
        assert said["sha256"] == hashlib.sha256(files[name]).hexdigest() and said["rows"] == files[name].count(b"\n")
    exported = {name.removeprefix("tabelas/").removesuffix(".ndjson") for name in files if name.startswith("tabelas/")}
    assert exported | set(manifest["left_out"]) >= set(before) and exported & set(LEFT_OUT) == set()
    for name in exported:
        assert files[f"tabelas/{name}.ndjson"].count(b"\n") == before[name], name
    messages = [json.loads(line) for line in files["tabelas/message.ndjson"].splitlines()]
    assert GOOD.format(control="c1", mrn="881001").encode() in [base64.b64decode(one["content"]) for one in messages]
    patients = [json.loads(line) for line in files["registros/Patient.ndjson"].splitlines()]
    assert len(patients) == 3 and all(one["resourceType"] == "Patient" for one in patients)
    whole = b"".join(files.values())
    assert b"CANARY-SECRET" not in whole and b"FOREIGN" not in whole and b"secret_hash" not in whole
    with pytest.raises(Misconfigured):
        await export.export(world, tenant, target, actor="dpo")


async def test_an_encrypted_export_opens_with_openssl(world: World, tenant: Tenant, tmp_path: Path) -> None:
    await put(world, tenant, GOOD.format(control="c", mrn="1"))
    with pytest.raises(Refused):
        await export.export(world, tenant, tmp_path / "short", passphrase="short", actor="dpo")
    assert not (tmp_path / "short").exists()
    target, opened = tmp_path / "all.enc", tmp_path / "all.zip"
    told = await export.export(world, tenant, target, passphrase="uma frase bem longa", actor="dpo")
    assert b"manifest" not in target.read_bytes()
    command = sealed_file.DECRYPT.replace("FILE", str(target)).replace("export.zip", str(opened)).split()
    done = subprocess.run([*command, "-pass", "pass:uma frase bem longa"], check=False, capture_output=True)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(opened) as archive:
        assert archive.testzip() is None
        assert hashlib.sha256(archive.read("manifest.json")).hexdigest() == told.manifest


async def test_erasing_waits_asks_and_leaves_nothing(
    world: World, tenant: Tenant, other_tenant: Tenant, cluster: Any, tmp_path: Path
) -> None:
    await lived(world, tenant)
    await lived(world, other_tenant)
    untouched = await counts(world, other_tenant)

    async def erased(*, at_once: bool = False, unexported: bool = False) -> erase.Erased:
        async with held(world, cluster) as owner:
            return await erase.erase(world, owner, tenant.slug, at_once=at_once, unexported=unexported, actor="dpo")

    with pytest.raises(Conflict, match="open"):
        await erased(at_once=True, unexported=True)
    await export.export(world, tenant, tmp_path / "early.zip", actor="dpo")
    await tenants.close(world, tenant.slug, actor="dpo")
    with pytest.raises(Conflict, match="30 days"):
        await erased(unexported=True)
    with pytest.raises(Conflict, match="export it first"):
        await erased(at_once=True)
    await export.export(world, tenant, tmp_path / "late.zip", actor="dpo")
    async with world.transaction(tenant) as tx:
        hold = await holds.place(tx, "", "processo", actor="dpo")
    with pytest.raises(Conflict, match="legal hold"):
        await erased(at_once=True)
    async with world.transaction(tenant) as tx:
        await holds.lift(tx, hold.id, actor="dpo")
        secrets = await tx.value("SELECT count(*) FROM credential WHERE tenant_id = $1")
    done = await erased(at_once=True)
    assert set((await counts(world, tenant)).values()) == {0}
    assert not (world.settings.folders / tenant.slug).exists() and done.counts["files"] == 1
    assert done.counts["credential"] == secrets and done.counts["message"] == 3 and done.last_seal
    with pytest.raises(NotFound):
        await tenants.any_tenant(world, tenant.slug)
    assert await counts(world, other_tenant) == untouched
    assert (world.settings.folders / other_tenant.slug / "in" / "a.hl7").exists()
    async with world.transaction(other_tenant) as tx:
        assert await audit.broken_seal(tx) is None
    listed, whole = await erase.erasures(world)
    assert whole and listed[-1] == done
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await world.database.global_rows("DELETE FROM erasure")


async def test_an_interrupted_erasure_goes_on_and_the_tenant_never_opens(
    world: World, tenant: Tenant, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await lived(world, tenant)
    await tenants.close(world, tenant.slug, actor="dpo")

    def fails(world: World, tenant: Tenant) -> None:
        raise Misconfigured("the disk is away")

    async with held(world, cluster) as owner:
        with monkeypatch.context() as patched:
            patched.setattr(erase, "_folders_removed", fails)
            with pytest.raises(Misconfigured):
                await erase.erase(world, owner, tenant.slug, at_once=True, unexported=True, actor="dpo")
        with pytest.raises(Conflict, match="erasure has begun"):
            await tenants.reopen(world, tenant.slug, actor="dpo")
        with monkeypatch.context() as patched:
            patched.setattr(erase, "_folders_removed", lambda world, tenant: None)
            with pytest.raises(Refused, match="files"):
                await erase.erase(world, owner, tenant.slug, at_once=False, unexported=False, actor="dpo")
        done = await erase.erase(world, owner, tenant.slug, at_once=False, unexported=False, actor="dpo")
    assert (done.counts["files"], done.counts["message"]) == (1, 3) and done.last_seal


def test_the_commands(
    cluster: Any, tenant: Tenant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PONTE_DATABASE_URL", cluster[0].database_url)
    monkeypatch.setenv("PONTE_OWNER_DATABASE_URL", cluster[1].owner_url)
    monkeypatch.setenv("PONTE_DATA", str(cluster[0].data))
    monkeypatch.setenv("PHRASE", "uma frase bem longa")

    def call(*words: str) -> tuple[int, str]:
        capsys.readouterr()
        code = main(["tenant", *words])
        found = capsys.readouterr()
        return code, found.out + found.err

    code, said = call("export", tenant.slug, str(tmp_path / "a.enc"), "--passphrase-env", "PHRASE")
    assert code == 0 and "SHA-256" in said and "openssl enc -d" in said and "close it first" in said
    assert call("export", tenant.slug, str(tmp_path / "b"), "--passphrase-env", "NONE")[0] == 4
    assert call("erase", tenant.slug)[0] == 1 and call("close", tenant.slug)[0] == 0
    assert call("erase", tenant.slug, "--now", "another")[0] == 2
    assert call("erase", tenant.slug, "--now", tenant.slug)[0] == 1, "not exported since it was closed"
    assert call("export", tenant.slug, str(tmp_path / "c.zip"))[0] == 0
    code, said = call("erase", tenant.slug, "--now", tenant.slug)
    assert code == 0 and "nothing of it is left" in said
    code, said = call("erased", "--json")
    assert code == 0 and tenant.slug in [json.loads(line)["slug"] for line in said.splitlines()]
