"""The database's disk is full: nothing is acknowledged that is not stored, and all goes on by itself once there is room."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hubs import ADT, Hub, up

from tests.hub.exchange.test_kill import stored

SIZE = "420m"
ROOM = 3 * 1024 * 1024


@contextlib.contextmanager
def small_disk() -> Iterator[Path]:
    """A file system of its own; skips with the reason where none can be mounted."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system to fill")
    with tempfile.TemporaryDirectory(prefix="ponte-disk-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=755", "tmpfs", name], capture_output=True, check=False
        )
        if done.returncode != 0:
            pytest.skip("a small file system cannot be mounted here")
        try:
            yield Path(name)
        finally:
            subprocess.run(["umount", "-l", name], check=False)


def fill(disk: Path) -> Path:
    """Leave ROOM bytes."""
    path = disk / "filler"
    with path.open("wb") as file, contextlib.suppress(OSError):
        while shutil.disk_usage(disk).free > ROOM:
            file.write(b"\0" * min(1024 * 1024, max(4096, shutil.disk_usage(disk).free - ROOM)))
            file.flush()
    return path


def say(hub: Hub, control: str, size: int = 0) -> bytes:
    """The answer to a message with a note of `size` letters that do not compress; empty when there is none."""
    note = f"NTE|1||{base64.b64encode(os.urandom(size * 3 // 4)).decode()}\r" if size else ""
    raw = b"\x0b" + (ADT.format(control, "1") + note).encode() + b"\x1c\r"
    try:
        with socket.create_connection(hub.mllp, 10) as connection:
            connection.settimeout(10)
            connection.sendall(raw)
            answer = b""
            while not answer.endswith(b"\x1c\r") and (part := connection.recv(65536)):
                answer += part
            return answer
    except OSError:
        return b""


@pytest.mark.slow
def test_full_disk() -> None:
    with small_disk() as disk, up(disk / "hub") as hub:
        acknowledged = [f"before{n}" for n in range(20) if b"MSA|AA" in say(hub, f"before{n}")]
        assert len(acknowledged) == 20
        filler = fill(disk)
        refused, number = 0, 0
        deadline = time.monotonic() + 60
        while refused < 5 and time.monotonic() < deadline:
            control = f"full{number}"
            number += 1
            answer = say(hub, control, 60_000)
            if b"MSA|AA" in answer:
                acknowledged.append(control)
            else:
                refused += 1
        assert refused >= 5, "the disk never became full"
        filler.unlink()
        start = time.monotonic()
        while b"MSA|AA" not in say(hub, "after"):
            assert time.monotonic() - start < 60, "it does not go on by itself"
            time.sleep(0.5)
        found = asyncio.run(stored(hub.facts()["database_url"], 60))
        assert {control: found[control] for control in [*acknowledged, "after"] if found[control] != 1} == {}
        hub.stop()
