"""The operating commands as an operator types them: output, exit codes, and a backup that really restores."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import peers
import pytest
from channel_feed import partner

from api.cli.main import main
from canonical.errors import Misconfigured
from hub.exchange.channels import channels_of
from hub.exchange.door.keep import Keeper
from hub.exchange.door.receive import receive
from hub.exchange.out import delivery
from hub.exchange.work import inbound
from hub.operate.database import backup
from hub.seed import demo_tenant
from hub.servers import postgres
from hub.settings import Settings, secret_file
from hub.world import opened
from tests.hub.exchange.test_enhanced_sender import queue

GOOD = (
    "MSH|^~\\&|HIS|HOSP|PONTE|HUB|20261122080000||ADT^A01^ADT_A01|{control}|P|2.5||||||UNICODE UTF-8\r"
    "EVN|A01|20261122080000\rPID|1||{mrn}^^^HOSP^MR||Conceição^Ana||19800229|F\r"
)
Cluster = tuple[Settings, postgres.Cluster]


@pytest.fixture
def slug(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A tenant with one sound and one unreadable message, reachable by PONTE_DATABASE_URL."""
    name = f"cli{uuid.uuid4().hex[:10]}"
    monkeypatch.setenv("PONTE_DATABASE_URL", cluster[0].database_url)
    asyncio.run(_fill(cluster[0], name))
    yield name


async def _fill(settings: Settings, slug: str) -> None:
    async with opened(settings, size=2) as world:
        tenant = await demo_tenant(world, slug, "Hospital de Teste")
        keeper = Keeper(world.database)
        channel = next(c for c in await channels_of(world, tenant) if c.door == "mllp")
        await receive(keeper, channel, GOOD.format(control="cli-1", mrn="9001").encode())
        await receive(keeper, channel, b"MSH nothing to read")
        while await inbound.work(world, tenant):
            pass


async def _patient(settings: Settings, slug: str) -> str:
    async with opened(settings, size=1) as world, world.transaction(await world.tenant(slug)) as tx:
        return str(await tx.value("SELECT id FROM patient WHERE tenant_id = $1"))


async def _refused(settings: Settings, slug: str) -> None:
    async with opened(settings, size=2) as world:
        tenant = await world.tenant(slug)
        lab = await partner(world, tenant, "lab", peers.dead_port(), kind="lab", retry={"first_s": 600})
        await queue(world, tenant, lab, "first", "second")
        await delivery.work(world, tenant)


