"""A real OpenSSH server on a port of its own, for the user who runs the tests; absent, the tests that need it skip."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncssh

from hub.servers.process import free_port

SSHD = shutil.which("sshd") or ("/usr/sbin/sshd" if Path("/usr/sbin/sshd").exists() else "")


@dataclass(frozen=True)
class Server:
    port: int
    user: str
    host_key: str
    key: str
    folder: Path
    pid: int = 0


@contextlib.contextmanager
def serving(folder: Path, without: str = "") -> Iterator[Server]:
    """`without`: requests of SFTP it does not know, such as `posix-rename`, as servers that are not OpenSSH."""
    home = folder / "ssh"
    home.mkdir(mode=0o700)
    host, own = asyncssh.generate_private_key("ssh-ed25519"), asyncssh.generate_private_key("ssh-ed25519")
    (home / "host").write_bytes(host.export_private_key())
    (home / "host").chmod(0o600)
    (home / "authorized").write_bytes(own.export_public_key())
    port = free_port()
    lines = (
        f"Port {port}", "ListenAddress 127.0.0.1", f"HostKey {home}/host", f"AuthorizedKeysFile {home}/authorized",
        "StrictModes no", "UsePAM no", "PasswordAuthentication no", "PermitRootLogin yes", f"PidFile {home}/pid",
        f"Subsystem sftp internal-sftp{f' -P {without}' if without else ''}",
    )  # fmt: skip
    (home / "config").write_text("\n".join(lines) + "\n", encoding="utf-8")
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    process = subprocess.Popen([SSHD, "-D", "-e", "-f", str(home / "config")], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
                break
            time.sleep(0.05)
        files = folder / "files"
        files.mkdir()
        public = host.export_public_key().decode().strip()
        yield Server(port, getpass.getuser(), public, own.export_private_key().decode(), files, process.pid)
    finally:
        process.terminate()
        process.wait(10)
