"""`ponte tenant` as an operator types it: on a hub without the demonstration, until the new hospital's message is kept."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hubs
import peers
import pytest

from api.cli.main import main
from hub.guard import clients
from hub.world import opened


@pytest.fixture
def run(cluster: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.setenv("PONTE_DATABASE_URL", cluster[0].database_url)
    monkeypatch.setenv("PONTE_DATA", str(cluster[0].data))

    def call(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(["tenant", *words])
        found = capsys.readouterr()
        return code, found.out, found.err

    return call


def slug_of() -> str:
    return f"h{uuid.uuid4().hex[:12]}"


async def authenticated(settings: Any, client: str, secret: str) -> tuple[str, ...]:
    async with opened(settings, size=1) as world:
        return (await clients.authenticate(world, client, secret)).scopes


def test_add_shows_the_secret_once(run: Any, cluster: Any) -> None:
    slug = slug_of()
    code, out, _ = run("add", slug, "--name", "Hospital Novo", "--json")
    made = json.loads(out)
    assert code == 0 and (made["channels"], made["clients"], made["active"]) == (1, 1, True)
    scopes = asyncio.run(authenticated(cluster[0], made["client_id"], made["client_secret"]))
    assert made["client_id"] == f"{slug}.admin" and scopes == ("admin/*",)
    code, out, _ = run("list")
    assert code == 0 and f"{slug}  Hospital Novo  (America/Sao_Paulo)" in out and made["client_secret"] not in out


def test_change_close_open(run: Any) -> None:
    slug = slug_of()
    assert run("add", slug, "--name", "Hospital", "--no-client")[0] == 0
    assert (
        "Hospital Dois  (America/Manaus)"
        in run("change", slug, "--name", "Hospital Dois", "--zone", "America/Manaus")[1]
    )
    assert "CLOSED" in run("close", slug)[1]
    assert "CLOSED" not in run("open", slug)[1]


def test_what_is_refused_leaves_nothing(run: Any, tmp_path: Path) -> None:
    slug, wrong, private = slug_of(), tmp_path / "x.toml", tmp_path / "keys.json"
    wrong.write_text('name = "x"\ndoor = "mllp"\ncolour = "red"\n', encoding="utf-8")
    private.write_text('{"keys": [{"kty": "RSA", "kid": "a", "d": "x", "n": "y", "e": "AQAB"}]}', encoding="utf-8")
    code, _, told = run("add", slug, "--name", "Hospital", "--channel", str(wrong))
    assert code == 1 and "colour" in told
    assert run("add", slug, "--name", "Hospital", "--jwks", str(private))[0] == 1
    assert run("add", slug, "--name", "Hospital", "--channel", str(tmp_path / "absent.toml"))[0] == 2
    assert run("add", "X", "--name", "Hospital")[0] == 1
    assert slug not in run("list")[1]
    assert run("close", slug)[0] == 1


@pytest.fixture
def data() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ponte-tenants-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name) / "data"


@pytest.mark.slow
def test_a_hub_without_the_demonstration(data: Path) -> None:
    """Nothing of it is there; a hospital is made while the hub runs, and its port opens without a restart."""
    with hubs.up(data, fresh=True, PONTE_DEMO="0") as hub:
        assert "tenant" not in hub.addresses and operate(data, "list", "--json") == ""
        port = peers.dead_port()
        made = json.loads(operate(data, "add", "clara", "--name", "Santa Clara", "--mllp-port", str(port), "--json"))
        assert (made["channels"], made["clients"]) == (2, 1)
        assert b"MSA|AA" in answered(port)
        assert json.loads(operate(data, "list", "--json"))["tenant"] == "clara"


def operate(data: Path, *words: str) -> str:
    command = [sys.executable, "-X", "utf8", "-m", "api.cli", "tenant", *words, "--data", str(data)]
    done = subprocess.run(
        command, env=hubs.environment(data.parent), capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


def answered(port: int, seconds: float = 30) -> bytes:
    deadline = time.monotonic() + seconds
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), 10) as connection:
                connection.sendall(b"\x0b" + hubs.ADT.format("T1", "77").encode() + b"\x1c\r")
                return connection.recv(4096)
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
