"""The supervisor: starts fast, stops clean, survives kill -9 of itself and of its servers, says what is wrong."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import hubs
import pytest

pytestmark = pytest.mark.slow
AS_ROOT = os.geteuid() == 0


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder every account may enter."""
    with tempfile.TemporaryDirectory(prefix="ponte-up-", ignore_cleanup_errors=True) as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


@pytest.fixture(scope="module")
def lasting() -> Iterator[hubs.Hub]:
    """A hub that outlives what is done to its parts, and ends cleanly all the same."""
    with tempfile.TemporaryDirectory(prefix="ponte-up-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        data = Path(name) / "hub"
        with hubs.up(data, PONTE_WORKERS="2") as hub:
            yield hub
            assert hub.process.poll() is None and hub.stop() == 0
        assert hubs.gone(data, 5)


async def receipts(hub: hubs.Hub) -> dict[str, int]:
    """How often each stored message came, by control id; fails when one is stored twice."""
    connection = await asyncpg.connect(hub.facts()["database_url"])
    try:
        tenant = await connection.fetchval("SELECT id FROM tenant WHERE slug = 'demo'")
        await connection.execute(f"SELECT set_config('app.current_tenant', '{tenant}', false)")
        rows = await connection.fetch("SELECT control_id, receipts FROM message WHERE direction = 'in'")
    finally:
        await connection.close()
    found = {row["control_id"]: row["receipts"] for row in rows}
    assert len(found) == len(rows)
    return found


def wait_for_aa(hub: hubs.Hub, control: str, seconds: float, patient: str = "1") -> float:
    start = time.monotonic()
    while time.monotonic() - start < seconds:
        with contextlib.suppress(OSError):
            if b"MSA|AA" in hub.send(control, patient):
                return time.monotonic() - start
        time.sleep(0.1)
    raise AssertionError(f"no AA within {seconds} s")


def test_blanks_and_accents_second_start_and_ctrl_c(folder: Path) -> None:
    data = folder / "São João – dados" / "hub"
    with hubs.up(data, fresh=True, PONTE_SIMULATORS="1") as hub:
        assert b"MSA|AA|one" in hub.send("one")
        assert set(hub.addresses) == {"fhir", "api", "mllp", "console", "tenant", "token_url"}
        simulators = hub.facts()["simulators_http"]
        assert (
            hubs.answers(f"{simulators}/lab/control") == 200 and hubs.answers(f"{simulators}/control/received") == 200
        )
        assert hub.stop() == 0
    assert hubs.gone(data, 5) and not (data / "running.json").exists()
    with hubs.up(data) as hub:
        assert hub.seconds < 30, "5 s on an idle machine; this one may be busy"
        assert b"MSA|AA|one" in hub.send("one"), "the first message is known: a resend gets its first answer"
        assert hub.stop(signal.SIGTERM) == 0
    assert hubs.gone(data, 5)


def test_kill_9_of_the_supervisor_leaves_nothing_and_the_next_start_recovers(folder: Path) -> None:
    data = folder / "hub"
    with hubs.up(data) as hub:
        ports = ("--http-port", hub.addresses["fhir"].split(":")[2].split("/")[0], "--mllp-port", str(hub.mllp[1]))
        assert b"MSA|AA|one" in hub.send("one")
        assert len(hubs.processes_of(data)) >= 5
        hub.process.kill()
        hub.process.wait()
        with hubs.up(data, *ports) as again:  # at once, on the same ports
            assert b"MSA|AA|two" in again.send("two") and again.mllp == hub.mllp
            again.process.kill()
            again.process.wait()
        assert hubs.gone(data, 20), hubs.processes_of(data)


def test_kill_9_of_postgresql_resumes_alone(lasting: hubs.Hub) -> None:
    hub = lasting
    acknowledged = [f"m{n}" for n in range(50) if b"MSA|AA" in hub.send(f"m{n}", str(n + 1))]
    assert len(acknowledged) == 50
    os.kill(int((hub.data / "postgres" / "postmaster.pid").read_text().split("\n")[0]), signal.SIGKILL)
    assert wait_for_aa(hub, "after PostgreSQL", 30) < 30
    for number, control in enumerate(acknowledged):  # a connection of the old server may break once more
        wait_for_aa(hub, control, 30, str(number + 1))
    found = asyncio.run(receipts(hub))
    assert all(found[control] >= 2 for control in acknowledged), "stored once, both receipts counted"
    assert hubs.answers(hub.addresses["console"] + "health/ready") == 200


def test_kill_9_of_a_door_a_worker_and_valkey(lasting: hubs.Hub) -> None:
    hub = lasting
    before = set(hubs.processes_of(hub.data))
    kinds = {word: [pid for pid in before if word in _arguments(pid)] for word in ("doors", "worker", "valkey.conf")}
    assert len(kinds["doors"]) == len(kinds["valkey.conf"]) == 1 and len(kinds["worker"]) == 2
    victims = [pid for pids in kinds.values() for pid in pids]
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    assert wait_for_aa(hub, "after doors", 30) < 30
    deadline = time.monotonic() + 30
    while not all(_count(hub, word) == len(pids) for word, pids in kinds.items()):
        assert time.monotonic() < deadline, "not all of it came back"
        time.sleep(0.1)


def _count(hub: hubs.Hub, word: str) -> int:
    found = 0
    for pid in hubs.processes_of(hub.data):
        with contextlib.suppress(OSError):  # it may just have ended
            found += word in _arguments(pid)
    return found


def _arguments(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode().replace("\0", " ")


def test_a_taken_port_is_one_sentence(folder: Path) -> None:
    with contextlib.closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, text = hubs.refusal(folder / "hub", "--http-port", "0", "--mllp-port", str(port))
    assert code == 4 and str(port) in text and "--mllp-port" in text and len(text.splitlines()) == 1
    assert hubs.gone(folder / "hub", 5)


def test_a_second_hub_on_the_same_data_is_refused(lasting: hubs.Hub) -> None:
    code, text = hubs.refusal(lasting.data, "--http-port", "0", "--mllp-port", "0")
    assert code == 4 and "already uses the data directory" in text and len(text.splitlines()) == 1
    assert b"MSA|AA" in lasting.send("still-here")


@pytest.mark.parametrize("place", ["/proc/ponte", "/dev/null/hub"])
def test_an_unwritable_data_directory_is_one_sentence(place: str) -> None:
    code, text = hubs.refusal(Path(place), "--http-port", "0", "--mllp-port", "0")
    assert code == 4 and "cannot write the data directory" in text and len(text.splitlines()) == 1


@pytest.mark.skipif(not AS_ROOT, reason="mounting a small disk needs root")
def test_a_full_disk_is_one_sentence(folder: Path) -> None:
    disk = folder / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m,mode=755", "tmpfs", str(disk)], check=False)
    if mounted.returncode:
        pytest.skip("this machine does not allow mounting a tmpfs")
    try:
        code, text = hubs.refusal(disk / "hub", "--http-port", "0", "--mllp-port", "0")
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    assert code == 4 and "is full" in text and len(text.splitlines()) == 1


@pytest.mark.skipif(not AS_ROOT, reason="only root starts the servers under another account")
def test_a_private_home(folder: Path) -> None:
    home = folder / "home"
    home.mkdir(mode=0o700)
    code, text = hubs.refusal(home / "chosen", "--http-port", "0", "--mllp-port", "0")
    assert code == 4 and "cannot enter" in text and len(text.splitlines()) == 1
    with hubs.up(home / "unused", home=home) as hub:
        assert b"MSA|AA" in hub.send("one")
        import json
        import shutil

        data = Path(json.loads((home / ".ponte" / "running.json").read_text())["data"])
        assert data.parent == Path("/var/lib/ponte")
        assert hub.stop() == 0
    assert hubs.gone(data, 5)
    shutil.rmtree(data)


@pytest.mark.skipif(not AS_ROOT, reason="only root can become another user")
def test_an_ordinary_user(folder: Path) -> None:
    entry = pwd.getpwnam("nobody")
    folder.chmod(0o777)
    runs = ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups"]
    check = [*runs, *hubs.command(None)[:3], "-c", "import api.supervisor, redis.asyncio"]
    probe = subprocess.run(check, env=hubs.environment(folder), cwd="/", check=False, capture_output=True)
    if probe.returncode:
        pytest.skip("the user nobody cannot reach this interpreter or checkout")
    data = folder / "hub"
    process = subprocess.Popen(
        [*runs, *hubs.command(data, "--http-port", "0", "--mllp-port", "0")],
        env=hubs.environment(folder, HOME=str(folder)), cwd="/", stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None and "fhir" in process.stdout.readline()
        assert data.stat().st_uid == entry.pw_uid
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        process.stdout.close()
    assert hubs.gone(data, 5)
