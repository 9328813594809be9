"""Whole hubs as processes for tests: started by the command line, watched from outside."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import clusters

ROOT = Path(__file__).resolve().parents[2]
ADT = "MSH|^~\\&|HIS|HOSP|P|H|20261122080000||ADT^A04^ADT_A01|{0}|P|2.5||||||UNICODE UTF-8\rEVN|A04|20261122080000\rPID|1||{1}^^^HOSP^MR||Silva^Ana||19800229|F\r"


@dataclass
class Hub:
    process: subprocess.Popen[str]
    data: Path
    addresses: dict[str, str]
    seconds: float

    @property
    def mllp(self) -> tuple[str, int]:
        host, _, port = self.addresses["mllp"].rpartition(":")
        return host, int(port)

    def facts(self) -> dict[str, Any]:
        return dict(json.loads((self.data / "running.json").read_text(encoding="utf-8")))

    def send(self, control: str, patient: str = "1", seconds: float = 20) -> bytes:
        """The acknowledgement of one message over a new connection; empty when the connection was closed."""
        with socket.create_connection(self.mllp, seconds) as connection:
            connection.settimeout(seconds)
            connection.sendall(b"\x0b" + ADT.format(control, patient).encode() + b"\x1c\r")
            answer = b""
            while not answer.endswith(b"\x1c\r"):
                part = connection.recv(65536)
                if not part:
                    return b""
                answer += part
            return answer

    def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(how)
        return self.process.wait(40)


def command(data: Path | None, *options: str) -> list[str]:
    where = ["--data", str(data)] if data is not None else []
    return [sys.executable, "-X", "utf8", "-m", "api.cli", "up", "--json", *where, *options]


def environment(home: Path, **more: str) -> dict[str, str]:
    """The variables of a hub's processes. It has one worker and no simulated partners unless `more` says otherwise."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PONTE_")}
    return {
        **kept,
        "PYTHONPATH": str(ROOT),
        "PONTE_HOME": str(home),
        "PONTE_WORKERS": "1",
        "PONTE_SIMULATORS": "0",
        **more,
    }


@contextlib.contextmanager
def up(data: Path, *options: str, home: Path | None = None, fresh: bool = False, **more: str) -> Iterator[Hub]:
    """A hub on `data`, ready; whatever is left of it at the end is killed.

    A start on an empty directory takes a prepared database where a hub would make the same one itself; `fresh`: it does.
    With a `home` it uses the default directory of that home instead of `data`.
    """
    ports = () if options else ("--http-port", "0", "--mllp-port", "0")
    if not (fresh or home or data.exists() or "PONTE_DATABASE_URL" in more):
        clusters.prepare(data)
    with contextlib.ExitStack() as waiting:
        waiting.enter_context(clusters.guarded("start"))  # a start takes both cores, and some are timed
        start = time.monotonic()
        process = subprocess.Popen(
            command(None if home else data, *ports, *options),
            env=environment(home or data.parent, **more), cwd="/", text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        try:
            assert process.stdout is not None and process.stderr is not None
            line = process.stdout.readline()
            if not line:
                raise AssertionError(f"no start: {process.wait(10)}: {process.stderr.read()}")
            seconds = time.monotonic() - start
            waiting.close()
            yield Hub(process, data, json.loads(line), seconds)
        finally:
            end(process)


def end(process: subprocess.Popen[str]) -> None:
    """Nothing of `process` is left, and none of its streams is open."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(30)
    process.kill()
    process.wait()
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()


def refusal(data: Path, *options: str, **more: str) -> tuple[int, str]:
    """Exit code and error text of a start that should fail."""
    done = subprocess.run(
        command(data, *options), env=environment(data.parent, **more), cwd="/", text=True,
        capture_output=True, timeout=90, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr.strip()


def processes_of(data: Path) -> list[int]:
    """Processes that belong to the hub on `data`: by their arguments or their environment."""
    mark = str(data.resolve()).encode()
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            text = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
            if mark in text:
                found.append(int(folder.name))
    return found


def gone(data: Path, seconds: float) -> bool:
    """Whether nothing of the hub is left within `seconds`."""
    deadline = time.monotonic() + seconds
    while processes_of(data):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def answers(url: str) -> int:
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=10) as reply:
        return int(reply.status)
    return 0