def test_what_waits_for_a_partner_is_explained_skipped_and_sent_again(
    slug: str, cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(_refused(cluster[0], slug))
    find = ["messages", "find", "--tenant", slug, "--direction", "out"]
    assert main(find) == 0
    told = capsys.readouterr().out
    assert "transport.connect: O parceiro não aceita a conexão." in told and "1 attempts, again" in told
    assert main(["lane", "skip", "--tenant", slug, "--name", "lab", "--reason", "exame errado"]) == 0
    told = capsys.readouterr().out
    assert "skipped lab first" in told
    identity = told.split()[-1]
    assert main(["replay", "--tenant", slug, identity, "--dry-run"]) == 0
    assert f"{identity}  lab" in capsys.readouterr().out
    assert main(["replay", "--tenant", slug, identity]) == 0
    capsys.readouterr()
    assert main([*find, "--status", "QUEUED", "--json"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert main(["replay", "--tenant", slug, "--status", "REFUSED"]) == 1
    assert main(["replay", "--tenant", slug, "--status", "SENT"]) == 2, (
        "of what was taken, whose and since when is said"
    )


def test_messages_find(slug: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["messages", "find", "--tenant", slug, "--control-id", "cli-1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["status"], found["type"], found["place"]) == ("TRANSFORMED", "ADT^A01", "his-mllp")
    assert "Concei" not in json.dumps(found)
    assert main(["messages", "find", "--tenant", slug, "--status", "ERROR"]) == 0
    assert "er7." in capsys.readouterr().out
    assert main(["messages", "find", "--tenant", slug, "--control-id", "unknown"]) == 1
    assert main(["messages", "find", "--tenant", "no-such-tenant"]) == 1


def test_replay(slug: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "--tenant", slug]) == 2
    assert main(["replay", "--tenant", slug, "--status", "ERROR", "--dry-run", "--json"]) == 0
    rehearsal = json.loads(capsys.readouterr().out)
    assert rehearsal["would_pass"] is False and rehearsal["before"] == rehearsal["after"]
    assert main(["replay", "--tenant", slug, rehearsal["id"]]) == 0
    assert "1 queued again" in capsys.readouterr().out
    assert main(["replay", "--tenant", slug, str(uuid.uuid4())]) == 1


def test_explain(slug: str, cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    patient = asyncio.run(_patient(cluster[0], slug))
    assert main(["explain", "--tenant", slug, f"Patient/{patient}", "--json"]) == 0
    cause = json.loads(capsys.readouterr().out)
    assert (cause["version"], cause["control_id"], cause["actor"]) == (1, "cli-1", "hl7")
    assert main(["explain", "--tenant", slug, "Patient/nobody"]) == 1
    assert main(["explain", "--tenant", slug, "Patient"]) == 2


def test_db_check(slug: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["db", "check", "--json"]) == 0
    lines = {line["tenant"]: line for line in map(json.loads, capsys.readouterr().out.splitlines())}
    assert lines[slug]["messages"] == {"TRANSFORMED": 1, "ERROR": 1} and lines[slug]["broken_seal"] is None


def test_no_hub_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("PONTE_DATABASE_URL", raising=False)
    monkeypatch.setenv("PONTE_HOME", str(tmp_path))
    assert main(["messages", "find", "--data", str(tmp_path / "none")]) == 4
    assert capsys.readouterr().err.count("\n") == 1


def test_a_backup_restores_into_a_new_folder(
    slug: str, cluster: Cluster, data_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings, _ = cluster
    target = data_root / f"{slug}.dump"
    size = backup.backup(settings, target)
    assert size > 10_000 and target.stat().st_mode & 0o077 == 0
    with pytest.raises(Misconfigured, match="never overwrites"):
        backup.backup(settings, target)
    secret_file(settings, "master.key")
    fresh = Settings(data=data_root / f"restored-{slug}", http_port=0, mllp_port=0)
    with pytest.raises(Misconfigured, match="master"):
        backup.restore(fresh, target, data_root)
    _refuses_what_is_no_backup(fresh, target, settings.secrets)
    half = ["db", "restore", str(target.with_name(f"alone-{target.name}")), "--data", str(fresh.data)]
    assert main([*half, "--secrets", str(settings.secrets)]) == 4
    assert "nobody can tell whether it is whole" in capsys.readouterr().err
    (fresh.data / "postgres").mkdir()  # as a restore leaves it that is killed
    postgres.unfinished(fresh).touch()
    with pytest.raises(Misconfigured, match="was not finished"), postgres.running(fresh):
        pytest.fail("a hub without its records")
    backup.restore(fresh, target, settings.secrets)
    with pytest.raises(Misconfigured, match="holds a database already"):
        backup.restore(fresh, target, settings.secrets)
    with postgres.running(fresh, shared_buffers_mb=32) as again:
        restored = Settings(data=fresh.data, database_url=again.application_url)
        assert asyncio.run(_patient(restored, slug)) == asyncio.run(_patient(settings, slug))


def test_a_backup_on_a_full_disk_says_so(cluster: Cluster) -> None:
    settings, server = cluster
    with Path("/dev/full").open("wb") as full, pytest.raises(Misconfigured, match="No space left on device"):
        backup._run(settings, ["pg_dump", "--format=custom"], backup.embedded_url(settings, server.port), full)


def _refuses_what_is_no_backup(fresh: Settings, good: Path, secrets: Path) -> None:
    """Each is told as what it is, and the folder stays free for the right one."""
    other, cut, alone = (good.with_name(f"{name}-{good.name}") for name in ("other", "cut", "alone"))
    other.write_bytes(b"-- PostgreSQL database dump\n")
    cut.write_bytes(good.read_bytes()[:-100])
    backup.manifest_of(cut).write_bytes(backup.manifest_of(good).read_bytes())
    alone.write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    for file, told in ((other, "is no backup"), (cut, "was cut or changed"), (alone, "pg_restore failed")):
        with pytest.raises(Misconfigured, match=told):
            backup.restore(fresh, file, secrets)
        assert not (fresh.data / "postgres").exists(), told


def test_a_pause_says_that_lanes_to_come_go_on(slug: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lane", "pause", "--tenant", slug, "--kind", "inbound"]) == 0
    first, later = capsys.readouterr().out.splitlines()
    assert first == "pause: 1 inbound" and "a new patient's" in later and "channel deactivate" in later
    assert main(["lane", "list", "--tenant", slug, "--json"]) == 0
    (lane,) = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert lane["paused"] is True
    assert main(["lane", "pause", "--tenant", slug, "--id", lane["id"]]) == 0  # this one, and no other
    assert "come later" not in capsys.readouterr().out
    assert main(["lane", "resume", "--tenant", slug, "--kind", "inbound"]) == 0
    assert "come later" not in capsys.readouterr().out
