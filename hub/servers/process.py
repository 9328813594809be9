"""Child processes that never outlive their starter, and the unprivileged account servers run under as root."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import pwd
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from canonical.errors import Misconfigured

_PR_SET_PDEATHSIG = 1
_ACCOUNTS = ("ponte", "postgres", "nobody")
FIRST_PORT = 10_240
PORTS = 22_528  # up to 32,767: systems give the ports above to whoever names none
TRIES = 1_000


@dataclass(frozen=True, slots=True)
class Account:
    """The user a server runs as; `None` in `current_account` means: as ourselves."""

    name: str
    uid: int
    gid: int


def server_account() -> Account | None:
    """The unprivileged account for servers when we are root (PostgreSQL refuses root), else None."""
    if os.geteuid() != 0:
        return None
    wanted = os.environ.get("PONTE_RUN_AS")
    for name in [wanted] if wanted else _ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    raise Misconfigured("no unprivileged account for the database server; create one and name it in PONTE_RUN_AS")


def reachable(path: Path, account: Account | None) -> bool:
    """Whether `account` can enter every existing folder on the way to `path`."""
    if account is None:
        return True
    for folder in [path, *path.parents]:
        if not folder.exists():
            continue
        status = folder.stat()
        mode = status.st_mode
        if status.st_uid == account.uid:
            allowed = mode & 0o100
        elif status.st_gid == account.gid:
            allowed = mode & 0o010
        else:
            allowed = mode & 0o001
        if folder.is_dir() and not allowed:
            return False
    return True


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port nobody listens on at this moment; raises Misconfigured when none of many tried is free.

    It is drawn from below the range that systems give to outgoing connections and to listeners without a port: one of
    that range may be given away between this look and its use, and a connection to it may even reach itself.
    """
    for _ in range(TRIES):
        with contextlib.closing(socket.socket()) as probe:
            try:
                probe.bind((host, FIRST_PORT + secrets.randbelow(PORTS)))
            except OSError as error:
                if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                    raise
                continue
            return int(probe.getsockname()[1])
    raise Misconfigured(f"no free port was found on {host}; name the ports")


def spawn(
    command: Sequence[str],
    *,
    account: Account | None = None,
    environment: Mapping[str, str] | None = None,
    log: Path | None = None,
    death_signal: signal.Signals = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start `command` in its own session; the kernel sends it `death_signal` when we die (Linux)."""
    output = subprocess.DEVNULL
    if log is not None:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        return subprocess.Popen(
            list(command),
            cwd="/",
            env=dict(environment) if environment is not None else None,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_tie(death_signal),  # noqa: PLW1509  (calls only prctl, no locks are taken)
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    finally:
        if output >= 0:
            os.close(output)


def stop(process: subprocess.Popen[bytes], how: signal.Signals, seconds: float) -> None:
    """Ask `process` to end with `how` and wait; kill it when it does not."""
    if process.poll() is not None:
        return
    process.send_signal(how)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(5)


def run_as(command: Sequence[str], account: Account | None, environment: Mapping[str, str]) -> str:
    """Run `command` to its end as `account` and return its output; raises Misconfigured with the last line."""
    done = subprocess.run(
        list(command),
        cwd="/",
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )
    if done.returncode != 0:
        lines = (done.stderr + done.stdout).strip().splitlines()
        raise Misconfigured(f"{Path(command[0]).name} failed: {lines[-1] if lines else done.returncode}")
    return done.stdout


def _tie(death_signal: signal.Signals) -> Callable[[], None] | None:
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def tie() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(death_signal))
        if os.getppid() != parent:  # the starter died between fork and prctl
            os._exit(0)

    return tie
